"""The figures of the chapter on disagreement: Fig. 3 and Fig. 2 in our own drawing, and what the flags find."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dmtlib.records.comparison import Spread, signed

from ..page.colours import COLOURS, PALE, WORDS
from ..page.look import WIDTH, described
from ..studies.disagreement import Pair, Predict, Task, errors_found, least, spiral_class
from .diagrams import arrow, arrow_key, box, canvas

CLASS_TINTS = ["#E3DBF0", "#F4EFD9"]  # lilac and sand: classes are places, so they are grounds, not marks
AGREE_TINTS = ["#FFFFFF", "#D5D9DF"]
CONFIDENCE = "found by A's confidence"


@described(
    "Four maps of the plane: the two true spiral arms with 40 labeled points; the regions that model A and model B "
    "give to each class, their errors marked; and the regions where A and B disagree, with A's errors."
)
def boundaries(task: Task, pair: Pair, predict: Predict) -> Figure:
    """Fig. 3: the truth, what A and B made of the same labels, and where the two disagree."""
    plane = _plane()
    a, b = predict(plane).argmax(dim=2)
    figure, axes = plt.subplots(2, 2, figsize=(WIDTH, 5.7), layout="compressed")
    _ground(axes[0, 0], "The truth, and 40 labels", spiral_class(plane), CLASS_TINTS)
    _ground(axes[0, 1], "Model A", a, CLASS_TINTS)
    _ground(axes[1, 0], "Model B", b, CLASS_TINTS)
    _ground(axes[1, 1], "Where they disagree", a != b, AGREE_TINTS)
    wrong_b = (pair.cases != 1) ^ pair.wrong  # of two classes: where they disagree, exactly one of them is wrong
    for ax, wrong in [(axes[0, 1], pair.wrong), (axes[1, 0], wrong_b), (axes[1, 1], pair.wrong)]:
        _dots(ax, task.unlabeled[~wrong], COLOURS["quiet"], size=3)
        _dots(ax, task.unlabeled[wrong], COLOURS["wrong"], size=9)
    _dots(axes[0, 0], task.unlabeled, COLOURS["quiet"], size=3)
    for label, marker in [(0, "o"), (1, "^")]:
        points = task.points[task.labels == label]
        for ax in axes.flat[:3]:
            ax.scatter(*points.T, s=30, marker=marker, color=COLOURS["labeled"], edgecolor="white", linewidth=0.8)
    return figure


def flags(task: Task, pair: Pair, share: float) -> Figure:
    """As many points flagged by A's confidence as by B's probability for A's label: the errors that each finds."""
    count, words = round(share * len(pair.wrong)), []
    figure, axes = plt.subplots(1, 2, figsize=(WIDTH, 3.6), layout="compressed")
    for ax, name, score in [(axes[0], "A's confidence", pair.c_a), (axes[1], "B's probability", pair.p_b)]:
        flagged = least(score, count)
        found = int(pair.wrong[flagged].sum())
        _ground(ax, f"{name}\nfinds {found} of {int(pair.wrong.sum())} errors")
        words.append(f"{name} finds {found} of {int(pair.wrong.sum())} errors")
        _dots(ax, task.unlabeled[~flagged & ~pair.wrong], PALE, size=3)
        _dots(ax, task.unlabeled[flagged & ~pair.wrong], COLOURS["right"], size=9)
        _dots(ax, task.unlabeled[flagged & pair.wrong], COLOURS["wrong"], size=9)
        missed = task.unlabeled[~flagged & pair.wrong]
        ax.scatter(*missed.T, s=16, facecolor="none", edgecolor=COLOURS["wrong"], linewidth=1)
    marks = [("wrong, found", "o", COLOURS["wrong"]), ("right, flagged too", "o", COLOURS["right"])]
    handles = [plt.Line2D([], [], linestyle="", marker=m, color=c, markersize=5, label=n) for n, m, c in marks]
    figure.set_label(f"Two maps with {count} points flagged in each. {'; '.join(words)}.")
    missed_mark = dict(marker="o", markerfacecolor="none", markeredgecolor=COLOURS["wrong"], markersize=5)
    handles.append(plt.Line2D([], [], linestyle="", label="wrong, missed", **missed_mark))
    figure.legend(handles=handles, loc="outside lower center", ncol=3, handletextpad=0.1, columnspacing=1.2)
    return figure


