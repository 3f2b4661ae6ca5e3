"""Predictions of whole images, and mean IoU: all scores of a set come from one confusion matrix."""

from collections.abc import Iterator, Sequence
from functools import reduce
from itertools import groupby, islice
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64, UInt8
from torch import Tensor, nn

from ...data.pixels.datasets import SegmentationData
from ...data.pixels.images import ListedImages, StoredImages
from ...data.pixels.joint_augment import pad_to
from ...data.pixels.masks import VOID
from ...method.pseudo_labels import pseudo_label
from ...models.deeplab import DeepLabV2, enlarge
from ..processes import count, gathered, rank, shared
from .batches import in_order
from .pixel_labels import PixelLabels

Models = nn.Module | Sequence[nn.Module]
Images = ListedImages | StoredImages

PREDICTION_BATCH = 8  # images of one size at most
TILE = 1536  # pixels a side
MARGIN = 48  # positions of the map: more than the narrow network sees to a side, and all that matters of others
PIXELS_AT_ONCE = TILE**2  # of all images that go through the network together

VIEWS = [(s, mirrored) for s in (1.0, 0.75, 1.25, 0.5, 1.5, 0.875, 1.125, 1.75) for mirrored in (False, True)]
"""Of an image: its scale, and whether it is mirrored, which is only for what is mirrored in training, too."""

CHOSEN_ON = "val"
"""The part on which the better of the two last models is chosen (Alg. 2, line 16). Data with a test part are scored on
that; VOC and Cityscapes, as in the paper, on the same images. The record has the mean IoU of both models."""


