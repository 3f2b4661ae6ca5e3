"""The figures of the chapter on pseudo labels: Fig. 1 on digits, the errors themselves, entropy, the threshold."""

from __future__ import annotations

import math
from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from jaxtyping import UInt8
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from dmtlib.records.printed import paper_number

from ..page.colours import COLOURS, FADED_RIGHT, FADED_WRONG, WORDS
from ..page.look import WIDTH, described
from ..studies.pseudo_labels import Labeling, Selection, at_threshold, error_curve


def error_bars(table: pd.DataFrame, here: str) -> Figure:
    """Fig. 1: the error among the most confident labels ``here``; beside it the two numbers that the paper prints."""
    figure, ax = plt.subplots(figsize=(WIDTH, 4.2))
    names = [f"top {kept:.0%}" for kept in table.index[:-1]] + ["all"]
    places = np.arange(len(names))
    bars = ax.bar(places - 0.2, table["error"], color=COLOURS["wrong"], width=0.5, label=f"here: {here}")
    ax.set_xticks(places, names)
    ax.bar_label(bars, fmt="%.1f", padding=3)
    overall = paper_number("Fig. 1", "all images", "error")
    below = paper_number("Fig. 1", "discarding 60%", "error below")
    place = names.index(f"top {100 - paper_number('Fig. 1', 'discarding 60%', 'discarded')}%")
    look = dict(color=COLOURS["quiet"], linewidth=3)
    ax.hlines(overall, places[-1] + 0.08, places[-1] + 0.48, label="the paper: CIFAR-10, 4,000 labels", **look)
    ax.hlines(below, place + 0.08, place + 0.48, **look)
    for x, y, text in [(places[-1], overall, f"{overall:.2f}"), (place, below, f"< {below}")]:
        ax.text(x + 0.1, y + 0.2, text, ha="left", va="bottom", color=WORDS)
    ax.set(ylabel="wrong pseudo labels (%)", ylim=(0, 1.18 * max(overall, table["error"].max())))
    ax.legend(loc="upper left")
    heights = "; ".join(f"{name} {error:.1f}%" for name, error in zip(names, table["error"], strict=True))
    figure.set_label(
        f"Bars: the share of wrong pseudo labels among the most confident ones. {heights}. Grey lines: the two "
        f"numbers that the paper prints for CIFAR-10, {overall:.2f}% of all and below {below}% of the top 40%."
    )
    return figure


def gallery(images: UInt8[Tensor, "n C H W"], captions: Sequence[str], columns: int = 5, title: str = "") -> Figure:
    """Small images in rows, each with a caption above it."""
    rows = max(1, math.ceil(len(images) / columns))
    height = min(1.95, WIDTH / columns + 0.55)  # of a row: an image, and two lines above it
    figure, axes = plt.subplots(rows, columns, figsize=(WIDTH, height * rows + 0.35), squeeze=False)
    for ax in axes.flat:
        ax.axis("off")
    for ax, image, caption in zip(axes.flat, images, captions, strict=False):
        ax.imshow(image.permute(1, 2, 0).squeeze(2), cmap="gray_r", vmin=0, vmax=255)
        ax.set_title(caption, fontsize=11, weight="normal", loc="center", pad=5)
    if title:
        figure.suptitle(title, x=0.01, ha="left", fontsize=12.5, weight="bold")
    words = "; ".join(caption.replace("\n", ", ") for caption in captions)
    figure.set_label(f"{title or 'Small images with captions'}: {words}.")
    return figure


@described("Two histograms of the entropy, for right and for wrong pseudo labels. They overlap.")
def entropies(labeling: Labeling) -> Figure:
    """The entropy of the predictions, where the label is right and where it is wrong: shares of either group."""
    figure, ax = plt.subplots(figsize=(WIDTH, 3.8))
    most = math.log(labeling.probabilities.shape[1])
    edges = np.linspace(0, most, 24)
    for name, group in [("right", ~labeling.wrong), ("wrong", labeling.wrong)]:
        values = labeling.entropy[group].numpy()
        weights = np.full(len(values), 100 / max(1, len(values)))
        look = dict(color=COLOURS[name], alpha=0.45, label=f"the label is {name} ({len(values)})")
        ax.hist(values, edges, weights=weights, histtype="stepfilled", edgecolor=COLOURS[name], linewidth=1.8, **look)
    ax.set(xlabel="entropy (nats)", ylabel="of the group (%)", xlim=(0, most))
    figure.legend(loc="outside upper right", ncol=2)
    return figure


def threshold_frame(labeling: Labeling, threshold: float) -> Figure:
    """One threshold: its place on the curve of kept share against error, and what it keeps and drops."""
    figure, (curve, bar) = plt.subplots(2, 1, figsize=(WIDTH, 5.2), height_ratios=[3, 1.1])
    chosen = at_threshold(labeling, threshold)
    errors = error_curve(labeling)
    curve.plot(np.linspace(0, 100, len(errors) + 1)[1:], errors, color=COLOURS["ink"], linewidth=2)
    if not math.isnan(chosen.error):
        curve.plot(chosen.kept_share, chosen.error, "o", color=COLOURS["wrong"], markersize=10, clip_on=False)
    top = 1.05 * max(1.0, errors[len(errors) // 20 :].max().item())  # one wrong label of the first is 100%
    curve.set(xlabel="kept (%)", ylabel="wrong among kept (%)", xlim=(0, 100), ylim=(0, top))
    error = "no label kept" if math.isnan(chosen.error) else f"{chosen.error:.1f}% of them wrong"
    curve.set_title(f"T = {threshold:.2f}: {chosen.kept_share:.0f}% kept, {error}")
    figure.set_label(f"Kept share against error, {chosen.kept_share:.0f}% kept, {error}; and a bar of what is kept.")
    _parts(bar, chosen)
    return figure


def _parts(ax: Axes, chosen: Selection) -> None:
    """All labels as one bar: kept to the left, dropped to the right; the wrong ones meet in the middle."""
    parts = [
        ("kept, right", chosen.kept_right, COLOURS["right"]),
        ("kept, wrong", chosen.kept_wrong, COLOURS["wrong"]),
        ("dropped, wrong", chosen.dropped_wrong, FADED_WRONG),
        ("dropped, right", chosen.dropped_right, FADED_RIGHT),
    ]
    start = 0
    for name, count, colour in parts:
        ax.barh(0, count, left=start, color=colour, label=f"{name}: {count}")
        start += count
    ax.set(xlim=(0, start), yticks=[], xticks=[])
    for spine in ax.spines.values():
        spine.set_visible(False)
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, 0.02), ncol=2, handlelength=1.2, columnspacing=1.5)