@described(
    "Share of A's errors found against the share of points flagged. B's probability rises faster at first; A's own "
    "confidence catches up where many are flagged."
)
def found_curve(pairs: list[Pair]) -> Figure:
    """The share of A's errors found, against the share of points flagged: mean over all draws, 95% interval."""
    shares = np.linspace(0, 0.5, 51)
    figure, ax = plt.subplots(figsize=(WIDTH, 4.2))
    for name, colour, score in [
        ("B's probability for A's label", COLOURS["B"], lambda pair: pair.p_b),
        ("A's own confidence", COLOURS["A"], lambda pair: pair.c_a),
    ]:
        curves = np.array([errors_found(score(pair), pair.wrong, shares) for pair in pairs if pair.wrong.any()])
        mean, error = curves.mean(axis=0), [Spread.of(column.tolist()).half_width() for column in curves.T]
        ax.fill_between(100 * shares, mean - error, mean + error, color=colour, alpha=0.2, linewidth=0)
        ax.plot(100 * shares, mean, color=colour, label=name)
    ax.plot([0, 50], [0, 50], color=COLOURS["quiet"], linewidth=1.2, linestyle="--", label="flags drawn by lot")
    disagreement = 100 * np.mean([pair.disagree.float().mean().item() for pair in pairs])
    ax.axvline(disagreement, color=COLOURS["quiet"], linewidth=1.2)
    ax.text(disagreement + 0.8, 36, "as many as\ndisagreements", color=WORDS, fontsize=11)
    ax.set(xlabel="points flagged (%)", ylabel="A's errors found (%)", xlim=(0, 50), ylim=(0, 102))
    figure.legend(loc="outside upper left", ncol=2)
    return figure


def setups(results: dict[str, pd.DataFrame]) -> Figure:
    """For each setup, the share of errors that disagreement and confidence find: means over draws, 95% intervals."""
    figure, ax = plt.subplots(figsize=(WIDTH, 0.72 * len(results) + 1.5))
    words = []
    for row, (name, result) in enumerate(results.items()):
        means = result.mean()
        gain = Spread.of((result["found by disagreement"] - result[CONFIDENCE]).dropna().tolist())
        words.append(
            f"{' '.join(name.split())} {means['found by disagreement']:.0f}% and {means[CONFIDENCE]:.0f}%, "
            f"{signed(gain.mean, 1)} ± {gain.half_width():.1f} points"
        )
        ends = [means[CONFIDENCE], means["found by disagreement"]]
        ax.plot(ends, [row, row], color=PALE, linewidth=4, solid_capstyle="round", zorder=1)
        for column, colour in [("A's confidence", COLOURS["A"]), ("disagreement", COLOURS["B"])]:
            key = f"found by {column}"
            label = None if row else column
            reach = Spread.of(result[key].dropna().tolist()).half_width()
            ax.errorbar(means[key], row, xerr=reach, fmt="o", color=colour, markersize=8, capsize=3, label=label)
    figure.set_label(
        "By setup, the share of A's errors found by disagreement and by A's confidence, and the difference with its "
        f"95% interval: {'; '.join(words)}."
    )
    ax.set(xlabel="A's errors found, with as many flags (%)", xlim=(0, 75), ylim=(len(results) - 0.5, -0.6))
    ax.set_yticks(range(len(results)), list(results))
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
    figure.legend(loc="outside upper right", ncol=2, handletextpad=0.1)
    return figure


