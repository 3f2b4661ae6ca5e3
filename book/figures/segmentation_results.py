"""The figures of the results on pixels: methods over labeled ratios (Fig. 8), predictions side by side (Fig. 9)."""

from __future__ import annotations

from pathlib import Path

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dmtlib.records.comparison import NAMES, Spread
from dmtlib.records.printed import printed_numbers
from dmtlib.records.reproduction import VOC
from dmtlib.records.store import load_records
from dmtlib.records.tables import OURS

from ..page.colours import COLOURS, METHOD_COLOURS, METHOD_MARKERS, PEERS, WORDS
from ..page.look import WIDTH, described
from ..studies.segmentation_results import Pictures
from .masks import picture_figure


@described(
    "Two panels over the labeled ratios 1/106, 1/50, 1/20, 1/8 on PASCAL VOC, from Table 4. Mean IoU: DMT is the "
    "highest line, from 63 to 73 percent; the baseline goes from 47 to 67. Distance to each method's own Oracle: DMT "
    "is the nearest at every ratio, CutMix all but as near at 1/50."
)
def over_ratios(results: Path) -> Figure:
    """Fig. 8, drawn from the numbers of Table 4: mean IoU, and its distance to each method's own Oracle.

    Our own runs, where there are any, are rings with their standard deviation.
    """
    figure, (score, gap) = plt.subplots(2, 1, figsize=(WIDTH, 7.4), sharex=True)
    printed = printed_numbers("Table 4")
    places = {ratio: place for place, ratio in enumerate(VOC)}
    for name in dict.fromkeys(row for row, _ in printed):
        numbers = [(places[ratio], printed[name, ratio]) for ratio in VOC if (name, ratio) in printed]
        own = OURS.get(name, "dmt")
        marker, colour = PEERS.get(name, (METHOD_MARKERS[own], METHOD_COLOURS[own]))
        look = dict(marker=marker, color=colour, markersize=6.5, linewidth=2.4 if name in OURS else 1.3)
        look["label"] = "DMT" if OURS.get(name) == "dmt" else name
        score.plot([place for place, _ in numbers], [n["value"] for _, n in numbers], **look)
        gap.plot([place for place, _ in numbers], [n["gap"] for _, n in numbers], **look)
    oracle = printed["Ours (DMT)", "Oracle"]["value"]
    score.axhline(oracle, color=COLOURS["quiet"], linestyle="--", linewidth=1.4)
    score.text(0, oracle - 0.6, "DMT's Oracle", color=WORDS, fontsize=11, va="top")
    gap.axhline(0, color=COLOURS["quiet"], linestyle="--", linewidth=1.4)
    for ratio, preset in VOC.items():
        for method in ("baseline", "dmt"):
            _ring(score, places[ratio], [r["mean_iou"] for r in load_records(results, preset, method)], method)
    score.set_title("mean IoU (%)")
    gap.set_title("distance to the method's own Oracle (points)")
    gap.set_xticks(range(len(VOC)), [f"{ratio}\nof the labels" if ratio == "1/106" else ratio for ratio in VOC])
    gap.set_xlim(-0.25, len(VOC) - 0.75)
    figure.legend(*score.get_legend_handles_labels(), loc="outside upper center", ncol=4, columnspacing=1.2)
    return figure


def prediction_rows(pictures: Pictures) -> Figure:
    """Fig. 9: input, truth, and the predictions of each method."""
    columns = [pictures.images, pictures.masks, *pictures.predictions.values()]
    titles = ["input", "truth", *(NAMES[method] for method in pictures.predictions)]
    return picture_figure(list(zip(*columns, strict=True)), titles, classes=pictures.classes, void="ignored")


def _ring(ax: Axes, place: int, values: list[float], method: str) -> None:
    spread = Spread.of(values)
    if spread is not None:
        look = dict(color=METHOD_COLOURS[method], markerfacecolor="white", markersize=9, capsize=4)
        ax.errorbar(place + 0.08, spread.mean, yerr=spread.std if spread.n > 1 else None, fmt="o", **look)
