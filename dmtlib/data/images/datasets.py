"""Classification data sets as uint8 tensors, which live on the device, so that no loader stands in a step's way; a
folder that memory doesn't hold stays in a file, from which batches are read ahead."""

import hashlib
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Int64, UInt8
from torch import Tensor

from ..finding import KINDS, perhaps, prepared, written_out
from .folders import read_own_images
from .packed import ImageFile, PackedImages, read_ahead, read_packed
from .randaugment import CIFAR10_MEAN, CIFAR10_STD
from .splits import balanced_subset

DIGITS_TEST_IMAGES = 500
READ_AT_ONCE = 64  # images of a file
MINI_CLASSES, MINI_IMAGES = 4, 8000
DIGITS_TEST_SEED = 2022  # the test images never change with a run's seed


@dataclass(frozen=True)
class ClassificationData:
    """A data set in memory, or its images in a file. ``train_images`` are all that training may see; labels are class
    indices, among ``train_labels`` also :data:`.packed.UNKNOWN`; ``mean`` and ``std`` are per channel, of pixels
    scaled to [0, 1]. Of ``own`` data the classes' names belong to the fingerprint; ``remarks`` are their reader's."""

    name: str
    classes: tuple[str, ...]
    train_images: UInt8[Tensor, "N C H W"] | ImageFile
    train_labels: Int64[Tensor, " N"]
    test_images: UInt8[Tensor, "M C H W"] | ImageFile
    test_labels: Int64[Tensor, " M"]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    own: bool = False
    remarks: tuple[str, ...] = ()

    @property
    def summary(self) -> list[str]:
        """Classes, images, labels, and what their reader met, in lines with which a run begins."""
        found = torch.bincount(self.train_labels + 1, minlength=len(self.classes) + 1).tolist()
        counts = [f"{name} {count:,}" for name, count in zip(self.classes, found[1:], strict=True)]
        if len(counts) > 12:
            counts = [f"{min(found[1:]):,}…{max(found[1:]):,} labels each"]
        return [
            f"{self.name}: {len(self.train_labels):,} images to train on, {sum(found[1:]):,} of them with a label; "
            f"{len(self.test_labels):,} to test on, of {'×'.join(map(str, self.train_images.shape[:1:-1]))} pixels",
            f"{len(self.classes)} classes: {', '.join(counts)}",
            *self.remarks,
        ]

    def absent(self, labeled: Int64[Tensor, " l"]) -> list[str]:
        """Classes that none of these training images has."""
        return [name for label, name in enumerate(self.classes) if label not in self.train_labels[labeled]]

    @property
    def interface(self) -> dict[str, Any]:
        """What a model that learned these data must know of an image that is not among them."""
        mean, std = list(self.mean), list(self.std)
        return {"classes": list(self.classes), "side": self.train_images.shape[-1], "mean": mean, "std": std}

    @property
    def fingerprint(self) -> str:
        """SHA-256 over all pixels and labels, so that a run can refuse to resume on other data."""
        digest = hashlib.sha256(repr(self.classes).encode() if self.own else b"")
        for tensor in (self.train_images, self.train_labels, self.test_images, self.test_labels):
            digest.update(str(tuple(tensor.shape)).encode())
            for part in read_ahead(tensor.split(READ_AT_ONCE)):
                digest.update(part.cpu().contiguous().numpy())
        return digest.hexdigest()


def load_digits() -> ClassificationData:
    """scikit-learn's handwritten digits: 1,797 real scans of 8×8 pixels, of which 500 are the test set. The pixel
    values 0…16 are spread over 0…255. The test images are drawn once, the same share of each class."""
    from sklearn import datasets, model_selection

    scans, digits = datasets.load_digits(return_X_y=True)
    images = (torch.from_numpy(scans).reshape(-1, 1, 8, 8) * (255 / 16)).round().to(torch.uint8)
    labels = torch.from_numpy(digits).long()
    drawn = {"test_size": DIGITS_TEST_IMAGES, "random_state": DIGITS_TEST_SEED, "stratify": digits}
    train, test = model_selection.train_test_split(range(len(labels)), **drawn)
    pixels = images[train].double() / 255
    parts = images[train], labels[train], images[test], labels[test]
    classes = tuple(map(str, range(10)))
    return ClassificationData("digits", classes, *parts, mean=(pixels.mean().item(),), std=(pixels.std().item(),))


