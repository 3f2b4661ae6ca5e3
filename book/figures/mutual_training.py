"""The figures of Alg. 2: who labels for whom, what comes of it by phase, and what the label of a pixel weighs."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import torch
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.figure import Figure
from torch import Tensor

from dmtlib.data.pixels.masks import VOID
from dmtlib.records.comparison import NAMES, NOT_RUN

from ..page.colours import COLOURS, METHOD_COLOURS, METHOD_MARKERS
from ..page.look import WIDTH, described
from ..studies.mutual_training import ERROR, SCORE, Lessons, Record, course, curves
from ..studies.stored_lesson import Lesson
from .diagrams import arrow, arrow_key, box, canvas
from .masks import SHADES, paint, picture_figure
from .methods import phase_ticks


@described(
    "Diagram of Alg. 2. In phase 0 model A learns the labels S_A and model B the labels S_B. In each phase after "
    "that both go on from where they were, and each learns the labels that the other gave a phase before: the top 20 "
    "percent of the pixels in phase 1, 40 percent in phase 2, all in phase 5."
)
def scheme() -> Figure:
    """Alg. 2 as a drawing: each model goes on from itself, and learns what the other one said a phase before."""
    figure, ax = canvas(3.6, 56)
    ink, brown, purple = COLOURS["ink"], COLOURS["labeled"], COLOURS["pseudo"]
    columns = {0: 26, 1: 47, 2: 68, 5: 94}  # phase → where its models stand
    for name, y in {"A": 47, "B": 21}.items():
        box(ax, (5.5, y), (10, 10), f"$S_{name}$", brown)
        arrow(ax, (10.5, y), (20, y), brown)
        for phase, x in columns.items():
            box(ax, (x, y), (11, 10), f"$F_{name}^{phase}$", COLOURS[name])
            if phase < 2:
                arrow(ax, (x + 5.5, y), (x + 15.5, y), ink)
                inner, other = (42, 26) if name == "A" else (26, 42)  # edges of this box and of the other model's
                arrow(ax, (x + 3, inner), (x + 18, other), purple)
        ax.text(81, y, "…", ha="center", va="center", fontsize=16)
        arrow(ax, (83.5, y), (88.5, y), ink)
    words = ["phase 0\nlabels only", "phase 1\ntop 20%", "phase 2\ntop 40%", "phase 5\nall pixels"]
    for x, text in zip(columns.values(), words, strict=True):
        ax.text(x, 12, text, ha="center", va="top", fontsize=11, color="#4B5563", linespacing=1.4)
    arrow_key(figure, {"learns labels": brown, "goes on as": ink, "labels for": purple})
    return figure


def by_phase(records: dict[str, list[Record]]) -> Figure:
    """Fig. 10, and above it why: the wrong pseudo labels learned. A thin line a model, a thick one their mean.

    Args:
        records: of runs with equal phases, by method.
    """
    figure, panels = plt.subplots(2, 1, figsize=(WIDTH, 6.8), sharex=True)
    titles = {ERROR: "wrong pseudo labels learned (%)", SCORE: "mean IoU afterwards (%)"}
    for ax, (key, title) in zip(panels, titles.items(), strict=True):
        for method, runs in records.items():
            name = NAMES[method] if runs else f"{NAMES[method]}: {NOT_RUN}"
            _lines(ax, curves(runs, key), name, METHOD_COLOURS[method], METHOD_MARKERS[method])
        ax.set_title(title)
    alphas = next((runs[0]["config"]["alphas"] for runs in records.values() if runs), [])
    ticks = phase_ticks(alphas)
    panels[0].set_ylim(0, None)
    panels[1].set_xticks(range(len(ticks)), ticks)
    panels[1].set_xlabel("phase")
    figure.legend(*panels[1].get_legend_handles_labels(), loc="outside upper right", ncol=len(records))
    courses = (f"{NAMES[method]} {course(runs)}" for method, runs in records.items())
    figure.set_label(
        "Two panels over the phases: the share of wrong pixels among the pseudo labels learned, and the mean IoU "
        f"afterwards, each model a thin line, their means thick. {'; '.join(courses)}."
    )
    return figure


@described("Mean weight of right and of wrong pseudo labels in each phase, all models of DMT; CBST gives all 1.")
def weights(records: list[Record]) -> Figure:
    """By phase: the mean weight of right and of wrong pseudo labels over all steps, for runs of DMT."""
    figure, ax = plt.subplots(figsize=(WIDTH, 3.9))
    for kind in ("right", "wrong"):
        _lines(ax, curves(records, f"mean_weight_{kind}"), f"{kind} labels, DMT", COLOURS[kind], "o")
    ax.axhline(1, color=METHOD_COLOURS["cbst"], linestyle="--", label="all labels, CBST")
    ax.set(xlabel="phase", ylabel="mean weight", ylim=(0, 1.06))
    ax.xaxis.get_major_locator().set_params(integer=True)
    figure.legend(loc="outside upper left", ncol=2)
    return figure


def _lines(ax: Axes, rows: Float[np.ndarray, "models phases"], label: str, colour: str, marker: str) -> None:
    for row in rows if len(rows) > 1 else []:
        ax.plot(row, color=colour, linewidth=1, alpha=0.5)
    mean = rows.mean(axis=0) if len(rows) else []
    ax.plot(mean, color=colour, marker=marker, markersize=6, label=label)


def lesson_frame(taught: Lessons | Lesson, chosen: Sequence[int], classes: Sequence[str]) -> Figure:
    """Fig. 7 for one phase, a row a scene. Outlined: pixels whose pseudo label is wrong."""
    shades, rows = plt.get_cmap(SHADES), []
    for i in chosen:
        weight = torch.from_numpy((shades(taught.weights[i].numpy())[..., :3] * 255).astype(np.uint8))
        ignored = taught.labels[i] == VOID
        weight[ignored] = paint(taught.labels[i])[ignored]
        rows.append([taught.images[i], taught.truth[i], taught.labels[i], weight])
    titles = ["image", "truth", "A's label", "its weight for B"]
    figure = picture_figure(rows, titles, classes=classes, void="ignored")
    axes = np.array(figure.axes).reshape(len(rows), len(titles))
    for row, i in zip(axes, chosen, strict=True):
        for ax in row[2:]:
            _outline(ax, taught.wrong[i])
    figure.colorbar(ScalarMappable(cmap=SHADES), ax=axes, location="right", fraction=0.03, pad=0.02, ticks=[0, 1])
    figure.set_figheight(0.92 * figure.get_figheight())  # the bar took some of the pictures' width
    figure.set_label(
        f"{len(chosen)} scenes: image, truth, A's pseudo labels with the wrong ones outlined, and their weights for B."
    )
    return figure


def _outline(ax: Axes, region: Tensor) -> None:
    """A line along a region's edge: each pixel becomes 8 × 8 points, or the contour would cut the pixels' corners."""
    points = region.repeat_interleave(8, 0).repeat_interleave(8, 1).numpy()
    if points.any():
        height, width = region.shape
        ax.contour(points, [0.5], colors=COLOURS["wrong"], linewidths=1.3, extent=(0, width, 0, height))
