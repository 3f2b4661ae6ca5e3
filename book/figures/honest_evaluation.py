"""The figures of the chapter on evaluation: how far a measured accuracy strays, and what ranks models."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator
from scipy import stats
from torch import Tensor

from ..page.colours import COLOURS, WORDS
from ..page.look import WIDTH, described
from ..studies.honest_evaluation import Scores, chance_to_mislead, gain_by_choice, sharpened

FIRST, SECOND = COLOURS["ink"], COLOURS["second"]  # two models, or two metrics


def strays_frame(images: int, accuracies: tuple[float, float] = (94.0, 94.2)) -> Figure:
    """What two models of these true accuracies may score on so many images, each on images of its own."""
    figure, ax = plt.subplots(figsize=(WIDTH, 3.7))
    scores = np.linspace(87, 100, 1301)
    for accuracy, colour in zip(accuracies, (FIRST, SECOND), strict=True):
        spread = 100 * (accuracy / 100 * (1 - accuracy / 100) / images) ** 0.5
        curve = np.exp(-(((scores - accuracy) / spread) ** 2) / 2)
        ax.fill_between(scores, curve, color=colour, alpha=0.25, linewidth=0)
        ax.plot(scores, curve, color=colour, label=f"truly {accuracy:.1f}%")
    misled, tied = chance_to_mislead(*accuracies, images)
    ax.set_title(
        f"{images:,} images: the worse one scores higher in {misled:.0f}%\nof the cases, the same in {tied:.0f}%"
    )
    ax.set(xlabel="measured accuracy (%)", xlim=(87, 100), ylim=(0, 1.1))
    figure.set_label(
        f"Two bells, the accuracies that models of {accuracies[0]:.1f} and {accuracies[1]:.1f} percent may score: the "
        f"worse one scores higher in {misled:.0f}% of the cases, the same in {tied:.0f}%."
    )
    ax.yaxis.set_major_locator(NullLocator())
    ax.spines["left"].set_visible(False)
    ax.legend(loc="upper left")
    return figure


@described("The width of the interval falls from 17 points at 50 images to 8 at 200, 1.7 at 5,000, 1.2 at 10,000.")
def widths(accuracy: float, marks: dict[str, int], level: float = 0.95) -> Figure:
    """The width of Wilson's interval at one accuracy, by the number of images."""
    figure, ax = plt.subplots(figsize=(WIDTH, 3.9))
    images = np.geomspace(50, 200_000, 200)
    z = stats.norm.ppf(0.5 + level / 2)

    def width(n):
        p = accuracy / 100
        return 200 * z * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2)) / (1 + z**2 / n)

    ax.plot(images, width(images), color=COLOURS["ink"])
    for position, (name, count) in enumerate(marks.items()):
        ax.plot(count, width(count), "o", color=COLOURS["ink"], markersize=7)
        above = position % 2 == 0  # above the falling line to the right, below it to the left: neighbours stay apart
        where = dict(ha="left", va="bottom") if above else dict(ha="right", va="top")
        factor = 1.1 if above else 1 / 1.1
        ax.text(count * factor, width(count) * factor, f"{count:,}\n{name}", fontsize=11, **where)
    ax.axhline(0.2, color=COLOURS["quiet"], linestyle="--", linewidth=1.2)
    ax.text(55, 0.21, "0.2 points", color=WORDS, va="bottom")
    ax.set(xscale="log", yscale="log", xlabel="images", ylabel="width of the interval (points)", ylim=(0.1, 40))
    ax.set_xticks([100, 1000, 10_000, 100_000], ["100", "1,000", "10,000", "100,000"])
    ax.set_yticks([0.1, 1, 10], ["0.1", "1", "10"])
    return figure


def temperature_frame(probabilities: Tensor, truth: Tensor, temperature: float) -> Figure:
    """One model's plain and fine-grained accuracy, when it is made surer or less sure without changing its mind."""
    figure, ax = plt.subplots(figsize=(WIDTH, 2.3))
    scores = Scores.of(sharpened(probabilities, temperature)[None], truth)
    values = [100 * score.mean().item() for score in scores]
    bars = ax.barh(["plain", "fine-grained"], values, color=[FIRST, SECOND], height=0.6)
    ax.bar_label(bars, fmt="%.1f", padding=4, weight="bold")
    figure.set_label(f"Two bars: plain accuracy stays at {values[0]:.1f}%, fine-grained accuracy is {values[1]:.1f}%.")
    ax.set(xlabel="accuracy (%)", xlim=(0, 108), ylim=(1.6, -0.6))
    ax.set_xticks([0, 25, 50, 75, 100])
    ax.tick_params(axis="y", length=0)
    return figure