def predict_images(
    models: Models,
    images: Images,
    indices: Sequence[int],
    pad: tuple[int, int] | None = None,
    views: Sequence[tuple[float, bool]] = VIEWS[:1],
) -> Iterator[Float[Tensor, "C H W"]]:
    """Probabilities of one clean image after the other, on the models' device: evaluation mode, float32; the mean of
    what all ``models`` say of ``views``, some of :data:`VIEWS`. Images of one size go through a network together, to
    :data:`PIXELS_AT_ONCE`; a larger one in tiles. Up to ``pad``, height and width, an image is first padded with
    black, to the right and below; the probabilities are of the image alone."""
    models = [models.eval()] if isinstance(models, nn.Module) else [model.eval() for model in models]
    device = next(models[0].parameters()).device
    largest = max(scale for scale, _ in views)

    def load(index: int) -> tuple[Tensor, tuple[int, int]]:
        image = images.image(index)
        return (image if pad is None else pad_to(image, pad)), tuple(image.shape[-2:])

    loaded = in_order(load, indices, device)
    for (_, height, width), same in groupby(loaded, key=lambda loaded: loaded[0].shape):
        at_once = max(1, min(PREDICTION_BATCH, PIXELS_AT_ONCE // int(height * width * largest**2)))
        while batch := list(islice(same, at_once)):
            stacked = torch.stack([image for image, _ in batch]).to(device, memory_format=torch.channels_last)
            # In place: two of a large image are as much as there is room for.
            said = reduce(Tensor.add_, (_look(model, stacked, *view) for model in models for view in views))
            said /= len(models) * len(views)
            for probabilities, (_, size) in zip(said, batch, strict=True):
                yield probabilities[:, : size[0], : size[1]]
            del said, probabilities  # of a large image, before the next one's are made


@torch.no_grad()
def _look(model: nn.Module, images: Tensor, scale: float, mirrored: bool) -> Float[Tensor, "B C H W"]:
    """The probabilities of images by what a model says of a view of them."""
    size, seen = images.shape[-2:], images.flip(-1) if mirrored else images
    if scale != 1:
        smaller = [max(1, round(scale * side)) for side in size]
        seen = F.interpolate(seen.float(), size=smaller, mode="bilinear", antialias=True)
    if seen.shape[-2] * seen.shape[-1] > PIXELS_AT_ONCE:
        tiled = [predict_in_tiles(model, image)[None] for image in seen]
        said = tiled[0] if len(tiled) == 1 else torch.cat(tiled)
    else:
        said = model(seen).float().softmax(dim=1)
    if scale != 1:
        said = F.interpolate(said, size=size, mode="bilinear", antialias=True)
    return said.flip(-1) if mirrored else said


@torch.no_grad()
def predict_in_tiles(model: DeepLabV2, image: UInt8[Tensor, "3 H W"]) -> Float[Tensor, "C H W"]:
    """Probabilities of an image that is too large to go through the network at once. Equal to the whole image's, but
    for rounding, away from where tiles meet; with the narrow network, there too. The network sees overlapping tiles,
    and its logits are kept where it has seen what surrounds them. They are put together before they are enlarged: what
    an enlarged pixel lies between depends on the size of the whole image."""
    device, stride = next(model.parameters()).device, model.backbone.output_stride
    size = tuple(image.shape[-2:])
    coarse = None
    for top, bottom, first_row in _tiles(size[0], stride):
        for left, right, first_column in _tiles(size[1], stride):
            part = image[:, top:bottom, left:right].unsqueeze(0)
            logits = model.coarse(part.to(device, memory_format=torch.channels_last))
            if coarse is None:
                coarse = logits.new_empty(1, logits.shape[1], *(-(-side // stride) for side in size))
            y, x = top // stride, left // stride
            there = coarse[:, :, y : y + logits.shape[2], x : x + logits.shape[3]]
            there[:, :, first_row:, first_column:] = logits[:, :, first_row:, first_column:]
    logits = enlarge(coarse, size).squeeze(0)
    logits -= logits.amax(dim=0)  # softmax in place: there is room for one of these, not for two
    return logits.exp_().div_(logits.sum(dim=0))


def _tiles(side: int, stride: int) -> Iterator[tuple[int, int, int]]:
    """Begin and end of each tile in pixels, and its first position of the map that counts. It counts to its end: where
    the next one knows better, that one comes later."""
    margin = MARGIN * stride
    last = -(-max(side - TILE, 0) // stride) * stride  # so that the image's end is a tile's end
    for begin in (*range(0, last, TILE - 2 * margin), last):
        yield begin, min(begin + TILE, side), MARGIN if begin else 0


def label_images(
    model: nn.Module, images: Images, indices: Sequence[int], views: Sequence = VIEWS[:1]
) -> Iterator[tuple[str, Tensor, Tensor]]:
    """Name, labels (uint8) and confidences of the clean images, each in its own size (Alg. 2, lines 12 and 14), by the
    mean prediction over ``views``, some of :data:`VIEWS`. Several processes take turns, and each must ask for all."""
    predictions = predict_images(model, images, shared(indices), views=views)
    for turn in range(0, len(indices), count()):  # a zip would hold an image's probabilities while others are made
        said = []
        if turn + rank() < len(indices):
            labels, confidence = pseudo_label(next(predictions).unsqueeze(0), ignore_index=VOID)
            said.append((labels[0].to(torch.uint8), confidence[0]))
        for index, (labels, confidence) in zip(indices[turn:], gathered(said), strict=False):
            yield images.names[index], labels, confidence


def confusion_matrix(model: Models, data: SegmentationData, part: str) -> Int64[Tensor, "C C"]:
    """How many pixels of class i (row) are predicted as class j (column), in a whole part; void is not counted."""
    images, classes = data.parts[part], len(data.classes)
    total = torch.zeros(classes**2 + 1, dtype=torch.int64)
    indices = shared(range(len(images)))
    predictions = predict_images(model, images, indices, data.evaluation_size)
    for index in indices:
        predicted = next(predictions).argmax(dim=0)
        truth = images.mask(index).to(predicted.device).long()
        pairs = torch.where(truth == VOID, classes**2, classes * truth + predicted)  # on the device: a number for each
        total = total.to(predicted.device) + torch.bincount(pairs.flatten(), minlength=classes**2 + 1)
    return sum(gathered([total[: classes**2].view(classes, classes).cpu()]))


def class_iou(confusion: Int64[Tensor, "C C"]) -> Float[Tensor, " C"]:
    """Intersection over union of each class, float64; NaN where a class is neither there nor predicted."""
    confusion = confusion.double()
    intersection = confusion.diagonal()
    return intersection / (confusion.sum(dim=0) + confusion.sum(dim=1) - intersection)


def mean_iou(confusion: Int64[Tensor, "C C"]) -> float:
    """The mean over the classes that are there or predicted, in percent (Sec. 5.2.3); a ValueError, if none is."""
    if not confusion.any():
        raise ValueError("there is no pixel to score: the masks are void everywhere")
    return round(100 * class_iou(confusion).nanmean().item(), 4)


def measure_segmentation(model: Models, data: SegmentationData) -> dict[str, float | dict[str, float | None]]:
    """``<part>_mean_iou`` and ``<part>_class_iou``, in percent, of every part that is not trained on: of one model, or
    of several models' mean probabilities."""
    found = {}
    for part in (part for part in data.parts if part != "train"):
        confusion = confusion_matrix(model, data, part)
        found[f"{part}_mean_iou"] = mean_iou(confusion)
        found[f"{part}_class_iou"] = {
            name: None if iou != iou else round(100 * iou, 4)  # NaN differs from itself
            for name, iou in zip(data.classes, class_iou(confusion).tolist(), strict=True)
        }
    return found


def pixel_label_error(pseudo: PixelLabels, images: Images, indices: Sequence[int]) -> float | None:
    """Share of wrong labels among the kept pixels whose truth is known, in percent; None where none is known.
    ``indices`` are those of the pseudo-labeled images, in the order in which they were labeled."""
    known = wrong = 0
    for place, index in enumerate(indices):
        labels, _ = pseudo.codes(place)
        truth = images.mask(index)
        both = (labels != VOID) & (truth != VOID)
        known += int(both.sum())
        wrong += int((both & (labels != truth)).sum())
    return round(100 * wrong / known, 4) if known else None


def best_of(models: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """F = best(A, B), of what was measured of the last phase's models (Alg. 2, line 16), and its score."""
    best = max(models, key=lambda name: models[name][f"{CHOSEN_ON}_mean_iou"])  # A, if equal
    scored_on = "test" if "test_mean_iou" in models[best] else CHOSEN_ON
    return {
        "mean_iou": models[best][f"{scored_on}_mean_iou"],
        "class_iou": models[best][f"{scored_on}_class_iou"],
        "scored_on": scored_on,
        "best": best,
        "best_chosen_on": CHOSEN_ON,
    }
