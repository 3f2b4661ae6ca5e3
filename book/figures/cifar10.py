"""The figures of the chapter on CIFAR-10: Fig. 1 from recorded baselines, and learning curves over seeds."""

from __future__ import annotations

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dmtlib.records.comparison import NAMES, NOT_RUN, ByMethod
from dmtlib.records.printed import paper_number

from ..page.colours import COLOURS, METHOD_COLOURS, METHOD_MARKERS, WORDS
from ..page.look import WIDTH, described
from .methods import phase_ticks


@described(
    "Error of the pseudo labels over the share of most confident ones kept, from recorded baselines, and two grey "
    "marks for the numbers that the paper prints."
)
def error_by_confidence(curves: dict[str, pd.DataFrame]) -> Figure:
    """Fig. 1: the error among the most confident labels, mean and range over seeds, and what the paper prints of it.

    Args:
        curves: :func:`~book.studies.cifar10.confidence_curves` of one to three kinds of baseline, by name.
    """
    figure, ax = plt.subplots(figsize=(WIDTH, 4.4))
    for (name, table), line in zip(curves.items(), ("-", "--", ":"), strict=False):
        look = dict(color=COLOURS["wrong"], linestyle=line)
        if table.empty:
            ax.plot([], [], label=f"here, {name}: {NOT_RUN}", **look)
            continue
        lowest, highest = table.min(axis=1), table.max(axis=1)
        ax.fill_between(table.index, lowest, highest, color=COLOURS["wrong"], alpha=0.2, linewidth=0)
        ax.plot(table.mean(axis=1), label=f"here, {name}: mean and range, n = {table.shape[1]}", **look)
    _paper_marks(ax)
    ax.set(xlabel="most confident labels kept (%)", ylabel="wrong among them (%)", xlim=(0, 100), ylim=(0, None))
    ax.set_xticks(range(0, 101, 20))
    figure.legend(loc="outside upper left")
    return figure


def _paper_marks(ax: Axes) -> None:
    """The two numbers that stand in Fig. 1's caption."""
    overall = paper_number("Fig. 1", "all images", "error")
    below = paper_number("Fig. 1", "discarding 60%", "error below")
    kept = 100 - paper_number("Fig. 1", "discarding 60%", "discarded")
    look = dict(color=COLOURS["quiet"], linewidth=3, clip_on=False)
    ax.plot([97, 103], [overall, overall], label="the paper, 4,000 labels, 1,000 images: printed", **look)
    ax.plot([kept - 3, kept + 3], [below, below], **look)
    ax.text(104, overall, f"{overall:.2f}", va="center", color=WORDS)
    box = dict(facecolor="white", edgecolor="none", pad=1)
    ax.text(kept, below + 0.6, f"< {below}", ha="center", va="bottom", color=WORDS, bbox=box)


@described(
    "Two panels over the phases 0 to 5, thin lines for seeds and thick ones for means, CL and DMT: the share of "
    "wrong pseudo labels learned, and the test accuracy afterwards, with baseline and oracle as lines."
)
def learning_curves(records: ByMethod) -> Figure:
    """By phase, over seeds: wrong pseudo labels learned, and the test accuracy afterwards; thin lines are seeds."""
    figure, (error, accuracy) = plt.subplots(2, 1, figsize=(WIDTH, 6.8), sharex=True)
    for method, line in (("cl", "-"), ("dmt", "-"), ("baseline", "--"), ("oracle", ":")):
        phases = [pd.DataFrame(record["phases"]) for record in records[method]]
        look = dict(color=METHOD_COLOURS[method], linestyle=line)
        label = f"{NAMES[method]}, n = {len(phases)}" if phases else f"{NAMES[method]}: {NOT_RUN}"
        accuracy.plot([], [], label=label, **look)
        if not phases:
            continue
        reached = pd.concat([phase["test_accuracy"] for phase in phases], axis=1)
        if len(reached) == 1:
            accuracy.axhline(reached.iloc[0].mean(), **look)
            continue
        learned = pd.concat([phase["pseudo_label_error"] for phase in phases], axis=1).iloc[1:]
        for ax, values in ((accuracy, reached), (error, learned)):
            ax.plot(values.index, values, linewidth=0.8, alpha=0.5, **look)
            ax.plot(values.index, values.mean(axis=1), marker=METHOD_MARKERS[method], markersize=6, **look)
        accuracy.set_xticks(range(len(reached)), phase_ticks(phases[0]["alpha"].iloc[1:]))
    if not any(records.values()):
        for ax in (error, accuracy):
            ax.text(0.5, 0.5, NOT_RUN, transform=ax.transAxes, ha="center")
            ax.set(xticks=[], yticks=[])
    error.set_ylim(0, None)
    error.set_title("wrong pseudo labels learned (%)")
    accuracy.set_title("test accuracy afterwards (%)")
    accuracy.set_xlabel("phase")
    figure.legend(*accuracy.get_legend_handles_labels(), loc="outside upper left", ncol=2)
    return figure
