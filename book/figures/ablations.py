"""The figures of the ablations: what each rule makes of the same pixels, and what came of it over seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import mean

import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns
import torch
from jaxtyping import Float, UInt8
from matplotlib.figure import Figure
from torch import Tensor

from dmtlib.data.pixels.masks import VOID
from dmtlib.method.rules import Supervision
from dmtlib.records.comparison import Spread, cell
from dmtlib.records.printed import printed_numbers
from dmtlib.records.reproduction import ABLATIONS, RATIOS_OF_TABLE_7

from ..page.colours import COLOURS, METHOD_COLOURS
from ..page.look import WIDTH, described
from ..studies.ablations import Batch, right
from .masks import VOID_COLOUR, picture_figure


@described(
    "The paper's Table 7 as dots, for 1/20 and 1/50 of VOC's labels. At 1/20: Baseline 61.9, Online ST 63.1, CBST "
    "65.1, DST 69.4, DMT-Naive 70.0, DMT 70.2, DMT-Flip 70.2. At 1/50: 56.3, 53.5, 62.3, 66.5, 65.0, 68.4, 68.4."
)
def printed_ablations() -> Figure:
    """Table 7 as the paper prints it: a dot a method and ratio, one run each."""
    printed = {cell: number["value"] for cell, number in printed_numbers("Table 7").items()}
    places = range(len(ABLATIONS))
    figure, ax = plt.subplots(figsize=(WIDTH, 4.2))
    for ratio, colour in zip(RATIOS_OF_TABLE_7, (COLOURS["ink"], COLOURS["second"]), strict=True):
        values = [printed[ratio, name] for name in ABLATIONS]
        ax.plot(values, places, "o", markersize=9, color=colour, label=f"{ratio} labeled")
        ax.axvline(printed[ratio, "Baseline"], color=colour, linestyle="--", linewidth=1.2)
    ax.set_yticks(places, ABLATIONS)
    ax.invert_yaxis()
    ax.grid(axis="y", color="#E5E7EB", linewidth=1)
    ax.tick_params(axis="y", length=0)
    ax.set(xlabel="mean IoU on PASCAL VOC (%)", axisbelow=True)
    ax.legend(loc="lower left", bbox_to_anchor=(-0.02, 0.98), ncol=2)
    return figure


@described(
    "Three unlabeled scenes in rows: the image, its truth, what A labeled, and what B thinks. Both models find the "
    "signs, roughly, and mostly don't know the digits."
)
def batch_rows(batch: Batch, chosen: Sequence[int], classes: Sequence[str]) -> Figure:
    """Some images of a batch: the image, its truth, what A labeled, what B thinks now."""
    y_b = batch.probabilities.argmax(dim=1).to(torch.uint8)
    rows = [[batch.images[i], batch.truth[i], batch.pseudo_labels[i], y_b[i]] for i in chosen]
    return picture_figure(rows, ["image", "truth", "A's label", "B's opinion"], classes=classes)


@described(
    "The three scenes in rows, the rules in columns. Green: a pixel that pulls towards the truth; red: away from it; "
    "white: weighs nothing."
)
def rule_rows(batch: Batch, taught: Mapping[str, Supervision], chosen: Sequence[int]) -> Figure:
    """The same images under each rule: green pulls towards the truth, red away, white weighs nothing."""
    pulls = {name: pull(supervision, batch.truth) for name, supervision in taught.items()}
    return picture_figure([[maps[i] for maps in pulls.values()] for i in chosen], list(pulls))


def pull(supervision: Supervision, truth: UInt8[Tensor, "N H W"]) -> UInt8[Tensor, "N H W 3"]:
    """Each pixel's weight as a shade from white, of green where its target is right, of red where it is wrong.

    Grey where the truth is not known.
    """
    good = right(supervision, truth).unsqueeze(-1)
    colour = torch.where(good, _rgb(COLOURS["right"]), _rgb(COLOURS["wrong"]))
    weights = supervision.weights.unsqueeze(-1)
    shade = 255 + (colour - 255) * weights
    return torch.where((truth == VOID).unsqueeze(-1), _rgb(VOID_COLOUR), shade).round().to(torch.uint8)


def weight_bars(table: pd.DataFrame) -> Figure:
    """:func:`~book.studies.ablations.lesson_table` as bars: the weight that is at work, right and wrong."""
    figure, ax = plt.subplots(figsize=(WIDTH, 0.5 * len(table) + 1.4))
    good, bad = table["weight of right ones"], table["weight of wrong ones"]
    ax.barh(table.index, good, color=COLOURS["right"], label="right targets", height=0.62)
    ax.barh(table.index, bad, left=good, color=COLOURS["wrong"], label="wrong targets", height=0.62)
    for place, share in enumerate(table["wrong in the weight"]):
        text = "no weight" if share != share else f"{share:.1f}% wrong"
        ax.text(1.02, place, text, transform=ax.get_yaxis_transform(), va="center")
    ax.set(xlim=(0, 100), xlabel="weight, in percent of all pixels at weight 1")
    shares = (f"{name}: {share:.1f}% wrong" for name, share in table["wrong in the weight"].items())
    figure.set_label(f"Bars: the weight at work under each rule, on right and on wrong targets. {'; '.join(shares)}.")
    ax.invert_yaxis()
    ax.tick_params(axis="y", length=0)
    ax.legend(loc="lower left", bbox_to_anchor=(-0.02, 0.98), ncol=2)
    return figure


def gamma_dial(values: Mapping[tuple[float, float], Sequence[float]], none: Sequence[float]) -> Figure:
    """Test accuracy over γ, and for γ1 against γ2 as a square of means; one dot a seed.

    Args:
        values: accuracies in percent by (γ1, γ2).
        none: those of CL, whose labels all weigh 1.
    """
    figure, (line, square) = plt.subplots(1, 2, figsize=(WIDTH, 3.6), width_ratios=(1.25, 1))
    equal = sorted(g1 for g1, g2 in values if g1 == g2)
    places = [-1, *range(len(equal))]
    for place, found in zip(places, [none, *(values[g, g] for g in equal)], strict=True):
        colour = METHOD_COLOURS["cl" if place < 0 else "dmt"]
        line.scatter([place] * len(found), found, s=26, color=colour, alpha=0.7, linewidth=0)
        spread = Spread.of(found)
        if spread:
            line.plot([place - 0.28, place + 0.28], [spread.mean] * 2, color=COLOURS["ink"])
    line.set_xticks(places, ["CL", *(f"{g:g}" for g in equal)])
    line.set(xlabel="γ1 = γ2", ylabel="test accuracy (%)")
    sides = sorted({g for pair in values if pair[0] != pair[1] for g in pair})
    means = pd.DataFrame(
        [[mean(found) if (found := values.get((g1, g2))) else float("nan") for g2 in sides] for g1 in sides],
        index=[f"{g:g}" for g in sides],
        columns=[f"{g:g}" for g in sides],
    )
    if means.notna().any(axis=None):
        sns.heatmap(means, annot=True, fmt=".1f", cmap="Greys", cbar=False, linewidths=2, ax=square)
    else:
        square.text(0.5, 0.5, "not run", ha="center")
    square.set(xlabel="γ2 (case 2)", ylabel="γ1 (case 1)")
    words = "; ".join(f"γ1 = {g1:g}, γ2 = {g2:g}: {cell(found)}" for (g1, g2), found in values.items())
    figure.set_label(
        "Left, test accuracy over γ, a dot a seed, with CL; right, means for γ1 against γ2. "
        f"CL: {cell(none)}; {words}."
    )
    return figure


def _rgb(colour: str) -> Float[Tensor, " 3"]:
    return torch.tensor([float(int(colour[i : i + 2], 16)) for i in (1, 3, 5)])
