"""Algorithm 1 beside the code that carries it out: each of its lines with the source lines that do it."""

from __future__ import annotations

import inspect
from types import ModuleType

from ..method import schedules
from ..training import curriculum, phase, record

ALGORITHM_1: list[tuple[str, ModuleType, list[str]]] = [
    ("1  Randomly initialise F⁰", phase, ["model = WideResNet("]),
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
    ("7    Train Fⁱ on S_l and S_p with the dynamic loss", phase, ["= self.rule(", "state.descend(mixup_loss("]),
    ("8  F = F⁵", record, ["last = phases[-1]"]),
]
"""A line of the algorithm, the module that does it, and how its source lines can be recognised."""


def algorithm_1() -> str:
    """The lines of Alg. 1 as comments over the code, as Markdown."""
    blocks = []
    for words, module, marks in ALGORITHM_1:
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
