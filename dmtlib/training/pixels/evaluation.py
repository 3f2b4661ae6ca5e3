"""Predictions of whole images, and mean IoU: all scores of a set come from one confusion matrix."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby, islice

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from ...data.pixels.datasets import SegmentationData
from ...data.pixels.images import ListedImages, StoredImages
from ...data.pixels.joint_augment import pad_to
from ...data.pixels.masks import VOID
from ...method.pseudo_labels import pseudo_label
from .batches import in_order
from .pixel_labels import PixelLabels
from .tiles import PIXELS_AT_ONCE, predict_in_tiles

PREDICTION_BATCH = 8  # images of one size at most


def predict_images(
    model: nn.Module, images: ListedImages | StoredImages, indices: Sequence[int], pad: tuple[int, int] | None = None
) -> Iterator[Float[Tensor, "C H W"]]:
    """Probabilities of one clean image after the other, on the model's device: evaluation mode, float32.

    Images of one size go through the network together, up to :data:`.tiles.PIXELS_AT_ONCE`; a larger one in tiles. Up
    to ``pad``, height and width, an image is first padded with black, to the right and below; the probabilities are of
    the image alone.
    """
    model.eval()
    device = next(model.parameters()).device

    def load(index: int) -> tuple[Tensor, tuple[int, int]]:
        image = images.image(index)
        padded = image if pad is None else pad_to(image, pad)
        return padded, tuple(image.shape[-2:])

    loaded = in_order(load, indices, device)
    for (_, height, width), same in groupby(loaded, key=lambda loaded: loaded[0].shape):
        if height * width > PIXELS_AT_ONCE:
            for image, size in same:
                yield predict_in_tiles(model, image)[:, : size[0], : size[1]]
            continue
        at_once = min(PREDICTION_BATCH, PIXELS_AT_ONCE // (height * width))
        while batch := list(islice(same, at_once)):
            stacked = torch.stack([image for image, _ in batch]).to(device, memory_format=torch.channels_last)
            with torch.no_grad():  # around the generator, it would hold what was yielded last
                predicted = model(stacked).float().softmax(dim=1)
            for probabilities, (_, size) in zip(predicted, batch, strict=True):
                yield probabilities[:, : size[0], : size[1]]


def label_images(
    model: nn.Module, images: ListedImages | StoredImages, indices: Sequence[int]
) -> Iterator[tuple[str, Tensor, Tensor]]:
    """Name, labels (uint8) and confidences of the clean images, each in its own size (Alg. 2, lines 12 and 14)."""
    predictions = predict_images(model, images, indices)
    for index in indices:  # a zip would hold one image's probabilities while the next one's are made
        labels, confidence = pseudo_label(next(predictions).unsqueeze(0), ignore_index=VOID)
        yield images.names[index], labels[0].to(torch.uint8), confidence[0]


def confusion_matrix(model: nn.Module, data: SegmentationData, part: str) -> Int64[Tensor, "C C"]:
    """How many pixels of class i (row) are predicted as class j (column), in a whole part; void is not counted."""
    images, classes = data.parts[part], len(data.classes)
    total = torch.zeros(1, dtype=torch.int64)
    indices = range(len(images))
    predictions = predict_images(model, images, indices, data.evaluation_size)
    for index in indices:
        predicted = next(predictions).argmax(dim=0)
        truth = images.mask(index).to(predicted.device).long()
        pairs = torch.where(truth == VOID, classes**2, classes * truth + predicted)  # on the device: a number for each
        total = total.to(predicted.device) + torch.bincount(pairs.flatten(), minlength=classes**2 + 1)
    return total[: classes**2].view(classes, classes).cpu()


def class_iou(confusion: Int64[Tensor, "C C"]) -> Float[Tensor, " C"]:
    """Intersection over union of each class, float64; NaN where a class is neither there nor predicted."""
    confusion = confusion.double()
    intersection = confusion.diagonal()
    return intersection / (confusion.sum(dim=0) + confusion.sum(dim=1) - intersection)


def mean_iou(confusion: Int64[Tensor, "C C"]) -> float:
    """The mean over the classes that are there or predicted, in percent (Sec. 5.2.3); a ValueError, if no pixel was
    counted."""
    if not confusion.any():
        raise ValueError("there is no pixel to score: the masks are void everywhere")
    return round(100 * class_iou(confusion).nanmean().item(), 4)


def measure_segmentation(model: nn.Module, data: SegmentationData) -> dict[str, float | dict[str, float | None]]:
    """``<part>_mean_iou`` and ``<part>_class_iou``, in percent, of every part that is not trained on."""
    found = {}
    for part in data.parts:
        if part == "train":
            continue
        confusion = confusion_matrix(model, data, part)
        found[f"{part}_mean_iou"] = mean_iou(confusion)
        found[f"{part}_class_iou"] = {
            name: None if iou != iou else round(100 * iou, 4)  # NaN differs from itself
            for name, iou in zip(data.classes, class_iou(confusion).tolist(), strict=True)
        }
    return found


def pixel_label_error(
    pseudo: PixelLabels, images: ListedImages | StoredImages, indices: Sequence[int]
) -> float | None:
    """Share of wrong labels among the kept pixels whose truth is known, in percent; None where none is known.

    Args:
        indices: of the pseudo-labeled images, in the order in which they were labeled.
    """
    known = wrong = 0
    for place, index in enumerate(indices):
        labels, _ = pseudo.codes(place)
        truth = images.mask(index)
        both = (labels != VOID) & (truth != VOID)
        known += int(both.sum())
        wrong += int((both & (labels != truth)).sum())
    return round(100 * wrong / known, 4) if known else None
