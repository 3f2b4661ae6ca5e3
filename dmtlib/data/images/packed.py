"""A data set as one file: all images as bytes, their labels, where they come from, and a hash over all of it."""

import errno
import hashlib
import os
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, BinaryIO

import torch
from jaxtyping import Int64, UInt8
from torch import Tensor

from ...files import load_whole, open_regular, whole_file
from ...method.dynamic_loss import describe
from ..entry import side_by_side
from ..finding import MAX_NAME

FORMAT = "dmtlib packed images, version 1"

UNKNOWN = -1
"""The label of an image whose class nobody recorded."""


@dataclass(frozen=True)
class ImageFile:
    """Images in a file, one after the other, in the place of a uint8 tensor (N, C, H, W) that memory doesn't hold.
    ``rows`` are their numbers there, ``image`` is the shape of one. Slices and indices are some of them, unread."""

    file: BinaryIO
    rows: Int64[Tensor, " N"]
    image: tuple[int, ...]
    device: torch.device = torch.device("cpu")

    @property
    def shape(self) -> torch.Size:
        return torch.Size((len(self.rows), *self.image))

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, which: Tensor | slice) -> "ImageFile":
        return replace(self, rows=self.rows[which if isinstance(which, slice) else which.cpu()])

    def split(self, size: int) -> "list[ImageFile]":
        """As of a tensor."""
        return [self[first : first + size] for first in range(0, len(self), size)]

    def to(self, device: torch.device) -> "ImageFile":
        """The same, whose images are to go to that device."""
        return replace(self, device=device)

    def read(self) -> UInt8[Tensor, "N C H W"]:
        """All of these, on the CPU, pinned if they are to go to CUDA; an OSError, if that fails. They are read by
        positions: pages of a mapping would count as this process's memory."""
        images = torch.empty(self.shape, dtype=torch.uint8, pin_memory=self.device.type == "cuda")
        for row, image in zip(self.rows.tolist(), images.numpy(), strict=True):
            if os.preadv(self.file.fileno(), [image], row * image.nbytes) < image.nbytes:
                raise OSError(errno.EIO, "was cut short: delete it", self.file.name)
        return images


def read_ahead(batches: Iterable[Tensor | ImageFile]) -> Iterator[Tensor]:
    """Batches as tensors: what is in a file is read by threads, while what came before is at work."""
    return side_by_side(lambda batch: batch.read() if isinstance(batch, ImageFile) else batch, batches, ahead=2)


@dataclass(frozen=True)
class PackedImages:
    """Training and test images of one size, and in words where they come from, their ``source``. A label is an index
    into the names ``classes``; that of a training image may be :data:`UNKNOWN`."""

    classes: tuple[str, ...]
    train_images: UInt8[Tensor, "N 3 H W"] | ImageFile
    train_labels: Int64[Tensor, " N"]
    test_images: UInt8[Tensor, "M 3 H W"] | ImageFile
    test_labels: Int64[Tensor, " M"]
    source: str

    def counts(self, part: str) -> dict[str, int]:
        """Images of each class in ``part``, "train" or "test"; "unlabeled" is there if such images are."""
        found = torch.bincount(getattr(self, f"{part}_labels") - UNKNOWN, minlength=len(self.classes) + 1).tolist()
        return dict(zip(self.classes, found[1:], strict=True)) | ({"unlabeled": found[0]} if found[0] else {})

    def content_hash(self) -> str:
        """SHA-256 over pixels, labels, class names and source."""
        return hash_of(vars(self))


def hash_of(values: Mapping[str, Any]) -> str:
    """SHA-256 over tensors, with shapes and dtypes, and plain values, by their names."""
    digest = hashlib.sha256()
    for name, value in values.items():
        if isinstance(value, Tensor):
            digest.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
            digest.update(value.cpu().contiguous().numpy())
        else:
            digest.update(f"{name} {value!r}".encode())
    return digest.hexdigest()


def write_packed(images: PackedImages, path: str | Path) -> str:
    """Write the file whole or not at all, and return its content hash. A ValueError for tensors whose shapes, dtypes
    or labels do not fit together, or another file in that place; an OSError, if the file cannot be written."""
    _check(images)
    check_replaceable(Path(path))
    content_hash = images.content_hash()
    with whole_file(Path(path)) as file:
        torch.save({"format": FORMAT, "sha256": content_hash} | vars(images), file)
    return content_hash


def check_replaceable(path: Path) -> None:
    """A file there is packed, whole or not. A ValueError of one line names another's; an OSError, if unreadable."""
    if path.exists():
        with open_regular(path) as file:
            if FORMAT.encode() not in file.read(2**20):  # torch.save begins with all that is no tensor
                raise ValueError(f"{path} is there, and is no packed data set: move it away")


def read_packed(path: str | Path) -> PackedImages:
    """Read a packed file and verify its hash; CIFAR-10 takes well under two seconds. A ValueError of one line names
    the file, where there is none, it is no packed file, or its content is not what was written."""
    try:
        with open_regular(path) as file:
            stored = load_whole(file)
    except FileNotFoundError:
        raise ValueError(f"{path}: no such file; data_prep/ has the scripts that make packed data sets") from None
    except zipfile.BadZipFile as error:
        raise ValueError(f"{path}: damaged, or not a packed data set: {error}") from None
    except Exception as error:  # garbage makes the unpickler raise whatever comes up, and seek before the file's begin
        if isinstance(error, MemoryError) or "memory" in str(error):
            raise
        if isinstance(error, OSError) and error.errno != errno.EINVAL:
            raise ValueError(f"{path}: cannot be read: {error.strerror}") from None
        raise ValueError(f"{path}: damaged, or not a packed data set") from None
    if not isinstance(stored, Mapping) or stored.get("format") != FORMAT:
        raise ValueError(f"{path}: not a packed data set of this version ({FORMAT})")
    try:
        images = PackedImages(**{field.name: stored[field.name] for field in fields(PackedImages)})
        _check(images)
        if images.content_hash() != stored["sha256"]:
            raise ValueError("its content does not have the hash that it was written with")
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ValueError(f"{path}: damaged: {error}") from None
    return images


def _check(images: PackedImages) -> None:
    names = images.classes
    fit = isinstance(names, tuple) and all(isinstance(name, str) and len(name) <= MAX_NAME for name in names)
    if not (fit and len(set(names)) >= 2):
        raise ValueError(f"classes must be a tuple of two or more different names of up to {MAX_NAME} characters")
    for part in ("train", "test"):
        pixels, labels = getattr(images, f"{part}_images"), getattr(images, f"{part}_labels")
        if pixels.dtype != torch.uint8 or pixels.dim() != 4 or pixels.shape[1] != 3:
            raise ValueError(f"{part}_images must be uint8 of shape (N, 3, H, W), got {describe(pixels)}")
        if not (len(pixels) and 0 < pixels.shape[2] == pixels.shape[3]):
            raise ValueError(f"{part}_images must be one or more and be square, got {describe(pixels)}")
        if labels.dtype != torch.int64 or labels.shape != pixels.shape[:1]:
            raise ValueError(f"{part}_labels must be int64 of shape ({len(pixels)},), got {describe(labels)}")
        lowest = UNKNOWN if part == "train" else 0
        if len(labels) and not lowest <= int(labels.min()) <= int(labels.max()) < len(images.classes):
            raise ValueError(f"{part}_labels must lie in {lowest}…{len(images.classes) - 1}")
    if images.train_images.shape[2:] != images.test_images.shape[2:]:
        raise ValueError("train_images and test_images must have the same height and width")