def load_cifar10_mini() -> ClassificationData:
    """A part of CIFAR-10 (its JPEG copy) for runs on a CPU: airplanes, automobiles, birds and cats, 2,000 training
    images of each and all 4,000 test images, always the same, at half the side: each pixel is the mean of four."""
    whole = load_dataset("cifar10-jpeg")
    train = (whole.train_labels < MINI_CLASSES).nonzero().squeeze(1)
    train = train[balanced_subset(whole.train_labels[train], MINI_IMAGES)]
    parts = {}
    for part, chosen in {"train": train, "test": whole.test_labels < MINI_CLASSES}.items():
        images = getattr(whole, f"{part}_images")[chosen]
        parts[f"{part}_images"] = F.avg_pool2d(images.float(), 2).round().to(torch.uint8)
        parts[f"{part}_labels"] = getattr(whole, f"{part}_labels")[chosen]
    return replace(whole, name="cifar10-mini", classes=whole.classes[:MINI_CLASSES], **parts)


def check_dataset(name: str) -> None:
    """Raises a ValueError where :func:`load_dataset` knows no data set of that name."""
    if not re.fullmatch(f"(?s)digits|cifar10(-jpeg|-mini)?|{KINDS}.+", str(name)):
        allowed = "digits, cifar10, cifar10-jpeg, cifar10-mini, packed:PATH, folder:PATH or folder@SIDE:PATH"
        raise ValueError(f"data must be {allowed}, got {name!r}{perhaps(name)}")


def load_dataset(name: str, progress: bool = False) -> ClassificationData:
    """A data set by its name in a preset: `digits`, `cifar10`, `cifar10-jpeg` (where :func:`.finding.prepared` finds
    them), `cifar10-mini` (a part of the JPEG copy), `packed:PATH`, `folder:PATH` (images brought to 32×32 pixels) or
    `folder@SIDE:PATH`. A ValueError says what is wrong, if there is no such data set, or its files cannot be used."""
    check_dataset(name)
    kind, _, path = written_out(name).partition(":")
    if name == "digits":
        return load_digits()
    if name == "cifar10-mini":
        return load_cifar10_mini()
    if kind == "packed":
        return replace(_from_images(read_packed(path), Path(path).stem), own=True)
    if path:
        images, found = read_own_images(path, int(kind.partition("@")[2] or 32), progress=progress)
        return replace(_from_images(images, Path(path).name), own=True, remarks=tuple(found.remarks))
    return _from_images(read_packed(prepared(f"{name}.pt")), name)


def _from_images(images: PackedImages, name: str) -> ClassificationData:
    mean, std = (CIFAR10_MEAN, CIFAR10_STD) if name.startswith("cifar10") else _channel_statistics(images.train_images)
    contents = {field: value for field, value in vars(images).items() if field != "source"}
    return ClassificationData(name=name, **contents, mean=mean, std=std)


def _channel_statistics(images: UInt8[Tensor, "N C H W"] | ImageFile) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of each channel, of pixels scaled to [0, 1], from the counts of the 256 levels. A
    channel that is the same everywhere gets 1: it is shifted, and not scaled."""
    levels = torch.arange(256, dtype=torch.float64) / 255
    counts = torch.zeros(images.shape[1], 256, dtype=torch.int64)
    for part in read_ahead(images.split(READ_AT_ONCE)):
        counts += torch.stack([torch.bincount(channel.flatten(), minlength=256) for channel in part.unbind(1)])
    means, deviations = [], []
    for share in counts.double() / counts[0].sum():
        mean = (share * levels).sum()
        means.append(mean.item())
        deviations.append((share * (levels - mean) ** 2).sum().sqrt().item() if share.max() < 1 else 1.0)
    return tuple(means), tuple(deviations)
