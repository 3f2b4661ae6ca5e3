"""Anchors against explicit consistency (Sec. 2.2): a trained model learns unlabeled images on from either target.

Only the target of the unlabeled images differs between two runs. Batch norm keeps its statistics throughout, so that
no change comes from there.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import NamedTuple

import pandas as pd
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int64, UInt8
from torch import Generator, Tensor, nn

from dmtlib.data.images.augment import Augmentation
from dmtlib.data.images.datasets import ClassificationData
from dmtlib.data.images.effects import change_levels, cutout, warp
from dmtlib.data.images.operations import COLUMN, NEUTRAL, VARIANTS, Range, constant
from dmtlib.data.images.randaugment import CUTOUT_FILL, RandAugment, check_images
from dmtlib.data.images.splits import Split
from dmtlib.training.images.evaluation import predict

from .disagreement import one_thread

LEARNING_RATE, MOMENTUM = 0.01, 0.9  # low: the model is trained already
BATCH, LABELED = 128, 32  # images in a step: unlabeled ones, and labeled ones where they take part
SWITCHES = ("identity", "autocontrast", "equalize", "invert")
"""Operations without a strength of their own: 1 is on."""

LOOKS = 10  # how often a run is measured after its start


class Unlabeled(NamedTuple):
    """A batch of unlabeled images in a step: one augmented copy to learn, another one, and the anchors."""

    logits: Float[Tensor, "b C"]
    other_copy: Float[Tensor, "b C"]  # probabilities, by the same model, without gradient
    anchors: Int64[Tensor, " b"]  # labels of the clean images, by the model that the run began with


def to_anchor(batch: Unlabeled) -> Float[Tensor, ""]:
    """Cross-entropy with a label that stays."""
    return F.cross_entropy(batch.logits, batch.anchors)


def to_other_copy(batch: Unlabeled) -> Float[Tensor, ""]:
    """Explicit consistency: the squared distance of two copies' probabilities, as in Mean Teacher."""
    difference = batch.logits.softmax(dim=1) - batch.other_copy
    return difference.square().sum(dim=1).mean()


def to_label_of_other_copy(batch: Unlabeled) -> Float[Tensor, ""]:
    """Cross-entropy with a label, as for an anchor, but one that the model of this very step gives another copy."""
    return F.cross_entropy(batch.logits, batch.other_copy.argmax(dim=1))


@one_thread()
def learn_on(
    model: nn.Module,
    data: ClassificationData,
    split: Split,
    augment: Augmentation,
    loss: Callable[[Unlabeled], Tensor],
    *,
    labels: bool,
    steps: int = 200,
    seed: int = 0,
) -> pd.DataFrame:
    """Train a copy of a trained model on the unlabeled images, and look at it now and then.

    Args:
        model: on the CPU; it is left as it was.
        loss: of the unlabeled images of a step, one of this module's.
        labels: whether labeled images take part in each step, with the usual cross-entropy.
        steps: at least 1.

    Returns:
        One row a look, by step. ``distance``: the mean squared distance of the probabilities of two augmented copies.
        In percent ``accuracy`` on the clean unlabeled images, and ``wrong kept`` and ``right kept``: the anchors that
        the model still answers with, among those that were wrong and those that were right.
    """
    generator = Generator().manual_seed(seed)
    images, truth = data.train_images[split.unlabeled], data.train_labels[split.unlabeled]
    anchors = predict(model, images, data.mean, data.std).argmax(dim=1)
    model = copy.deepcopy(model).eval().requires_grad_(True)
    optimizer = torch.optim.SGD(model.parameters(), lr=LEARNING_RATE, momentum=MOMENTUM)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=steps)
    looks = {round(steps * look / LOOKS) for look in range(LOOKS + 1)}
    history = {0: _look(model, data, augment, images, truth, anchors)}
    for step in range(1, steps + 1):
        which = torch.randint(len(images), (BATCH,), generator=generator)
        learned, other = (augment(images[which], generator) for _ in "12")
        with torch.no_grad():
            target = model(other).softmax(dim=1)
        total = loss(Unlabeled(model(learned), target, anchors[which]))
        if labels:
            known = split.labeled[torch.randint(len(split.labeled), (LABELED,), generator=generator)]
            logits = model(augment(data.train_images[known], generator))
            total = total + F.cross_entropy(logits, data.train_labels[known])
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        scheduler.step()
        if step in looks:
            history[step] = _look(model, data, augment, images, truth, anchors)
    return pd.DataFrame.from_dict(history, orient="index").rename_axis("step")


