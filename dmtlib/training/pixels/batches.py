"""The batches of a phase on pixels: step t's is a function of (seed, phase, model, t), whoever asks for it."""

import os
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from ...data.pixels.images import ListedImages, StoredImages
from ...data.pixels.joint_augment import JointAugment
from ..processes import count, shared
from ..seeding import ShuffledStream, derive_seed
from .pixel_labels import PixelLabels

MOST_WORKERS = 8  # processes that prepare batches for an accelerator; on a CPU they would only take its cores
SHARED_MEMORY = "/dev/shm"  # through which they hand over tensors, where there is one
HANDED_OVER = 16 << 20  # bytes of it for each: two batches ahead, of at most 321×321 crops, are 13 MiB


class SegmentationBatch(NamedTuple):
    """Labeled images first. The last two are of the P pseudo-labeled ones only; P is 0 in phase 0."""

    images: UInt8[Tensor, "B 3 h w"]
    targets: UInt8[Tensor, "B h w"]
    confidence: Float[Tensor, "P h w"]
    truth: UInt8[Tensor, "P h w"]


@dataclass(frozen=True)
class SegmentationBatches(Dataset):
    """Item t is the whole batch of step t, or this process's share. Of the training ``images`` the masks of those with
    the indices ``labeled`` are learned; of ``unlabeled`` ones (none in phase 0) what ``pseudo`` has in their order, or
    None for Online ST: every pixel of the image takes part, and what is learned there is not known before the step. In
    phase 0 all of a batch are labeled. The ``seed`` is of this model in this phase."""

    images: ListedImages | StoredImages
    labeled: list[int]
    unlabeled: list[int]
    pseudo: PixelLabels | None
    augment: JointAugment
    batch_size: int
    labeled_per_batch: int
    total_steps: int
    seed: int

    def __len__(self) -> int:
        return self.total_steps

    def __getitem__(self, step: int) -> SegmentationBatch:
        labeled, pseudo = self._draw(step, "labeled"), self._draw(step, "pseudo")
        parts = [], [], [], []  # as a SegmentationBatch has them
        for n in shared(range(self.batch_size)):
            if n < len(labeled):
                view = self.images[self.labeled[labeled[n]]]
            else:
                i = pseudo[n - len(labeled)]
                image, mask = self.images[self.unlabeled[i]]
                said = (torch.zeros_like(mask), torch.zeros(mask.shape)) if self.pseudo is None else self.pseudo[i]
                view = image, *said, mask
            generator = torch.Generator().manual_seed(derive_seed(self.seed, "augment", step, n))
            for tensors, tensor in zip(parts, self.augment(*view, generator=generator), strict=False):
                tensors.append(tensor)
        nothing = torch.empty(0, *self.augment.crop)
        nothings = nothing, nothing, nothing, nothing.to(torch.uint8)
        return SegmentationBatch(*(torch.stack(p) if p else none for p, none in zip(parts, nothings, strict=True)))

    def _draw(self, step: int, what: str) -> list[int]:
        return self._streams[what].batch(step).tolist() if what in self._streams else []

    @cached_property
    def _streams(self) -> dict[str, ShuffledStream]:
        """Kept from step to step: shuffling anew in each would cost more than an image."""
        sizes = {"labeled": (len(self.labeled), self.labeled_per_batch)}
        if rest := self.batch_size - self.labeled_per_batch:
            sizes["pseudo"] = len(self.unlabeled), rest
        cpu = torch.device("cpu")
        return {what: ShuffledStream(*n, derive_seed(self.seed, what), cpu) for what, n in sizes.items()}


def in_order(make: Callable[[int], Any], which: Sequence[int], device: torch.device) -> Iterator[Any]:
    """``make(i)`` for each i of ``which``; for cuda they are made ahead by worker processes, and pinned."""
    return _ahead(make, which, workers()) if device.type == "cuda" else map(make, which)


def _ahead(make: Callable[[int], Any], which: Sequence[int], processes: int) -> Iterator[Any]:
    def told(index: int) -> Any:
        """An error is handed over as an item: the loader would add a worker's traceback to its one line."""
        try:
            return make(index)
        except (ValueError, OSError) as error:
            return error

    # Forked workers copy no images. The generator seeds their own ones, which nothing here asks.
    how = {"num_workers": processes, "multiprocessing_context": "fork", "generator": torch.Generator()}
    for item in DataLoader(which, batch_size=None, collate_fn=told, pin_memory=True, **how):
        if isinstance(item, Exception):
            raise item
        yield item


def workers() -> int:
    """How many processes prepare batches: all cores that this process may use but one, divided by the runs that share
    them, no more than keep a GPU busy, and as many as have room for what they hand over (in a container /dev/shm may
    have 64 MiB). A ValueError for a ``DMT_JOBS`` that is no number of runs."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    room = shutil.disk_usage(SHARED_MEMORY).free // HANDED_OVER if os.path.isdir(SHARED_MEMORY) else MOST_WORKERS
    if not re.fullmatch("[1-9][0-9]{0,8}", jobs := os.environ.get("DMT_JOBS", "1")):
        raise ValueError(f"DMT_JOBS must be a whole number, 1 or more, got {jobs!r}")
    return max(1, min(MOST_WORKERS, (cores - 1) // (int(jobs) * count()), room // count()))
