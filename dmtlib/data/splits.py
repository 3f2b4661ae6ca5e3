"""Which images are labeled: nested subsets, so that a larger one only adds labels (Sec. 5.3.1)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Int64
from torch import Tensor

from .packed import UNKNOWN

VALIDATION_SEED = 200  # one validation set for all seeds, as the authors' val_tiny is one file (Appendix C)


@dataclass(frozen=True)
class Split:
    """Indices into the training images, each sorted; every image is in exactly one of the three."""

    labeled: Int64[Tensor, " l"]
    unlabeled: Int64[Tensor, " u"]
    validation: Int64[Tensor, " v"]


def split_labeled(labels: Int64[Tensor, " N"], num_labels: int, seed: int, validation: int = 0) -> Split:
    """Draw a class-balanced labeled subset; for one seed every smaller one lies inside every larger one.

    The images of each class are shuffled, then dealt out one class after the other: the first ``num_labels``
    cards are the labeled subset. Validation images leave first and do not depend on ``seed``.

    Args:
        labels: classes of all training images; images of unknown class (−1) are unlabeled.
        num_labels: size of the labeled subset.
        seed: of the labeled subset.
        validation: how many images to set apart, as evenly over the classes as possible.

    Raises:
        ValueError: fewer images of known class than are asked for.
    """
    known = int((labels != UNKNOWN).sum())
    if num_labels < 1 or validation < 0 or num_labels + validation > known:
        raise ValueError(
            f"labels + validation must lie in 1…{known}, the number of images of known class,"
            f" got {num_labels} + {validation}"
        )
    apart = _deal(labels, VALIDATION_SEED)[:validation]
    left = torch.ones(len(labels), dtype=torch.bool)
    left[apart] = False
    order = _deal(labels, seed)
    labeled = order[left[order]][:num_labels]
    left[labeled] = False
    return Split(labeled.sort().values, left.nonzero().squeeze(1), apart.sort().values)


def _deal(labels: Tensor, seed: int) -> Tensor:
    """All images of known class, shuffled within their class, then one of each class in turn."""
    generator = torch.Generator().manual_seed(seed)
    shuffled = torch.randperm(len(labels), generator=generator)
    shuffled = shuffled[labels[shuffled] != UNKNOWN]
    classes = labels[shuffled]
    rank = torch.zeros_like(classes)
    for c in classes.unique():
        mine = classes == c
        rank[mine] = torch.arange(int(mine.sum()))
    return shuffled[torch.argsort(rank * (int(labels.max()) + 1) + classes, stable=True)]
