"""The `authors` variant: the paper's row with what the authors' code does otherwise, and nothing else."""

import dataclasses

import pytest
import torch
from random_phase import random_phase

from dmtlib.presets import PRESETS, preset

CPU = torch.device("cpu")
ROWS = ("cifar10-4000", "cifar10-1000")


@pytest.mark.parametrize("name", ROWS)
def test_the_variants_differ_in_what_the_authors_code_does_otherwise(name):
    paper, authors = preset(name, "dmt", seed=1).to_json(), preset(name, "dmt", seed=1, variant="authors").to_json()
    assert {key: authors[key] for key in paper if paper[key] != authors[key]} == {
        "preset": f"{name}-authors",
        "augmentation": "authors",
        "ema_decay": 0.001,
        "weight_pass_moves_statistics": True,
    }
    assert preset(f"{name}-authors", "dmt", seed=1) == preset(name, "dmt", seed=1, variant="authors")


@pytest.mark.parametrize(
    ("name", "variant", "allowed"),
    [
        ("digits-40", "authors", "paper"),
        ("cifar10-4000", "sgd", "paper, authors"),
        ("cifar10-1000", "", "paper, authors"),
    ],
)
def test_an_unknown_variant_is_told(name, variant, allowed):
    with pytest.raises(ValueError, match=f"^variant of {name} must be one of {allowed}, got '{variant}'$"):
        preset(name, "dmt", variant=variant)


def test_a_run_bears_the_name_of_its_row():
    for name in PRESETS:
        assert preset(name, "dmt").preset == name


def step(**changes):
    """A step of DMT: how often batch norm's running statistics moved, and how far the average is from the model."""
    trainer = random_phase(dataclasses.replace(preset("digits-40", "dmt"), **changes), CPU)
    for _ in range(10):
        trainer.step()
    model, averaged = trainer.state.model, trainer.state.averaged
    apart = (model.classifier.weight - averaged.classifier.weight).norm() / model.classifier.weight.norm()
    return model.norm.num_batches_tracked.item(), apart.item()


def test_the_authors_weight_pass_moves_the_running_statistics_too():
    assert step()[0] == 10
    assert step(weight_pass_moves_statistics=True)[0] == 20


def test_the_authors_average_is_the_last_iterate():
    assert step(ema_decay=0.001)[1] < 1e-3 < step(ema_decay=0.999)[1]
