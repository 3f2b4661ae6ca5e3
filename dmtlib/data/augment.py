"""From stored uint8 images to a normalised batch: clean, or augmented in one call on the device."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from torch import Generator, Tensor

from .operations import constant

Augmentation = Callable[[UInt8[Tensor, "B C H W"], Generator], Float[Tensor, "B C H W"]]
"""uint8 images and a generator on their device → a normalised batch. Nothing waits for the device."""

DIGITS_ROTATION = math.radians(15)
DIGITS_SCALE = 0.15  # ± share of the side
DIGITS_SHEAR = 0.2
DIGITS_TRANSLATION = 0.15  # share of the side: about one pixel of eight
DIGITS_CUTOUT = 3  # side of the erased square, in pixels


def normalise(
    images: UInt8[Tensor, "B C H W"], mean: Sequence[float], std: Sequence[float]
) -> Float[Tensor, "B C H W"]:
    """(pixel / 255 − mean) / std per channel, float32, channels last."""
    scale = constant(tuple(1 / (255 * s) for s in std), images.device, torch.float32).view(1, -1, 1, 1)
    shift = constant(tuple(m / s for m, s in zip(mean, std, strict=True)), images.device, torch.float32)
    return (images.float() * scale - shift.view(1, -1, 1, 1)).contiguous(memory_format=torch.channels_last)


def augment_digits(
    images: UInt8[Tensor, "B 1 H W"], generator: Generator, mean: Sequence[float], std: Sequence[float]
) -> Float[Tensor, "B 1 H W"]:
    """A random affine map and a Cutout square for every image of the batch, in one call.

    Digits are not flipped. Bilinear sampling; what comes from outside the image is paper (0).
    """
    batch, _, height, width = images.shape
    draw = torch.rand(8, batch, generator=generator, device=images.device) * 2 - 1  # (8, B) in [−1, 1]
    angle, shear = draw[0] * DIGITS_ROTATION, draw[1] * DIGITS_SHEAR
    scale_x, scale_y = 1 + draw[2] * DIGITS_SCALE, 1 + draw[3] * DIGITS_SCALE
    cos, sin = angle.cos(), angle.sin()
    theta = torch.stack(
        [
            torch.stack([scale_x * cos, scale_x * (shear * cos - sin), 2 * draw[4] * DIGITS_TRANSLATION], dim=1),
            torch.stack([scale_y * sin, scale_y * (shear * sin + cos), 2 * draw[5] * DIGITS_TRANSLATION], dim=1),
        ],
        dim=1,
    )  # (B, 2, 3), in grid_sample's coordinates, where the side is 2
    grid = F.affine_grid(theta, [batch, 1, height, width], align_corners=False)
    moved = F.grid_sample(images.float(), grid, mode="bilinear", padding_mode="zeros", align_corners=False)
    moved = moved * ~cutout_mask(draw[6], draw[7], height, width, DIGITS_CUTOUT)
    return (moved / (255 * std[0]) - mean[0] / std[0]).contiguous(memory_format=torch.channels_last)


def cutout_mask(
    centre_y: Float[Tensor, " B"], centre_x: Float[Tensor, " B"], height: int, width: int, side: int
) -> Tensor:
    """True inside a square of ``side`` pixels around each centre, given in [−1, 1] of the image: (B, 1, H, W) bool."""
    rows = torch.arange(height, device=centre_y.device).view(1, 1, -1, 1)
    columns = torch.arange(width, device=centre_y.device).view(1, 1, 1, -1)
    top = ((centre_y + 1) / 2 * height - side / 2).round().view(-1, 1, 1, 1)
    left = ((centre_x + 1) / 2 * width - side / 2).round().view(-1, 1, 1, 1)
    return (rows >= top) & (rows < top + side) & (columns >= left) & (columns < left + side)


AUGMENTATIONS: dict[str, Callable[..., Tensor]] = {"digits": augment_digits}
"""By the name in a preset; each takes (images, generator, mean, std)."""
