"""Chapter 13 in pictures: what the tables cost."""

from __future__ import annotations

from pathlib import Path

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from dmtlib.records.reproduction import cells_of

from ..page.colours import COLOURS
from ..page.look import WIDTH
from ..studies.reproduce import measured_hours, overview, table_hours


def hours_by_table(results: Path, gpu: str) -> Figure:
    """Each table's hours: a bar where they are calculated, from one speed assumed to the other; a dot if measured."""
    table = overview(results, gpu)
    figure, ax = plt.subplots(figsize=(WIDTH, 0.46 * len(table) + 1.3))
    starts = []  # of the bars
    for row, (name, line) in enumerate(table.iterrows()):
        hours = table_hours(name, gpu)
        if hours:
            starts.append(hours[0])
            ax.barh(row, hours[1] - hours[0], left=hours[0], height=0.42, color=COLOURS["quiet"])
        if line["recorded"]:
            measured = sum(sum(measured_hours(c, results)) for c in cells_of([name]))
            ax.plot(measured, row, "o", color=COLOURS["right"], markersize=9)
        share = f"{line['recorded']} of {line['runs']}"
        ax.text(1.02, row, share, transform=ax.get_yaxis_transform(), va="center", clip_on=False)
    ax.text(1.02, -0.95, "recorded", transform=ax.get_yaxis_transform(), va="center", weight="bold")
    ax.set_xscale("log")
    ax.set(xlabel="hours", ylim=(len(table) - 0.5, -0.6))
    ax.set_xlim(left=0.8 * min([0.05, *starts]))
    ax.xaxis.set_major_formatter("{x:g}")
    ax.set_yticks(range(len(table)), [name.replace("table-", "Table ") for name in table.index])
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
    bar = plt.Rectangle((0, 0), 1, 1, color=COLOURS["quiet"], label=f"calculated, {gpu}")
    dot = plt.Line2D(
        [], [], linestyle="", marker="o", color=COLOURS["right"], markersize=9, label="measured, as recorded"
    )
    counts = ", ".join(f"{name} {row.recorded} of {row.runs}" for name, row in table.iterrows())
    figure.set_label(
        "Hours by table on a logarithmic axis: bars of calculated hours for the tables that need a GPU, dots where "
        f"runs are recorded. Recorded runs: {counts}."
    )
    figure.legend(handles=[bar, dot], loc="outside lower center", ncol=2)
    return figure