@torch.no_grad()
def ask_copies(
    model: nn.Module, images: UInt8[Tensor, "u C H W"], augment: Augmentation, copies: int, seed: int = 0
) -> Float[Tensor, "copies u classes"]:
    """Probabilities for augmented copies of every image, from a model in evaluation mode."""
    generator = Generator().manual_seed(seed)
    return torch.stack([model(augment(images, generator)).softmax(dim=1) for _ in range(copies)])


def percent(flags: Bool[Tensor, "*n"]) -> float:
    """The share of what is true."""
    return 100 * flags.float().mean().item()


def _look(
    model: nn.Module,
    data: ClassificationData,
    augment: Augmentation,
    images: UInt8[Tensor, "u C H W"],
    truth: Int64[Tensor, " u"],
    anchors: Int64[Tensor, " u"],
) -> dict[str, float]:
    said = predict(model, images, data.mean, data.std).argmax(dim=1)
    one, two = ask_copies(model, images, augment, copies=2)
    wrong, kept = anchors != truth, said == anchors
    return {
        "distance": (one - two).square().sum(dim=1).mean().item(),
        "accuracy": percent(said == truth),
        "wrong kept": percent(kept[wrong]),
        "right kept": percent(kept[~wrong]),
    }


def apply_operation(
    images: UInt8[Tensor, "B 3 H W"], name: str, magnitude: float | Tensor = 1.0
) -> UInt8[Tensor, "B 3 H W"]:
    """One named operation on a batch, uncropped and unflipped; Cutout erases the middle.

    Args:
        name: a key of :data:`dmtlib.data.images.operations.NEUTRAL`, where the unit of each strength stands.
        magnitude: the strength: a number, or one for each image, shape (B,). Operations that are only on or off
            (autocontrast, equalize, invert, identity) ignore it.

    Raises:
        ValueError: an unknown name, or images that are not uint8 of shape (B, 3, H, W).
    """
    check_images(images)
    if name not in NEUTRAL:
        raise ValueError(f"operation must be one of {', '.join(NEUTRAL)}, got {name!r}")
    batch, _, height, width = images.shape
    strengths = constant(tuple(NEUTRAL.values()), images.device).repeat(batch, 1)
    strengths[:, COLUMN[name]] = 1.0 if name in SWITCHES else magnitude
    images = change_levels(warp(images, strengths), strengths)
    middle = torch.ones(batch, dtype=torch.long, device=images.device)
    return cutout(images, strengths, middle * (height // 2), middle * (width // 2), CUTOUT_FILL)


def strength_of(operation: Range, share: float, side: int) -> float:
    """The strength at a share of the operation's range, in the operation's own unit; the sign is not drawn."""
    unit = side if operation.per_side else 1
    return (operation.low + share * (operation.high - operation.low)) * unit


def black_pairs(image: UInt8[Tensor, "1 3 H W"], variant: str = "authors") -> tuple[int, int]:
    """Of a variant's operations, each at each level, how many leave nothing but black; and how many there are."""
    levels = VARIANTS[variant].levels
    pairs = [(o, m) for o in VARIANTS[variant].operations for m in range(1, levels + 1)]
    strengths = [(o.name, strength_of(o, m / levels, image.shape[3])) for o, m in pairs]
    return sum(not apply_operation(image, *pair).any() for pair in strengths), len(pairs)


def black_share(image: UInt8[Tensor, "1 3 H W"], variant: str, count: int = 4000, seed: int = 0) -> float:
    """Of ``count`` augmented copies of an image, the share that is black all over, in percent."""
    augment, copies = RandAugment(variant), image.repeat(count, 1, 1, 1)
    augmented = augment.apply(copies, augment.draw(copies, Generator().manual_seed(seed)))
    return 100 * (augmented.flatten(1).amax(dim=1) == 0).float().mean().item()
