"""The figures of the curriculum: what happens from phase to phase, and what came out over seeds."""

from __future__ import annotations

from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from dmtlib.records.comparison import NAMES

from ..page.colours import COLOURS, METHOD_COLOURS, METHOD_MARKERS
from ..page.look import WIDTH, described
from .diagrams import arrow, arrow_key, box, canvas
from .methods import phase_ticks


@described(
    "Diagram of Alg. 1. A new model in each phase learns the labels S_l and, from phase 1 on, the labels that the "
    "model before it gave: the top 20 percent of the images in phase 1, 40 percent in phase 2, all in phase 5."
)
def scheme() -> Figure:
    """Alg. 1 as a drawing: each model is a new one, and learns what the one before it said."""
    figure, ax = canvas(2.9, 45)
    ink, brown, purple = COLOURS["ink"], COLOURS["labeled"], COLOURS["pseudo"]
    columns = {0: 12, 1: 37, 2: 62, 5: 92}  # phase → where its model stands
    words = ["phase 0\nlabels only", "phase 1\ntop 20%", "phase 2\ntop 40%", "phase 5\nall images"]
    box(ax, (52, 39), (24, 9), "$S_l$", brown)
    for (phase, x), text in zip(columns.items(), words, strict=True):
        arrow(ax, (52 + (x - 52) * 0.2, 34.5), (x, 25), brown)
        box(ax, (x, 20), (12, 10), f"$F^{phase}$", ink)
        ax.text(x, 12, text, ha="center", va="top", fontsize=11, color="#4B5563", linespacing=1.4)
        if phase < 2:
            arrow(ax, (x + 6, 20), (x + 19, 20), purple)
    ax.text(74, 20, "…", ha="center", va="center", fontsize=16)
    arrow(ax, (78, 20), (86, 20), purple)
    arrow_key(figure, {"learns labels": brown, "labels for": purple})
    return figure


def phases_table(record: dict[str, Any]) -> pd.DataFrame:
    """The phases of a run of Alg. 1 that learn pseudo labels: what they learned and how it was weighed."""
    rows = []
    for phase in record["phases"][1:]:
        cases = phase["case_shares"] or [None] * 3
        rows.append(
            {
                "weight, right": phase["mean_weight_right"],
                "weight, wrong": phase["mean_weight_wrong"],
                "wrong (%)": phase["pseudo_label_error"],
                "labels": phase["pseudo_labels"],
                **{f"case {number} (%)": share and 100 * share for number, share in enumerate(cases, start=1)},
            }
        )
    table = pd.DataFrame(rows, index=pd.RangeIndex(1, len(rows) + 1, name="phase"))
    return table.astype({name: float for name in table.columns if name != "labels"})


def in_print(table: pd.DataFrame) -> pd.DataFrame:
    """:func:`phases_table` as a page shows it: two decimals each, and a dash for what there isn't."""
    return table.map(lambda value: f"{value:.2f}" if isinstance(value, float) else f"{value}").replace("nan", "–")


def phases(records: dict[str, dict[str, Any]]) -> Figure:
    """By phase: the share of wrong pseudo labels that is learned, and the test accuracy that comes of it."""
    figure, (error, accuracy) = plt.subplots(2, 1, figsize=(WIDTH, 6.6), sharex=True)
    words = []
    for method in sorted(records, key=list(METHOD_COLOURS).index):
        record = records[method]
        look = dict(color=METHOD_COLOURS[method], marker=METHOD_MARKERS[method], markersize=6, label=NAMES[method])
        results = [phase["test_accuracy"] for phase in record["phases"]]
        words.append(f"{NAMES[method]} from {results[0]:.1f}% to {results[-1]:.1f}%")
        if len(results) == 1:
            accuracy.axhline(results[0], color=METHOD_COLOURS[method], linestyle="--", label=NAMES[method])
            continue
        accuracy.plot(range(len(results)), results, **look)
        wrong = [phase["pseudo_label_error"] for phase in record["phases"][1:]]
        error.plot(range(1, len(results)), wrong, **look)
    alphas = [phase["alpha"] for phase in record["phases"][1:]]
    ticks = phase_ticks(alphas)
    accuracy.set_xticks(range(len(ticks)), ticks)
    error.set(ylim=(0, None))
    error.set_title("wrong pseudo labels learned (%)")
    accuracy.set_title("test accuracy afterwards (%)")
    accuracy.set_xlabel("phase")
    figure.legend(*accuracy.get_legend_handles_labels(), loc="outside upper right", ncol=3)
    figure.set_label(
        "Two panels over the phases: the share of wrong labels among the pseudo labels learned, and the test accuracy "
        f"afterwards, the baseline's as a dashed line. {'; '.join(words)}."
    )
    return figure


def weights(record: dict[str, Any]) -> Figure:
    """By phase: the mean weight of right and of wrong pseudo labels, over all steps of the phase."""
    figure, ax = plt.subplots(figsize=(WIDTH, 3.9))
    table = phases_table(record)
    means = (f"{name} {table[f'weight, {name}'].iloc[-1]:.2f}" for name in ("right", "wrong"))
    figure.set_label(
        f"Mean weight of right and of wrong labels by phase; in the last one {', '.join(means)}. CL gives all 1."
    )
    for name in ("right", "wrong"):
        column = table[f"weight, {name}"]
        ax.plot(table.index, column, color=COLOURS[name], marker="o", markersize=7, label=f"{name} labels, DMT")
    ax.axhline(1, color=METHOD_COLOURS["cl"], linestyle="--", label="all labels, CL")
    ax.set(xlabel="phase", ylabel="mean weight", ylim=(0, 1.06), xticks=table.index)
    figure.legend(loc="outside upper left", ncol=2)
    return figure
