"""Fig. 11 in our own drawing, and what each of its methods does on a batch."""

from __future__ import annotations

import matplotlib.pyplot as plt
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from ..page.colours import COLOURS, PALE
from ..page.look import WIDTH, described
from ..studies.relatives import LOSSES, Batch, pulls
from .diagrams import arrow, box


@described(
    "Four diagrams of models A and B. Co-teaching+: arrows both ways around a sign of inequality; each picks what "
    "the other learns, where they disagree. Deep Co-Training: arrows both ways and a sign of equality; both are "
    "pulled together everywhere. Dual Student: one arrow from A to B and a greater-than sign; the surer one teaches, "
    "element by element. DMT: A gave labels once, which go to B; they count as far as B agrees with them."
)
def four_uses() -> Figure:
    """Fig. 11: two models, and what passes between them."""
    figure, axes = plt.subplots(2, 2, figsize=(WIDTH, 5.4))
    for ax, name in zip(axes.flat, LOSSES, strict=True):
        ax.set(xlim=(0, 100), ylim=(0, 74))
        ax.axis("off")
        ax.set_title(name, loc="center")
    co_teaching, co_training, student, mutual = axes.flat
    ink, purple, quiet = COLOURS["ink"], COLOURS["pseudo"], COLOURS["quiet"]
    for ax in (co_teaching, co_training, student):
        box(ax, (16, 45), (26, 22), "A", COLOURS["A"])
        box(ax, (84, 45), (26, 22), "B", COLOURS["B"])
    arrow(co_teaching, (30, 52), (70, 52), purple, bend=-0.25)
    arrow(co_teaching, (70, 38), (30, 38), purple, bend=-0.25)
    _sign(co_teaching, "≠", "each picks what\nthe other learns,\nwhere they disagree")
    arrow(co_training, (30, 49), (70, 49), ink)
    arrow(co_training, (70, 41), (30, 41), ink)
    _sign(co_training, "=", "both are pulled\ntogether, everywhere", (50, 60))
    arrow(student, (30, 45), (70, 45), ink)
    _sign(student, ">", "the surer one teaches,\nelement by element", (50, 57))
    box(mutual, (13, 45), (22, 22), "A", COLOURS["A"])
    box(mutual, (50, 45), (32, 22), "labels", purple)
    box(mutual, (87, 45), (22, 22), "B", COLOURS["B"])
    arrow(mutual, (24, 45), (34, 45), quiet)
    arrow(mutual, (66, 45), (76, 45), purple)
    _sign(mutual, "≈", "fixed labels count as far\nas B agrees with them", (71, 65))
    return figure


def pull_map(points: Float[Tensor, "n 2"], batch: Batch) -> Figure:
    """Where each method pulls B, and whether towards the truth: the larger the dot, the stronger the pull."""
    figure, axes = plt.subplots(2, 2, figsize=(WIDTH, 6.2), layout="compressed")
    words = []
    for ax, (name, loss) in zip(axes.flat, LOSSES.items(), strict=True):
        pull = pulls(loss, batch, batch.truth)
        share = 100 * (pull.abs() > 1e-6).float().mean()
        words.append(f"{name}: {(pull > 1e-6).sum()} towards the truth, {(pull < -1e-6).sum()} away")
        size = 40 * pull.abs() / pull.abs().max()
        ax.scatter(*points.T, s=2, color=PALE, linewidth=0)
        for side, colour in [(pull > 0, COLOURS["right"]), (pull < 0, COLOURS["wrong"])]:
            ax.scatter(*points[side].T, s=size[side], color=colour, linewidth=0, alpha=0.8)
        ax.set(aspect="equal", xticks=[], yticks=[], xlim=(-1.15, 1.15), ylim=(-1.15, 1.15))
        ax.set_title(f"{name}\nlearns from {share:.0f}%")
        for spine in ax.spines.values():
            spine.set_visible(False)
    marks = [("towards the truth", COLOURS["right"]), ("away from it", COLOURS["wrong"]), ("no pull", PALE)]
    handles = [plt.Line2D([], [], linestyle="", marker="o", color=c, markersize=6, label=n) for n, c in marks]
    figure.set_label(
        f"Four maps of the spiral with the same points, larger where they are pulled more. {'; '.join(words)}."
    )
    figure.legend(handles=handles, loc="outside lower center", ncol=3, handletextpad=0.1)
    return figure


def _sign(ax: Axes, sign: str, words: str, place: tuple[float, float] = (50, 45)) -> None:
    """What decides, as a sign between the models, and in words below them."""
    ax.text(*place, sign, ha="center", va="center", fontsize=24, weight="bold", color=COLOURS["ink"])
    ax.text(50, 14, words, ha="center", va="center", fontsize=11.5, linespacing=1.3)
