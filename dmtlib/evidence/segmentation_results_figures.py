"""The figures of the results on pixels: methods over labeled ratios (Fig. 8), predictions side by side (Fig. 9)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
from jaxtyping import UInt8
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from ..data.masks import VOID
from ..data.segmentation import CAMVID_SHRINKS_BY, load_prepared, load_scenes, prepared_folder
from ..data.segmentation_images import ListedImages, StoredImages, shrink
from .curriculum_figures import METHOD_COLOURS
from .figures import COLOURS, WIDTH
from .mask_figures import picture_figure
from .places import printed_numbers
from .recorded import NAMES
from .records import Spread, load_records
from .segmentation_tables import OURS, VOC
from .stored_predictions import load_predictions, shown

PEERS = {
    "MT-Seg": ("v", "#56B4E9"),
    "Hung et al.": ("s", "#CC79A7"),
    "s4GAN + MLMT": ("D", "#E69F00"),
    "CutMix": ("^", "#009E73"),
    "CCT": ("<", "#8A8F98"),
    "GCT": (">", "#8A8F98"),
}
"""A marker and a colour for each method that the paper compares with."""


def over_ratios(results: Path) -> Figure:
    """Fig. 8, drawn from the numbers of Table 4: mean IoU, and its distance to each method's own Oracle.

    Our own runs, where there are any, are rings with their standard deviation.
    """
    figure, (score, gap) = plt.subplots(2, 1, figsize=(WIDTH, 7.4), sharex=True)
    printed = {(n["row"], n["column"]): n for n in printed_numbers("Table 4")}
    places = {ratio: place for place, ratio in enumerate(VOC)}
    for name in dict.fromkeys(row for row, _ in printed):
        numbers = [(places[ratio], printed[name, ratio]) for ratio in VOC if (name, ratio) in printed]
        marker, colour = PEERS.get(name, ("o", METHOD_COLOURS[OURS.get(name, "dmt")]))
        look = dict(marker=marker, color=colour, markersize=6.5, linewidth=2.4 if name in OURS else 1.3)
        look["label"] = "DMT" if OURS.get(name) == "dmt" else name
        score.plot([place for place, _ in numbers], [n["value"] for _, n in numbers], **look)
        gap.plot([place for place, _ in numbers], [n["gap"] for _, n in numbers], **look)
    oracle = printed["Ours (DMT)", "Oracle"]["value"]
    score.axhline(oracle, color=COLOURS["quiet"], linestyle="--", linewidth=1.4)
    score.text(0, oracle - 0.6, "DMT's Oracle", color="#5F6570", fontsize=10.5, va="top")
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


@dataclass(frozen=True)
class Pictures:
    """Some scored images with their masks, and what recorded models predict for them, by method."""

    classes: tuple[str, ...]
    images: list[UInt8[Tensor, "3 H W"]]
    masks: list[UInt8[Tensor, "H W"]]
    predictions: dict[str, list[UInt8[Tensor, "H W"]]]


def predicted_pictures(
    results: Path, preset: str, methods: Sequence[str], count: int, seed: int = 0
) -> Pictures | None:
    """The first ``count`` of the images whose predictions are kept; None where a method has no record or none kept.

    Args:
        preset: `scenes` or `camvid-small`, whose data must be here.
    """
    classes, val, load = _scored(preset)
    indices = shown(val.names)[:count]
    images, masks = zip(*(load(*val[index]) for index in indices), strict=True)
    predictions = {}
    for method in methods:
        record = next((r for r in load_records(results, preset, method) if r["seed"] == seed), None)
        stored = None if record is None else load_predictions(results, record, tuple(masks[0].shape))
        if stored is None:
            return None
        predictions[method] = [stored[val.names[index]] for index in indices]
    return Pictures(classes, list(images), list(masks), predictions)


def prediction_rows(pictures: Pictures) -> Figure:
    """Fig. 9: input, truth, and the predictions of each method."""
    columns = [pictures.images, pictures.masks, *pictures.predictions.values()]
    titles = ["input", "truth", *(NAMES[method] for method in pictures.predictions)]
    return picture_figure(list(zip(*columns, strict=True)), titles, classes=pictures.classes, void="ignored")


def wrong_pixels(pictures: Pictures) -> pd.DataFrame:
    """The share of wrong pixels in percent, a row a picture, void left out."""
    rows = [
        {NAMES[method]: 100 * _wrong(predicted[row], mask) for method, predicted in pictures.predictions.items()}
        for row, mask in enumerate(pictures.masks)
    ]
    return pd.DataFrame(rows, index=pd.RangeIndex(1, len(rows) + 1, name="row"))


def _wrong(predicted: UInt8[Tensor, "H W"], mask: UInt8[Tensor, "H W"]) -> float:
    known = mask != VOID
    return ((predicted != mask) & known).sum().item() / known.sum().item()


def _scored(preset: str) -> tuple[tuple[str, ...], ListedImages | StoredImages, Callable]:
    """Classes, scored images, and what makes of an image what the models see. Few images are needed: none is read."""
    if preset == "scenes":
        data = load_scenes()
        return data.classes, data.parts["val"], lambda image, mask: (image, mask)
    data = load_prepared("camvid", prepared_folder("camvid"))
    return data.classes, data.parts["val"], partial(shrink, factor=CAMVID_SHRINKS_BY)


def _ring(ax: Axes, place: int, values: list[float], method: str) -> None:
    spread = Spread.of(values)
    if spread is not None:
        look = dict(color=METHOD_COLOURS[method], markerfacecolor="white", markersize=9, capsize=4)
        ax.errorbar(place + 0.08, spread.mean, yerr=spread.std if spread.n > 1 else None, fmt="o", **look)
