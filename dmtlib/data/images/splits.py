"""Which images are labeled: nested subsets, so that a larger one only adds labels (Sec. 5.3.1)."""

from dataclasses import dataclass, fields
from typing import Any

import torch
from jaxtyping import Int64
from torch import Tensor

from ...files import json_hash
from .packed import UNKNOWN

SUBSET_SEED = 10_000  # of the subsets of the training images that small-scale presets use
VALIDATION_SEED = 200  # one validation set for all seeds, as the authors' val_tiny is one file (Appendix C)


@dataclass(frozen=True)
class Split:
    """Indices into the training images, each sorted; every image is in exactly one of the three."""

    labeled: Int64[Tensor, " l"]
    unlabeled: Int64[Tensor, " u"]
    validation: Int64[Tensor, " v"]

    def to_json(self, data_fingerprint: str) -> dict[str, Any]:
        """The split as plain JSON types, for a file that tells whether it is still the one that was drawn: ``sha256``
        over the data's fingerprint and two lists (the third is the rest), ``sizes``, and what was hashed."""
        content = {"data_fingerprint": data_fingerprint}
        content |= {name: getattr(self, name).tolist() for name in ("labeled", "validation")}
        sizes = {field.name: len(getattr(self, field.name)) for field in fields(self)}
        return {"sha256": json_hash(content), "sizes": sizes, **content}


def split_labeled(labels: Int64[Tensor, " N"], num_labels: int | None, seed: int, validation: int = 0) -> Split:
    """Draw a class-balanced labeled subset; for one seed every smaller one lies inside every larger one.

    The images of each class are shuffled, then dealt out one class after the other: the first ``num_labels``
    cards are the labeled subset, None being all that are there; images of unknown class (−1) are unlabeled. As many
    as ``validation`` says leave first, whatever the ``seed``. A ValueError for more than there are of known class."""
    left = labels != UNKNOWN
    known = int(left.sum())
    if num_labels is None:
        num_labels = known - validation
    if num_labels < 1 or validation < 0 or num_labels + validation > known:
        allowed = f"1…{known}, the number of images of known class"
        got = f"{num_labels} + {validation}; --all-labels takes what there is"
        raise ValueError(f"labels + validation must lie in {allowed}, got {got}")
    apart = _deal(labels, left, VALIDATION_SEED)[:validation]
    left[apart] = False
    labeled = _deal(labels, left, seed)[:num_labels]
    rest = torch.ones(len(labels), dtype=torch.bool)
    rest[apart] = rest[labeled] = False
    return Split(labeled.sort().values, rest.nonzero().squeeze(1), apart.sort().values)


def balanced_subset(labels: Int64[Tensor, " N"], count: int) -> Int64[Tensor, " count"]:
    """Indices of ``count`` images of known class, sorted, balanced, always the same. A ValueError for too many."""
    known = labels != UNKNOWN
    if not 1 <= count <= int(known.sum()):
        raise ValueError(f"training images must lie in 1…{int(known.sum())}, those of known class, got {count}")
    return _deal(labels, known, SUBSET_SEED)[:count].sort().values


def _deal(labels: Tensor, left: Tensor, seed: int) -> Tensor:
    """The images where ``left`` is true, shuffled within their class, then one of each class in turn."""
    shuffled = torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed))
    shuffled = shuffled[left[shuffled]]
    classes = labels[shuffled]
    rank = torch.zeros_like(classes)
    for c in classes.unique():
        mine = classes == c
        rank[mine] = torch.arange(int(mine.sum()))
    return shuffled[torch.argsort(rank * (int(labels.max()) + 1) + classes, stable=True)]
