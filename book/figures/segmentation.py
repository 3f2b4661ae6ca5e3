"""The figures of the chapter from images to pixels: what is kept of each class, CBST's thresholds, views, Fig. 6."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
import pandas as pd
import torch
from jaxtyping import Float, UInt8
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Generator, Tensor

from dmtlib.data.pixels.joint_augment import JointAugment
from dmtlib.method.pixel_selection import IGNORED

from ..page.colours import COLOURS, FADED_RIGHT, FADED_WRONG, PALE, WORDS
from ..page.look import WIDTH, described
from ..studies.segmentation import (
    PixelLabeling,
    four_parts,
    keep_top,
    kept_by_class,
    renormalisation_effect,
    thresholds,
)
from .diagrams import arrow
from .masks import CLASS_COLOURS, VOID_COLOUR, picture, picture_figure

PART_COLOURS = (COLOURS["right"], COLOURS["wrong"], FADED_WRONG, FADED_RIGHT)
"""Of the columns of :func:`~book.studies.segmentation.four_parts`, as in the chapter on pseudo labels."""

MEMBERS = {"A alone": COLOURS["A"], "both": PALE, "B alone": COLOURS["B"]}


@described(
    "Bars of the share kept of each class's labels. Ranked together the background has nearly all, ranked by class "
    "each class has the same share."
)
def kept_shares(labeling: PixelLabeling, alpha: float) -> Figure:
    """Which share of each class's labels the top α keeps: of all pixels together, and of each class by itself."""
    figure, axes = plt.subplots(1, 2, figsize=(WIDTH, 0.42 * len(labeling.classes) + 1.3), sharey=True)
    for ax, title, by_class in zip(axes, ("ranked together", "ranked by class"), (False, True), strict=True):
        counts = kept_by_class(labeling, keep_top(labeling, alpha, by_class))
        shares = 100 * counts["kept"] / counts["labeled"].clip(lower=1)
        bars = ax.barh(counts.index, shares, color=CLASS_COLOURS[: len(counts)], height=0.7)
        ax.bar_label(bars, [f"{kept:,}" for kept in counts["kept"]], padding=4, fontsize=11)
        ax.set(xlim=(0, 60), xlabel="kept of its labels (%)", title=title)
        ax.tick_params(axis="y", length=0)
    axes[0].invert_yaxis()
    return figure


@described(
    "The truth of four scenes, their kept labels and which of those are wrong; below, kept and dropped, right and "
    "wrong labels of each class."
)
def alpha_frame(labeling: PixelLabeling, scenes: Sequence[int], alpha: float) -> Figure:
    """What is kept at one α: the truth of some scenes, their kept labels, which are wrong, and all scenes by class.

    Args:
        scenes: positions in ``labeling``.
    """
    kept = keep_top(labeling, alpha)
    heights = [3 * WIDTH / len(scenes), 0.34 * len(labeling.classes) + 1.5]
    figure = plt.figure(figsize=(WIDTH, sum(heights)))
    above, below = figure.subfigures(2, 1, height_ratios=heights)
    figure.get_layout_engine().set(w_pad=0.03, h_pad=0.03, wspace=0, hspace=0)
    axes = above.subplots(3, len(scenes), squeeze=False)
    for column, scene in zip(axes.T, scenes, strict=True):
        for ax, values in zip(
            column, (labeling.truth[scene], kept[scene], _verdict(labeling, kept, scene)), strict=True
        ):
            picture(ax, values)
    for ax, name in zip(axes[:, 0], ("truth", "kept", "wrong?"), strict=True):
        ax.set_ylabel(name)
    _part_bars(below.subplots(), four_parts(labeling, kept))
    return figure


@described(
    "Above, the threshold of each class falls with alpha; the signs' fall below one half early, the background's "
    "late. Below, the share of kept labels that dividing changes from right to wrong and from wrong to right; both "
    "grow with alpha and fall at 100 percent."
)
def cbst_lines(labeling: PixelLabeling, alphas: Sequence[float]) -> Figure:
    """The thresholds of all classes over α, and what re-normalising by them does to the labels."""
    effect = renormalisation_effect(labeling, alphas)
    lines = torch.stack([thresholds(labeling, alpha) for alpha in alphas])
    percent = [100 * alpha for alpha in alphas]
    figure, (above, below) = plt.subplots(2, 1, figsize=(WIDTH, 5.6), sharex=True, height_ratios=[3, 2.2])
    for c, name in enumerate(labeling.classes):
        above.plot(percent, lines[:, c], color=CLASS_COLOURS[c], label=name)
    above.axhline(0.5, color=COLOURS["quiet"], linewidth=1.2, linestyle="--")
    above.set(ylabel="confidence at the cut", ylim=(0, 1.03), title="Thresholds")
    above.legend(loc="lower left", ncol=len(labeling.classes), columnspacing=1.0, handlelength=1.2)
    for column, colour in (("right made wrong", "wrong"), ("wrong made right", "right")):
        below.plot(percent, effect[column], "o-", color=COLOURS[colour], label=column, markersize=5)
    below.set(xlabel="α (%)", ylabel="of kept labels (%)", xlim=(0, 102), title="Labels changed by dividing")
    below.set_ylim(bottom=0)
    below.legend(loc="upper left")
    return figure


@described("Four scenes, each with two or three signs on a coloured ground, and below them the class of every pixel.")
def some_scenes(images: UInt8[Tensor, "N 3 H W"], masks: UInt8[Tensor, "N H W"], classes: Sequence[str]) -> Figure:
    """The first scenes, and what is on them."""
    rows = [[images[i] for i in range(4)], [masks[i] for i in range(4)]]
    return picture_figure(rows, [f"scene {i}" for i in range(4)], names=["image", "truth"], classes=classes)