@described(
    "Two panels over the true gap of a pair. Above, plain accuracy ranks close pairs rightly in little more than "
    "half of the samples and distant ones always. Below, fine-grained accuracy is nearly always right for most pairs "
    "and nearly always wrong for some close ones."
)
def ranking(pairs: pd.DataFrame, images: int) -> Figure:
    """How often a sample of images ranks each pair of models as all images do, by how far apart the two are."""
    figure, axes = plt.subplots(2, 1, figsize=(WIDTH, 6.2), sharex=True)
    agree = pairs["fine gap"] > 0
    axes[0].scatter(pairs["gap"], pairs["plain right"] + pairs["plain tied"] / 2, s=34, color=FIRST, alpha=0.7)
    axes[0].set_title(f"by plain accuracy on {images} images (%)")
    for chosen, face, name in [(agree, SECOND, "in the same order"), (~agree, "none", "the other way round")]:
        look = dict(s=34, facecolor=face, edgecolor=SECOND, linewidth=1.4)
        axes[1].scatter(pairs["gap"][chosen], pairs["fine right"][chosen], label=f"on all images {name}", **look)
    axes[1].set_title(f"by fine-grained accuracy on {images} images (%)")
    for ax in axes:
        ax.axhline(50, color=COLOURS["quiet"], linestyle="--", linewidth=1.2)
        ax.set(ylim=(-4, 104), xscale="log")
    axes[1].set_xlabel("true gap in plain accuracy (points)")
    ticks = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50]
    axes[1].set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes[1].xaxis.set_minor_locator(NullLocator())
    axes[1].set_xlim(0.8 * pairs["gap"].min(), 1.25 * pairs["gap"].max())
    figure.legend(*axes[1].get_legend_handles_labels(), loc="outside lower left", handletextpad=0.1)
    return figure


@described(
    "Accuracy on unseen images against the number of steps, for two seeds, rising steeply to 100 steps and slowly "
    "after that. Three vertical lines: as many epochs as the oracle, the rule, as many steps."
)
def lengths(accuracies: pd.DataFrame, marks: dict[str, float]) -> Figure:
    """Accuracy of baselines by their number of steps, a line a seed; marked are the lengths that rules give."""
    figure, ax = plt.subplots(figsize=(WIDTH, 4.2))
    for seed in accuracies.columns:
        ax.plot(accuracies.index, accuracies[seed], "o-", color=COLOURS["ink"], alpha=0.65, markersize=6)
    for name, steps in marks.items():
        ax.axvline(steps, color=COLOURS["quiet"], linestyle="--", linewidth=1.2)
        where = dict(transform=ax.get_xaxis_transform(), ha="center", va="bottom")
        ax.text(steps, 1.02, f"{name}\n{steps:,.0f} steps", color=WORDS, fontsize=11, **where)
    ax.set(xscale="log", xlabel="steps", ylabel="accuracy on unseen images (%)")
    ax.set_xticks(accuracies.index, _apart(accuracies.index))
    ax.xaxis.set_minor_locator(NullLocator())
    return figure


def _apart(numbers: Iterable[int], factor: float = 1.6) -> list[str]:
    """Numbers as ticks of a logarithmic axis, without those that would touch the one before."""
    last, ticks = 0.0, []
    for number in numbers:
        ticks.append(f"{number:,}" if number >= factor * last else "")
        last = number if ticks[-1] else last
    return ticks


@described(
    "Accuracy of twenty checkpoints on the images that one is chosen by and on the others. The best on the former is "
    "marked, with its accuracy on the others."
)
def choice(plain: Tensor, chosen_by: Tensor) -> Figure:
    """The checkpoints of a run on the images that one is chosen by, and on all others; the best of the former marked.

    Args:
        plain: 1 where a checkpoint is right, (K, n).
        chosen_by: True for the images of the choice, (n,).
    """
    figure, ax = plt.subplots(figsize=(WIDTH, 3.9))
    here, elsewhere = (100 * plain[:, images].mean(dim=1) for images in (chosen_by, ~chosen_by))
    numbers = range(1, len(plain) + 1)
    ax.plot(numbers, here, color=SECOND, label=f"on the {int(chosen_by.sum()):,} images it is chosen by")
    ax.plot(numbers, elsewhere, color=FIRST, label=f"on {int((~chosen_by).sum()):,} others")
    best = int(here.argmax())
    ax.plot([best + 1] * 2, [here[best], elsewhere[best]], "o:", color=COLOURS["ink"], markersize=8, linewidth=1.5)
    ax.set(xlabel="checkpoint of the second half", ylabel="accuracy (%)", xticks=[1, *numbers[4::5]])
    figure.legend(loc="outside upper left", ncol=1)
    return figure


@described(
    "The gain by chance against the number of checkpoints, for a disagreement of 1, 2 and 4 percent. With 2 percent "
    "and 20 checkpoints it is about 0.19 points."
)
def gains(images: int, disagreements: Sequence[float], printed: float) -> Figure:
    """What choosing the best of equally good checkpoints adds to an accuracy, by how many there are to choose from."""
    figure, ax = plt.subplots(figsize=(WIDTH, 3.9))
    counts = [1, 2, 3, 5, 10, 20, 50, 100, 200]
    shades = [COLOURS["quiet"], SECOND, FIRST]
    for disagreement, colour in zip(disagreements, shades, strict=True):
        curve = [gain_by_choice(images, count, disagreement, draws=4000) for count in counts]
        ax.plot(counts, curve, "o-", color=colour, markersize=5)
        ax.text(counts[-1] * 1.08, curve[-1], f"{disagreement:g}%", color=colour, va="center", weight="bold")
    ax.hlines(printed, counts[0], counts[-2], color=COLOURS["quiet"], linestyle="--", linewidth=1.2)
    ax.text(1, printed + 0.006, f"DMT − CL,\nprinted: {printed:.2f}", color=WORDS, va="bottom", fontsize=11)
    ax.set(xscale="log", xlabel="checkpoints to choose from", ylabel="gain by chance (points)", ylim=(0, None))
    ax.set_xticks([1, 2, 5, 10, 20, 50, 100, 200], ["1", "2", "5", "10", "20", "50", "100", "200"])
    ax.xaxis.set_minor_locator(NullLocator())
    return figure
