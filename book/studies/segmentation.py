"""What becomes of a model's pixel labels under different rankings (Sec. 4.2.2): of all together, by class, by CBST."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import pandas as pd
import torch
from jaxtyping import Bool, Float, Int64, UInt8, UInt16
from torch import Tensor, nn

from dmtlib.data.pixels.datasets import SegmentationData
from dmtlib.data.pixels.masks import VOID
from dmtlib.method.pixel_selection import (
    IGNORED,
    Cut,
    count_pixels,
    cut_classes,
    decode_confidence,
    empty_histogram,
    encode_confidence,
    select_top_pixels,
)
from dmtlib.method.pseudo_labels import pseudo_label
from dmtlib.training.pixels.evaluation import predict_images

from ..page.places import repository


class PixelLabeling(NamedTuple):
    """What a model says about images of one size; their true masks only the one who measures knows."""

    classes: tuple[str, ...]
    probabilities: Float[Tensor, "N C H W"]
    labels: UInt8[Tensor, "N H W"]
    codes: UInt16[Tensor, "N H W"]  # of the confidences
    truth: UInt8[Tensor, "N H W"]

    @property
    def known(self) -> Bool[Tensor, "N H W"]:
        """Pixels that have a true class; on the others a label is neither right nor wrong."""
        return self.truth != VOID

    @property
    def wrong(self) -> Bool[Tensor, "N H W"]:
        return self.known & (self.labels != self.truth)


def label_pixels(model: nn.Module, data: SegmentationData, indices: Sequence[int]) -> PixelLabeling:
    """Every pixel of the clean training images ``indices``, with the model's label and confidence."""
    images = data.parts["train"]
    probabilities = torch.stack([one.cpu() for one in predict_images(model, images, indices)])
    truth = torch.stack([images.mask(index) for index in indices])
    return pixel_labeling(data.classes, probabilities, truth)


def pixel_labeling(
    classes: tuple[str, ...], probabilities: Float[Tensor, "N C H W"], truth: UInt8[Tensor, "N H W"]
) -> PixelLabeling:
    """The same from probabilities that are there already."""
    labels, confidence = pseudo_label(probabilities, ignore_index=IGNORED)
    return PixelLabeling(classes, probabilities, labels.to(torch.uint8), encode_confidence(confidence), truth)


def keep_top(labeling: PixelLabeling, alpha: float, by_class: bool = True) -> UInt8[Tensor, "N H W"]:
    """The labels of the top α, 255 elsewhere: α of each predicted class, or of all pixels together as in Alg. 1."""
    if by_class:
        chunks = list(zip(labeling.labels, labeling.codes, strict=True))
        return torch.stack(list(select_top_pixels(chunks, len(labeling.classes), alpha)))
    as_one_class = list(zip(torch.zeros_like(labeling.labels), labeling.codes, strict=True))
    kept = torch.stack(list(select_top_pixels(as_one_class, 1, alpha)))
    return torch.where(kept == IGNORED, IGNORED, labeling.labels)


def kept_by_class(labeling: PixelLabeling, kept: UInt8[Tensor, "N H W"]) -> pd.DataFrame:
    """For each class: how many pixels are labeled as it, how many of them were kept, and the wrong among those.

    The last two columns, ``wrong`` and ``known``, count pixels that have a true class.
    """
    chosen = kept != IGNORED
    counts = {
        "labeled": torch.ones_like(chosen),
        "kept": chosen,
        "wrong": chosen & labeling.wrong,
        "known": chosen & labeling.known,
    }
    columns = {name: _count(labeling, pixels) for name, pixels in counts.items()}
    return pd.DataFrame(columns, index=pd.Index(labeling.classes, name="class"))


def four_parts(labeling: PixelLabeling, kept: UInt8[Tensor, "N H W"]) -> pd.DataFrame:
    """For each predicted class, shares of its pixels in percent: kept or dropped, right or wrong; without void."""
    chosen, right = kept != IGNORED, labeling.known & ~labeling.wrong
    parts = {
        "kept, right": chosen & right,
        "kept, wrong": chosen & labeling.wrong,
        "dropped, wrong": ~chosen & labeling.wrong,
        "dropped, right": ~chosen & right,
    }
    counts = pd.DataFrame({name: _count(labeling, part) for name, part in parts.items()}, index=labeling.classes)
    return 100 * counts.div(counts.sum(axis=1).clip(lower=1), axis=0)


def class_cut(labeling: PixelLabeling, alpha: float) -> tuple[Cut, Int64[Tensor, " C"]]:
    """Where each class is cut, and how many pixels have exactly the code of the cut."""
    histogram = empty_histogram(len(labeling.classes))
    count_pixels(histogram, labeling.labels, labeling.codes)
    cut = cut_classes(histogram, alpha)
    return cut, histogram.gather(1, cut.code.unsqueeze(1)).squeeze(1)


def thresholds(labeling: PixelLabeling, alpha: float) -> Float[Tensor, " C"]:
    """The confidence of the last pixel that is kept of each class; 1 where none is."""
    cut, _ = class_cut(labeling, alpha)
    return decode_confidence(cut.code)


def renormalise(
    probabilities: Float[Tensor, "B C *S"], threshold: Float[Tensor, " C"]
) -> tuple[Int64[Tensor, "B *S"], Float[Tensor, "B *S"]]:
    """CBST's way, which DMT does not go: divide each class by its threshold, then take the largest.

    Returns:
        The labels, and the quotients that belong to them. CBST keeps those above 1.
    """
    quotients = probabilities / threshold.view(-1, *[1] * (probabilities.dim() - 2))
    score, labels = quotients.max(dim=1)
    return labels, score


def renormalisation_effect(labeling: PixelLabeling, alphas: Iterable[float]) -> pd.DataFrame:
    """For each α, which of the labels that CBST keeps are not the model's own, in percent of those that it keeps."""
    rows = []
    for alpha in alphas:
        labels, score = renormalise(labeling.probabilities, thresholds(labeling, alpha))
        kept = score > 1
        changed = kept & (labels != labeling.labels)
        spoiled = changed & (labeling.labels == labeling.truth)
        mended = changed & (labels == labeling.truth)
        counts = {"changed": changed, "right made wrong": spoiled, "wrong made right": mended}
        total = max(1, int(kept.sum()))
        rows.append({"alpha": alpha} | {name: 100 * int(pixels.sum()) / total for name, pixels in counts.items()})
    return pd.DataFrame(rows).set_index("alpha")


def measured_selection() -> str:
    """The times and peaks that ``benchmarks/selection.py`` has on record; "not run" without a clone."""
    file = repository() / "benchmarks/selection.py"
    if not file.exists():
        return "not run"
    words = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8")))
    return words[words.index("Measured") :]


def _count(labeling: PixelLabeling, pixels: Bool[Tensor, "N H W"]) -> list[int]:
    return labeling.labels[pixels].long().bincount(minlength=len(labeling.classes)).tolist()
