"""Algorithms 1 and 2 beside the code that carries them out: each of their lines with the source lines that do it."""

from __future__ import annotations

import inspect
from types import ModuleType

from dmtlib.method import schedules
from dmtlib.training.images import curriculum, phase, record
from dmtlib.training.pixels import models as segmentation_models
from dmtlib.training.pixels import mutual
from dmtlib.training.pixels import phase as segmentation_phase
from dmtlib.training.pixels import plan as segmentation_plan
from dmtlib.training.pixels import record as segmentation_record

Algorithm = list[tuple[str, ModuleType, list[str]]]
"""A line of the algorithm, the module that does it, and how its source lines can be recognised."""

ALGORITHM_1: Algorithm = [
    ("1  Randomly initialise F⁰", phase, ["model = classifier("]),
    ("2  Train F⁰ on S_l", phase, ["return task.labeled[labeled], "]),
    ("3  α = {20%, 40%, 60%, 80%, 100%}", schedules, ["CURRICULUM_ALPHAS = "]),
    ("4  foreach iteration i", curriculum, ["for phase in range("]),
    (
        "5    Predict and save the top αᵢ images on S_u with Fⁱ⁻¹ → S_p",
        curriculum,
        ["return predict(self.teacher", "labels, confidence = pseudo_label(", "kept = select_top_images("],
    ),
    (
        "6    Randomly initialise Fⁱ with a previously unused seed",
        phase,
        ['torch.manual_seed(derive_seed(config.seed, "'],
    ),
    ("7    Train Fⁱ on S_l and S_p with the dynamic loss", phase, ["= supervise(", "state.descend(mixup_loss("]),
    ("8  F = F⁵", record, ["last = phases[-1]"]),
]

ALGORITHM_2: Algorithm = [
    (
        "1, 2, 6  Initialise F⁰_A and F⁰_B with different weights, or with the same",
        segmentation_models,
        ["weights, _, path = ", "torch.manual_seed("],
    ),
    ("7  S_A, S_B = DifferenceMaximizedSampling(S_l)", segmentation_plan, ["halves = difference_maximized_halves("]),
    (
        "3, 4, 8, 9  Train F⁰_A and F⁰_B on S_l, or on S_A and S_B",
        mutual,
        ["labeled=self.plan.labeled if phase else "],
    ),
    ("10  α = {20%, 40%, 60%, 80%, 100%}", schedules, ["CURRICULUM_ALPHAS = "]),
    ("11  foreach iteration i", mutual, ["for phase in range(len("]),
    ("12, 14    With the other model's Fⁱ⁻¹ …", segmentation_plan, ['return Labeler({"A": "B", "B": "A"}[model]']),
    (
        "          … predict and save the top αᵢ pixels of each class on S_u → S_p",
        mutual,
        ["predictions = label_images(", "return write_pixel_labels("],
    ),
    ("13, 15    Fine-tune Fⁱ from Fⁱ⁻¹ …", mutual, ["return restore(self.architecture, self.weights[name]"]),
    (
        "          … on both S_l and S_p with the dynamic loss",
        segmentation_phase,
        ["taught = supervise(", "state.descend(weighted_cross_entropy("],
    ),
    ("16  F = best(F⁵_A, F⁵_B)", segmentation_record, ["best = max("]),
]
"""Its lines for A and for B are the same lines of code, run for one and then for the other."""


def algorithm_1() -> str:
    """The lines of Alg. 1 as comments over the code, as Markdown."""
    return _listing(ALGORITHM_1)


def algorithm_2() -> str:
    """The same of Alg. 2."""
    return _listing(ALGORITHM_2)


def _listing(algorithm: Algorithm) -> str:
    blocks = []
    for words, module, marks in algorithm:
        code = [find(module, mark) for mark in marks]
        places = ", ".join(str(number) for number, _ in code)
        head = f"# {words}\n#    {module.__name__}, line{'s' * (len(code) > 1)} {places}"
        blocks.append("\n".join([head, *(text for _, text in code)]))
    return "```python\n" + "\n\n".join(blocks) + "\n```"


def find(module: ModuleType, mark: str) -> tuple[int, str]:
    """The one line of a module that contains ``mark``, with its number.

    Raises:
        ValueError: none or several do.
    """
    lines = inspect.getsource(module).splitlines()
    found = [(number, line.strip()) for number, line in enumerate(lines, start=1) if mark in line]
    if len(found) != 1:
        raise ValueError(f"{mark!r} stands in {len(found)} lines of {module.__name__}, 1 is needed")
    return found[0]
