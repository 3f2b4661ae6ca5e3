"""What confidence can tell about pseudo labels (Fig. 1): the error among the most confident, and above a threshold."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import pandas as pd
import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from dmtlib.data.images.datasets import ClassificationData
from dmtlib.method.pseudo_labels import entropy, pseudo_label, select_top_images
from dmtlib.training.images.evaluation import predict

IGNORED = 255


class Labeling(NamedTuple):
    """What a model says about images whose classes only the one who measures knows."""

    indices: Int64[Tensor, " u"]
    probabilities: Float[Tensor, "u C"]
    labels: Int64[Tensor, " u"]
    confidence: Float[Tensor, " u"]
    entropy: Float[Tensor, " u"]
    truth: Int64[Tensor, " u"]

    @property
    def wrong(self) -> Bool[Tensor, " u"]:
        return self.labels != self.truth


def label_images(model: nn.Module, data: ClassificationData, indices: Int64[Tensor, " u"]) -> Labeling:
    """Pseudo labels of clean training images (Eq. 2 without a threshold), with their entropy (Eq. 1)."""
    probabilities = predict(model, data.train_images[indices], data.mean, data.std).cpu()
    return labeling_of(probabilities, data.train_labels[indices], indices)


def labeling_of(
    probabilities: Float[Tensor, "u C"], truth: Int64[Tensor, " u"], indices: Int64[Tensor, " u"] | None = None
) -> Labeling:
    """The same from probabilities that are there already; ``indices`` count from 0 unless given."""
    labels, confidence = pseudo_label(probabilities)
    indices = torch.arange(len(truth)) if indices is None else indices
    return Labeling(indices, probabilities, labels, confidence, entropy(probabilities), truth)


def error_in_top(labeling: Labeling, alphas: Iterable[float]) -> pd.DataFrame:
    """For each share of most confident images: how many labels, how many of them wrong, and the error in percent."""
    rows = []
    for alpha in alphas:
        wrong = labeling.wrong[select_top_images(labeling.confidence, alpha)]
        error = 100 * wrong.float().mean().item()
        rows.append({"kept": alpha, "labels": len(wrong), "wrong": int(wrong.sum()), "error": error})
    return pd.DataFrame(rows).set_index("kept")


class Selection(NamedTuple):
    """How many pseudo labels a threshold keeps and drops, the right ones and the wrong ones."""

    kept_right: int
    kept_wrong: int
    dropped_right: int
    dropped_wrong: int

    @property
    def kept_share(self) -> float:
        """Of all labels, in percent."""
        return 100 * (self.kept_right + self.kept_wrong) / sum(self)

    @property
    def error(self) -> float:
        """Of the kept labels, in percent; NaN where none is kept."""
        kept = self.kept_right + self.kept_wrong
        return 100 * self.kept_wrong / kept if kept else float("nan")


def at_threshold(labeling: Labeling, threshold: float) -> Selection:
    """What Eq. 2 keeps: the labels whose confidence exceeds the threshold T."""
    labels, _ = pseudo_label(labeling.probabilities, threshold, ignore_index=IGNORED)
    kept, wrong = labels != IGNORED, labeling.wrong
    parts = (kept & ~wrong, kept & wrong, ~kept & ~wrong, ~kept & wrong)
    return Selection(*(int(part.sum()) for part in parts))


def error_curve(labeling: Labeling) -> Float[Tensor, " u"]:
    """The error in percent among the 1, 2, …, u most confident labels."""
    wrong = labeling.wrong[labeling.confidence.argsort(descending=True, stable=True)]
    return 100 * wrong.cumsum(0) / torch.arange(1, len(wrong) + 1)


def largest_clean_share(labeling: Labeling, error_below: float) -> float:
    """The largest share of most confident labels, in percent, whose error stays below ``error_below`` percent."""
    clean = (error_curve(labeling) < error_below).nonzero()
    return 100 * (clean[-1].item() + 1) / len(labeling.labels) if len(clean) else 0.0


def confident_errors(labeling: Labeling, count: int) -> Int64[Tensor, " k"]:
    """Positions of the wrong labels that the model is surest of, the surest first."""
    by_confidence = labeling.confidence.argsort(descending=True, stable=True)
    return by_confidence[labeling.wrong[by_confidence]][:count]


def errors_ranked_last(score: Float[Tensor, " u"], wrong: Bool[Tensor, " u"]) -> int:
    """Of the E errors, how many are among the E labels that a score (high is trusted) ranks last."""
    last = score.argsort(stable=True)[: int(wrong.sum())]
    return int(wrong[last].sum())