@described(
    "Three scenes: image, true classes, the model's labels, and their confidence. The background is labeled well and "
    "surely; the signs are labeled in patches of several classes, with doubt."
)
def first_labels(
    images: UInt8[Tensor, "N 3 H W"], labeling: PixelLabeling, confidence: Float[Tensor, "N H W"]
) -> Figure:
    """What a model says of the first unlabeled scenes."""
    rows = [[images[i], labeling.truth[i], labeling.labels[i], confidence[i]] for i in range(3)]
    return picture_figure(rows, ["image", "truth", "pseudo labels", "confidence"], classes=labeling.classes)


def joint_views(
    image: UInt8[Tensor, "3 H W"],
    labels: UInt8[Tensor, "H W"],
    confidence: Float[Tensor, "H W"],
    augment: JointAugment,
    count: int,
    seed: int,
) -> list[list[Tensor]]:
    """Image, labels and confidence in rows: the first column is clean, the others are ``count`` views of it."""
    generator = Generator().manual_seed(seed)
    views = [augment(image, labels, confidence, generator=generator) for _ in range(count)]
    return [list(row) for row in zip((image, labels, confidence), *views, strict=True)]


@described(
    "One scene with its pseudo labels and confidences, clean and in four views: flipped, shrunk with empty space "
    "around it, enlarged and cropped. The maps follow the image in each."
)
def view_rows(rows: list[list[Tensor]], classes: Sequence[str]) -> Figure:
    """What :func:`joint_views` made."""
    titles = ["clean", *(f"view {n}" for n in range(1, len(rows[0])))]
    return picture_figure(rows, titles, names=["image", "label", "confidence"], classes=classes, void="ignored")


@described(
    "The labeled images as a row of cells, and the same cells shuffled: A takes the first 80 percent, B the last 80 "
    "percent, and the middle belongs to both."
)
def halves(labeled: Sequence[str], a: Sequence[str], b: Sequence[str]) -> Figure:
    """Fig. 6 in our own drawing, of a real split: the labeled subset by name, and as it was shuffled for A and B."""
    in_a, in_b = set(a), set(b)
    shuffled = [name for name in a if name not in in_b] + [name for name in a if name in in_b]
    shuffled += [name for name in b if name not in in_a]
    figure, ax = plt.subplots(figsize=(WIDTH, 2.5))
    for y, names in ((2.6, sorted(labeled)), (0, shuffled)):
        for x, name in enumerate(names):
            member = "both" if name in in_a and name in in_b else "A alone" if name in in_a else "B alone"
            ax.add_patch(Rectangle((x, y), 0.82, 1, color=MEMBERS[member], linewidth=0))
    n = len(labeled)
    ax.text(0, 3.8, f"{n} labeled images, by name", va="bottom")
    arrow(ax, (n / 2, 2.5), (n / 2, 1.75), COLOURS["quiet"])
    ax.text(n / 2 + 0.02 * n, 2.1, "shuffled", va="center", color=WORDS)
    _bracket(ax, 0, len(a), 1.35, f"A: the first {len(a)}", MEMBERS["A alone"], "left")
    _bracket(ax, n - len(b), n, -0.35, f"B: the last {len(b)}", MEMBERS["B alone"], "right")
    ax.set(xlim=(-0.5, n + 0.3), ylim=(-1.25, 4.4))
    ax.axis("off")
    return figure


def _bracket(ax: Axes, start: float, end: float, y: float, text: str, colour: str, side: str) -> None:
    ax.plot([start, end - 0.18], [y, y], color=colour, linewidth=3, solid_capstyle="butt")
    x, above = (start, y > 0) if side == "left" else (end - 0.18, y > 0)
    ax.text(
        x, y + (0.2 if above else -0.2), text, ha=side, va="bottom" if above else "top", color=colour, weight="bold"
    )


def _verdict(labeling: PixelLabeling, kept: UInt8[Tensor, "N H W"], scene: int) -> UInt8[Tensor, "H W 3"]:
    """Kept pixels of a scene in the colours of right and wrong; the others, and those without a class, light grey."""
    chosen = (kept[scene] != IGNORED) & labeling.known[scene]
    kind = torch.where(chosen, 1 + labeling.wrong[scene].long(), 0)
    return _rgb(VOID_COLOUR, COLOURS["right"], COLOURS["wrong"])[kind]


def _part_bars(ax: Axes, parts: pd.DataFrame) -> None:
    start = pd.Series(0.0, index=parts.index)
    for (name, shares), colour in zip(parts.items(), PART_COLOURS, strict=True):
        ax.barh(parts.index, shares, left=start, color=colour, label=name, height=0.7)
        start += shares
    ax.barh(parts.index, 2, left=-3, color=CLASS_COLOURS[: len(parts)], height=0.7)  # the key to the labels above
    ax.set(xlim=(-3.5, 100), xlabel="of the class's labels, all scenes (%)")
    ax.spines["left"].set_visible(False)
    ax.invert_yaxis()
    ax.tick_params(axis="y", length=0)
    ax.legend(loc="lower left", bbox_to_anchor=(-0.02, 1.0), ncol=2, handlelength=1)


def _rgb(*colours: str) -> UInt8[Tensor, "n 3"]:
    return torch.tensor([[int(c[i : i + 2], 16) for i in (1, 3, 5)] for c in colours], dtype=torch.uint8)
