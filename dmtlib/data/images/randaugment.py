"""RandAugment with Cutout as the paper uses it (Sec. 5.2.2), for a whole batch in one call on its device.

Crop with padding, flip, one random operation at a random strength, Cutout, normalisation. Every image draws its own;
all draws come from one generator; nothing waits for the device. :mod:`.operations` tells which operations there are
and how strong, :mod:`.effects` what they do.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float, Float64, Int64, UInt8
from torch import Generator, Tensor

from .effects import Crop, change_levels, crop_and_flip, cutout, warp
from .operations import COLUMN, NEUTRAL, VARIANTS, Strengths, Variant, constant

CUTOUT_FILL = (125, 123, 114)  # CIFAR-10's mean colour, as in the authors' code
CIFAR10_MEAN = (0.49137, 0.48235, 0.44667)
CIFAR10_STD = (0.24706, 0.24353, 0.26157)


class Draws(NamedTuple):
    """Everything that chance decides about a batch: the same draws give the same pixels."""

    crop: Crop
    operation: Int64[Tensor, " B"]  # index into the variant's operations
    strengths: Strengths
    cutout_row: Int64[Tensor, " B"]
    cutout_column: Int64[Tensor, " B"]


class RandAugment:
    """uint8 images and a generator on their device → a normalised batch, channels last, float32. ``variant`` is a key
    of :data:`~dmtlib.data.images.operations.VARIANTS`; ``mean`` and ``std`` are per channel, of pixels scaled to
    [0, 1]. A ValueError for an unknown variant, or a mean or std that does not have three numbers."""

    def __init__(
        self, variant: str = "paper", mean: Sequence[float] = CIFAR10_MEAN, std: Sequence[float] = CIFAR10_STD
    ) -> None:
        if variant not in VARIANTS:
            raise ValueError(f"variant must be one of {', '.join(VARIANTS)}, got {variant!r}")
        if len(mean) != 3 or len(std) != 3 or not min(std) > 0:
            raise ValueError(f"mean and std must be three numbers each, std positive, got {mean} and {std}")
        self.variant = VARIANTS[variant]
        self.scale = tuple(1 / (255 * s) for s in std)
        self.shift = tuple(m / s for m, s in zip(mean, std, strict=True))

    def __call__(self, images: UInt8[Tensor, "B 3 H W"], generator: Generator) -> Float[Tensor, "B 3 H W"]:
        """Augment a batch, every image in its own way; a ValueError, as of :func:`check_images`."""
        check_images(images)
        return self.normalise(self.apply(images, self.draw(images, generator)))

    def draw(self, images: UInt8[Tensor, "B 3 H W"], generator: Generator) -> Draws:
        """Draw for each image of the batch: crop, flip, operation, strength and place of Cutout."""
        (batch, _, height, width), variant, device = images.shape, self.variant, images.device
        chance = torch.rand(8, batch, generator=generator, dtype=torch.float64, device=device)
        operation, places = _pick(chance[0], len(variant.operations)), 2 * variant.padding + 1
        crop = Crop(_pick(chance[1], places), _pick(chance[2], places), chance[3] < variant.flip)
        share, sign = chance[4:6]
        if variant.levels is not None:
            share = (_pick(share, variant.levels) + 1) / variant.levels
        column, low, high, signed = constant(_table(variant, height, width), device)[:, operation]  # (B,) each
        value = (low + share * (high - low)) * torch.where(sign < 0.5, 1 - 2 * signed, 1)
        neutral = constant(tuple({**NEUTRAL, "cutout": variant.cutout}.values()), device)
        strengths = neutral.expand(batch, -1).scatter(1, column.long().unsqueeze(1), value.unsqueeze(1))
        return Draws(crop, operation, strengths, _pick(chance[6], height), _pick(chance[7], width))

    def apply(self, images: UInt8[Tensor, "B 3 H W"], draws: Draws) -> UInt8[Tensor, "B 3 H W"]:
        """What was drawn, done: still uint8."""
        images = crop_and_flip(images, draws.crop, self.variant.padding, self.variant.padding_fill)
        images = change_levels(warp(images, draws.strengths), draws.strengths)
        return cutout(images, draws.strengths, draws.cutout_row, draws.cutout_column, CUTOUT_FILL)

    def normalise(self, images: UInt8[Tensor, "B 3 H W"]) -> Float[Tensor, "B 3 H W"]:
        """(pixel / 255 − mean) / std per channel, channels last."""
        batch, channels, height, width = images.shape
        rows = images.permute(0, 2, 3, 1).reshape(batch * height, width * channels)  # the channels of a pixel together
        scale, shift = (constant(v * width, images.device, torch.float32) for v in (self.scale, self.shift))
        rows = rows.float().mul_(scale).sub_(shift)  # in place: a second float batch costs the CPU more than the sum
        return rows.view(batch, height, width, channels).permute(0, 3, 1, 2)


def check_images(images: Tensor) -> None:
    """Raises a ValueError for images that are not uint8 of shape (B, 3, H, W)."""
    if images.dtype != torch.uint8 or images.dim() != 4 or images.shape[1] != 3:
        raise ValueError(f"images must be uint8 of shape (B, 3, H, W), got {images.dtype} of {tuple(images.shape)}")


def _pick(chance: Float64[Tensor, " B"], n: int) -> Int64[Tensor, " B"]:
    """A uniform number in [0, 1) → one of 0…n−1, all equally likely."""
    return (chance * n).long()


def _table(variant: Variant, height: int, width: int) -> tuple[tuple[float, ...], ...]:
    """Column, low, high and sign of each operation, the ranges in the operation's own unit."""
    sides = {"translate_x": width, "translate_y": height}
    units = [(o, sides[o.name] if o.per_side else 1) for o in variant.operations]
    return tuple(zip(*((COLUMN[o.name], o.low * u, o.high * u, float(o.signed)) for o, u in units), strict=True))
