"""Classification data sets, small enough to live on the device as uint8 tensors: no loader stands in a step's way."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import torch
from jaxtyping import Int64, UInt8
from torch import Tensor

DIGITS_TEST_IMAGES = 500
DIGITS_TEST_SEED = 2022  # the test images never change with a run's seed


@dataclass(frozen=True)
class ClassificationData:
    """A data set in memory.

    Attributes:
        train_images: every image that training may see, without its label or with it.
        train_labels: class indices, or :data:`UNKNOWN`.
        mean, std: per channel, of pixels scaled to [0, 1].
    """

    name: str
    classes: tuple[str, ...]
    train_images: UInt8[Tensor, "N C H W"]
    train_labels: Int64[Tensor, " N"]
    test_images: UInt8[Tensor, "M C H W"]
    test_labels: Int64[Tensor, " M"]
    mean: tuple[float, ...]
    std: tuple[float, ...]

    @property
    def fingerprint(self) -> str:
        """SHA-256 over all pixels and labels: a run refuses to resume on other data."""
        digest = hashlib.sha256()
        for tensor in (self.train_images, self.train_labels, self.test_images, self.test_labels):
            digest.update(str(tuple(tensor.shape)).encode())
            digest.update(tensor.cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()


def load_digits() -> ClassificationData:
    """scikit-learn's handwritten digits: 1,797 real scans of 8×8 pixels, of which 500 are the test set.

    The pixel values 0…16 are spread over 0…255. The test images are drawn once, the same share of each class.
    """
    from sklearn import datasets, model_selection

    images, labels = datasets.load_digits(return_X_y=True)
    scaled = (torch.from_numpy(images).reshape(-1, 1, 8, 8) * (255 / 16)).round().to(torch.uint8)
    classes = torch.from_numpy(labels).long()
    train, test = model_selection.train_test_split(
        range(len(classes)), test_size=DIGITS_TEST_IMAGES, random_state=DIGITS_TEST_SEED, stratify=labels
    )
    pixels = scaled[train].double() / 255
    return ClassificationData(
        name="digits",
        classes=tuple(str(digit) for digit in range(10)),
        train_images=scaled[train],
        train_labels=classes[train],
        test_images=scaled[test],
        test_labels=classes[test],
        mean=(pixels.mean().item(),),
        std=(pixels.std().item(),),
    )


def load_dataset(name: str) -> ClassificationData:
    """A data set by its name in a preset.

    Raises:
        ValueError: no such data set, or its files cannot be used; the message says what is wrong.
    """
    if name == "digits":
        return load_digits()
    raise ValueError(f"data must be one of digits, got {name!r}")
