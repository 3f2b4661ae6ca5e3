"""What other code may rely on: names, signatures, annotations, docstrings, and an import that costs little."""

from __future__ import annotations

import inspect
import json
import re
import subprocess
import sys

import pytest
import torch
from jaxtyping import TypeCheckError, jaxtyped
from shapes import numbers_are_floats

import dmtlib

# The signatures of issue 2, word for word.
FIXED = {
    "dynamic_weights": (
        lambda probabilities, pseudo_labels, pseudo_confidence, gamma1, gamma2, *, ignore_index=255: ...
    ),
    "dynamic_loss": lambda logits, targets, confidence, labeled, gamma1, gamma2, *, ignore_index=255: ...,
    "gamma_ramp": lambda step, total_steps, gamma_max: ...,
    "select_top_images": lambda confidence, alpha: ...,
    "difference_maximized_subsets": lambda items, size, seed: ...,
    "WideResNet": lambda depth, widen_factor, num_classes, in_channels=3: ...,
}
PUBLIC = [name for name in dmtlib.__all__ if callable(getattr(dmtlib, name))]


@pytest.mark.parametrize("name", FIXED)
def test_fixed_signatures(name):
    def plain(function):
        return [(p.name, p.kind, p.default) for p in inspect.signature(function).parameters.values()]

    assert plain(getattr(dmtlib, name)) == plain(FIXED[name])
    assert name in dmtlib.__all__


def test_all_names_exist_and_are_sorted():
    assert all(hasattr(dmtlib, name) for name in dmtlib.__all__)
    assert dmtlib.__all__ == sorted(dmtlib.__all__)
    assert set(FIXED) | {"RULES"} <= set(dmtlib.__all__)


@pytest.mark.parametrize("name", PUBLIC)
def test_docstrings_name_their_source(name):
    assert re.search(r"Eq\. \d|Sec\. \d|Fig\. \d|Alg\. \d|Zagoruyko", inspect.getdoc(getattr(dmtlib, name)))


@pytest.mark.parametrize("name", list(dmtlib.RULES))
def test_rules_say_which_method_they_are(name):
    names = "DMT|CL|Online ST|FixMatch|FlexMatch|Small loss|JS weight"
    assert re.match(rf"({names})\b.*:", inspect.getdoc(dmtlib.RULES[name]))


# --- The shapes in the signatures are true ------------------------------------------------------------------------


def checked(function):
    """The function with its annotations checked; `torch.no_grad()` hides them behind *args, so look beneath it."""
    return jaxtyped(inspect.unwrap(function), typechecker=numbers_are_floats)


def example(*space):
    batch, classes = 4, 3
    logits = torch.randn(batch, classes, *space)
    labels, confidence = logits.argmax(1), torch.rand(batch, *space)
    return logits, logits.softmax(1), labels, confidence, torch.arange(batch) < 2


def calls(*space):
    """A valid call of each public function of tensors."""
    logits, p, labels, confidence, labeled = example(*space)
    yield from (
        ("dynamic_weights", (p, labels, confidence, 4, torch.tensor(2.0))),
        ("dynamic_weights", (p.half(), labels.to(torch.uint8), confidence.half(), 4.0, 2)),
        ("dynamic_loss", (logits, labels.int(), confidence, labeled, 4, 2.0)),
        ("disagreement_cases", (p, labels, confidence)),
        ("weighted_cross_entropy", (logits, labels, confidence)),
        ("entropy", (p,)),
        ("pseudo_label", (p, 0)),
    )
    if not space:
        lam, partner = torch.tensor(0.6), torch.arange(4).flip(0)
        images = torch.rand(4, 1, 8, 8)
        yield from (
            ("select_top_images", (confidence, 1)),
            ("mixup", (images, labels, confidence, partner, lam)),
            ("mixup_loss", (logits, dmtlib.mixup(images, labels, confidence, partner, lam))),
            ("gamma_ramp", (1, 10, 4)),
            ("difference_maximized_subsets", (["a", "b", "c"], 2, 0)),
            ("select_top_pixels", ([(labels.to(torch.uint8), labels.to(torch.uint16))], 3, 0.5)),
        )


@pytest.mark.parametrize("space", [(), (2, 5)], ids=["images", "pixels"])
def test_annotations_accept_what_the_functions_accept(space):
    for name, arguments in calls(*space):
        checked(getattr(dmtlib, name))(*arguments)


def test_every_public_function_is_among_them():
    assert {name for name, _ in calls()} == set(PUBLIC) - {"WideResNet", "DeepLabV2"}


def test_annotations_of_the_networks():
    model = dmtlib.WideResNet(10, 1, 5, in_channels=1)
    forward = checked(dmtlib.WideResNet.forward)
    assert forward(model, torch.rand(2, 1, 8, 8)).shape == (2, 5)
    with pytest.raises(TypeCheckError):
        forward(model, torch.rand(2, 8, 8))
    model = dmtlib.DeepLabV2("narrow", 5)
    forward = checked(dmtlib.DeepLabV2.forward)
    assert forward(model, torch.zeros(2, 3, 8, 9, dtype=torch.uint8)).shape == (2, 5, 8, 9)
    with pytest.raises(TypeCheckError):
        forward(model, torch.zeros(2, 1, 8, 9, dtype=torch.uint8))


def test_a_name_that_is_not_there_is_told():
    with pytest.raises(AttributeError, match="module 'dmtlib' has no attribute 'DeepLabV3'"):
        dmtlib.DeepLabV3  # noqa: B018


def test_annotations_reject_what_does_not_fit():
    """Without this, annotations that say nothing would pass too."""
    logits, p, labels, confidence, labeled = example(2, 5)
    for name, arguments in (
        ("dynamic_weights", (p, labels[:, :1], confidence, 4, 2)),
        ("dynamic_loss", (logits, labels, confidence, labeled[:2], 4, 2)),
        ("entropy", (labels,)),
    ):
        for function in (checked(getattr(dmtlib, name)), getattr(dmtlib, name)):  # the second as every test sees it
            with pytest.raises(TypeCheckError):
                function(*arguments)


# --- Importing ----------------------------------------------------------------------------------------------------

IMPORT = """
import contextlib, io, json, sys

def refuse(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "urllib.Request"):
        raise RuntimeError(f"importing dmtlib reached for the network: {event} {arguments}")

sys.addaudithook(refuse)
import dmtlib
from dmtlib.cli import main

with contextlib.redirect_stdout(io.StringIO()):
    assert main(["presets"]) == 0
print(json.dumps(sorted({module.split(".")[0] for module in sys.modules})))
"""


def test_import_is_light_and_offline():
    """So is the list of presets, which people ask for often."""
    done = subprocess.run([sys.executable, "-c", IMPORT], check=True, capture_output=True, text=True)
    heavy = {"torchvision", "sklearn", "matplotlib", "seaborn", "pandas", "tensorboard", "scipy"}
    assert not heavy & set(json.loads(done.stdout))
