"""From stored uint8 images to a normalised batch: clean, or augmented in one call on the device."""

import math
from collections.abc import Callable, Sequence
from functools import partial

import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from torch import Generator, Tensor

from .effects import Crop, crop_and_flip
from .operations import VARIANTS, Variant, constant
from .randaugment import RandAugment

Augmentation = Callable[[UInt8[Tensor, "B C H W"], Generator], Float[Tensor, "B C H W"]]
"""uint8 images and a generator on their device → a normalised batch. Nothing waits for the device."""

DIGITS_ROTATION = math.radians(20)
DIGITS_SCALE = 0.2  # ± share of the side
DIGITS_SHEAR = 0.3
DIGITS_TRANSLATION = 0.15  # share of the side: about one pixel of eight


def normalise(
    images: UInt8[Tensor, "B C H W"], mean: Sequence[float], std: Sequence[float]
) -> Float[Tensor, "B C H W"]:
    """(pixel / 255 − mean) / std per channel, float32, channels last."""
    scale = constant(tuple(1 / (255 * s) for s in std), images.device, torch.float32).view(1, -1, 1, 1)
    shift = constant(tuple(m / s for m, s in zip(mean, std, strict=True)), images.device, torch.float32)
    return (images.float() * scale - shift.view(1, -1, 1, 1)).contiguous(memory_format=torch.channels_last)


def shift_and_flip(images: UInt8[Tensor, "B C H W"], generator: Generator, like: Variant) -> UInt8[Tensor, "B C H W"]:
    """A weak view, not yet normalised: crop with padding and flip, as of RandAugment's variant, and nothing else."""
    chance = torch.rand(3, len(images), generator=generator, dtype=torch.float64, device=images.device)
    top, left = (chance[:2] * (2 * like.padding + 1)).long()
    return crop_and_flip(images, Crop(top, left, chance[2] < like.flip), like.padding, like.padding_fill)


def augment_digits(
    images: UInt8[Tensor, "B C H W"], generator: Generator, mean: Sequence[float], std: Sequence[float]
) -> Float[Tensor, "B C H W"]:
    """A random affine map for every image of the batch, in one call. No flip: it makes other characters. No Cutout: a
    few erased pixels of eight by eight turn an 8 into a 3. Bilinear sampling; outside the image is paper (0)."""
    batch, _, height, width = images.shape
    draw = torch.rand(6, batch, generator=generator, device=images.device) * 2 - 1  # (6, B) in [−1, 1]
    angle, shear = draw[0] * DIGITS_ROTATION, draw[1] * DIGITS_SHEAR
    scale_x, scale_y = 1 + draw[2] * DIGITS_SCALE, 1 + draw[3] * DIGITS_SCALE
    cos, sin = angle.cos(), angle.sin()
    x = scale_x * cos, scale_x * (shear * cos - sin), 2 * draw[4] * DIGITS_TRANSLATION
    y = scale_y * sin, scale_y * (shear * sin + cos), 2 * draw[5] * DIGITS_TRANSLATION
    theta = torch.stack([*x, *y], dim=1).view(batch, 2, 3)  # in grid_sample's coordinates, where the side is 2
    grid = F.affine_grid(theta, [batch, 1, height, width], align_corners=False)
    moved = F.grid_sample(images.float(), grid, mode="bilinear", padding_mode="zeros", align_corners=False)
    scale = constant(tuple(255 * s for s in std), images.device, torch.float32).view(1, -1, 1, 1)
    shift = constant(tuple(m / s for m, s in zip(mean, std, strict=True)), images.device, torch.float32)
    return (moved / scale - shift.view(1, -1, 1, 1)).contiguous(memory_format=torch.channels_last)


AUGMENTATIONS: dict[str, Callable[[Sequence[float], Sequence[float]], Augmentation]] = {
    "digits": lambda mean, std: partial(augment_digits, mean=mean, std=std),
    **{variant: partial(RandAugment, variant) for variant in VARIANTS},
}
"""By the name in a preset: from the data's mean and std to an augmentation."""

WEAK = VARIANTS | {"digits": Variant((), None, cutout=0, padding=1, padding_fill=0, flip=0.0)}
"""By the same name: how a weak view is cropped and flipped. Digits move by a pixel at most, an eighth of the side."""