@described(
    "Diagram. 1: models A and B learn the labeled subset, each from its own seed. 2: A labels the unlabeled subset "
    "once, with label y_A and confidence c_A. 3: B learns from A's labels through the dynamic loss, which compares "
    "them with B's own prediction y_B, confidence c_B and probability p_B."
)
def framework() -> Figure:
    """Fig. 2: two models, labels from one, a loss that knows how far they disagree. The numbers give the order."""
    figure, ax = plt.subplots(figsize=(WIDTH, 5.0))
    ax.set(xlim=(0, 100), ylim=(0, 78))
    ax.axis("off")
    brown, purple, ink = COLOURS["labeled"], COLOURS["pseudo"], COLOURS["ink"]
    box(ax, (50, 72), (98, 10), "labeled subset", brown)
    box(ax, (13, 40), (24, 14), "model A", COLOURS["A"])
    box(ax, (87, 40), (24, 14), "model B", COLOURS["B"])
    box(ax, (50, 40), (24, 20), "dynamic\nloss\n$\\omega\\cdot$CE", ink)
    box(ax, (50, 6), (98, 10), "unlabeled subset", COLOURS["quiet"])
    for x in (13, 87):
        arrow(ax, (x, 67), (x, 47), brown)
        arrow(ax, (x, 11), (x, 33), COLOURS["quiet"])
    arrow(ax, (25, 40), (38, 40), purple)
    arrow(ax, (75, 40), (62, 40), COLOURS["B"])
    arrow(ax, (58, 30), (80, 33), ink, bend=0.45)
    ax.text(31.5, 43, "$y_A,\\,c_A$", ha="center", va="bottom", fontsize=13)
    ax.text(68.5, 43, "$y_B,\\,c_B$\n$p_B$", ha="center", va="bottom", fontsize=13)
    _step(ax, (18, 57), "1", "each learns the labels,\nfrom its own seed", brown)
    _step(ax, (17.5, 22), "2", "A labels, once,\nand stays as it is", purple)
    _step(ax, (56.5, 18), "3", "B learns from\nA's labels", ink)
    return figure


@described(
    "Two diagrams. On images a chain: model A labels for B, B for C, C for D, and no arrow goes back. On pixels an "
    "exchange: two rows of models, A and B; each goes on as itself from phase to phase, and arrows cross over from A "
    "to B and from B to A."
)
def chain_and_exchange() -> Figure:
    """Who labels for whom: on images each model for the next one, on pixels two models for each other."""
    figure, ax = canvas(4.4, 70)
    ink, purple = COLOURS["ink"], COLOURS["pseudo"]
    columns = (12, 37, 62, 87)
    ax.text(0, 67, "Images: a chain of new models", va="center", weight="bold")
    for name, x in zip("ABCD", columns, strict=True):
        box(ax, (x, 55), (14, 10), name, COLOURS.get(name, ink))
        if name != "D":
            arrow(ax, (x + 7, 55), (x + 18, 55), purple)
    ax.text(0, 41, "Pixels: two models exchange their labels", va="center", weight="bold")
    for name, y, other in (("A", 29, 8), ("B", 8, 29)):
        for x in columns:
            box(ax, (x, y), (14, 10), name, COLOURS[name])
            if x < columns[-1]:
                arrow(ax, (x + 7, y), (x + 18, y), ink)
                inner = 5 if name == "B" else -5
                arrow(ax, (x + 4, y + inner), (x + 21, other - inner), purple)
    arrow_key(figure, {"labels for": purple, "goes on as": ink})
    return figure


def _step(ax: Axes, place: tuple[float, float], number: str, text: str, colour: str) -> None:
    """A numbered disc and what happens there; the text stays in ink, because pale print is hard to read."""
    disc = dict(boxstyle="circle", facecolor=colour, edgecolor="none")
    ax.text(*place, number, ha="center", va="center", color="white", weight="bold", bbox=disc)
    ax.text(place[0] + 4.5, place[1], text, ha="left", va="center")


def _plane() -> torch.Tensor:
    """The points of a grid over the unit disc and a little more, row by row."""
    line = torch.linspace(-1.15, 1.15, 231)
    y, x = torch.meshgrid(line, line, indexing="ij")
    return torch.stack([x.flatten(), y.flatten()], dim=1)


def _ground(ax: Axes, title: str, classes: torch.Tensor | None = None, tints: list[str] | None = None) -> None:
    if classes is not None:
        side = round(len(classes) ** 0.5)
        levels = classes.reshape(side, side).float()
        line = np.linspace(-1.15, 1.15, side)
        ax.contourf(line, line, levels, levels=[-0.5, 0.5, 1.5], colors=tints)
    ax.set(aspect="equal", xticks=[], yticks=[], xlim=(-1.15, 1.15), ylim=(-1.15, 1.15))
    ax.set_title(title)
    for spine in ax.spines.values():
        spine.set_visible(False)


def _dots(ax: Axes, points: torch.Tensor, colour: str, size: float) -> None:
    ax.scatter(*points.T, s=size, color=colour, linewidth=0)
