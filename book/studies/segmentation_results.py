"""Chapter 10: stored predictions beside the truth, and the IoU of each class."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pandas as pd
from jaxtyping import UInt8
from torch import Tensor

from dmtlib.data.finding import prepared
from dmtlib.data.pixels.datasets import CAMVID_SHRINKS_BY, load_prepared, load_scenes
from dmtlib.data.pixels.images import ListedImages, StoredImages, shrink
from dmtlib.data.pixels.masks import VOID
from dmtlib.records.comparison import NAMES, cell
from dmtlib.records.store import load_records

from .stored_predictions import load_predictions, shown


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


def wrong_pixels(pictures: Pictures) -> pd.DataFrame:
    """The share of wrong pixels in percent, a row a picture, void left out."""
    rows = [
        {NAMES[method]: 100 * _wrong(predicted[row], mask) for method, predicted in pictures.predictions.items()}
        for row, mask in enumerate(pictures.masks)
    ]
    return pd.DataFrame(rows, index=pd.RangeIndex(1, len(rows) + 1, name="row"))


def wrong_in_words(wrong: pd.DataFrame, pictures: str) -> str:
    """What :func:`wrong_pixels` found, and which of the two is ahead in these pictures."""
    baseline, dmt = wrong["baseline"], wrong["DMT"]
    ahead = "has more wrong pixels than" if dmt.mean() > baseline.mean() else "has no more wrong pixels than"
    return (
        f"Wrong pixels in these {len(wrong)} {pictures}: baseline {baseline.mean():.1f}%, DMT {dmt.mean():.1f}%; DMT "
        f"has fewer in {(dmt < baseline).sum()} of them. **Here DMT {ahead} the baseline.**"
    )


def score_of_seed(results: Path, preset: str, seed: int = 0) -> str:
    """The mean IoU over all scored images that the two models of the pictures have."""
    found = [
        next((r for r in load_records(results, preset, m) if r["seed"] == seed), None) for m in ("baseline", "dmt")
    ]
    if None in found:
        return "not run"
    return "baseline {:.1f}%, DMT {:.1f}%".format(*(record["mean_iou"] for record in found))


def class_table(
    results: Path, preset: str, methods: Sequence[str] = ("baseline", "cbst", "dmt", "oracle")
) -> pd.DataFrame:
    """IoU of each class over seeds; a seed in which a class is neither there nor predicted is left out."""
    found = {NAMES[method]: load_records(results, preset, method) for method in methods}
    classes = next((list(records[0]["class_iou"]) for records in found.values() if records), ["every class"])
    columns = {
        method: [cell([r["class_iou"][c] for r in records if r["class_iou"][c] is not None]) for c in classes]
        for method, records in found.items()
    }
    return pd.DataFrame(columns, index=pd.Index(classes, name="IoU (%)"))


def _wrong(predicted: UInt8[Tensor, "H W"], mask: UInt8[Tensor, "H W"]) -> float:
    known = mask != VOID
    return ((predicted != mask) & known).sum().item() / known.sum().item()


def _scored(preset: str) -> tuple[tuple[str, ...], ListedImages | StoredImages, Callable]:
    """Classes, scored images, and what makes of an image what the models see. Few images are needed: none is read."""
    if preset == "scenes":
        data = load_scenes()
        return data.classes, data.parts["val"], lambda image, mask: (image, mask)
    data = load_prepared("camvid", prepared("camvid"))
    return data.classes, data.parts["val"], partial(shrink, factor=CAMVID_SHRINKS_BY["camvid-quarter"])
