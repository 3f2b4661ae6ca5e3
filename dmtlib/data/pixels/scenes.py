"""Scenes: generated street signs, each with a real handwritten digit, and the class of every pixel.

How hard they are was chosen by measurement, see `results/trials.md`.
Two in five of the baseline's confusions of signs are inside a pair of :data:`KINDS`; one in three would be by chance.
"""

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int64, UInt8
from torch import Generator, Tensor

from .masks import VOID

KINDS = {3: 2.0, 8: 2.0, 1: 6.0, 7: 6.0}
"""Digit → exponent of its sign's outline ``|u|ⁿ + |v|ⁿ = 1``: a disc (2), or a square with round corners (6).

Class k is the k-th of them, from 1; 0 is the background. The outline tells one pair from the other; inside a pair only
the digit decides, and a turned 1 is much like a 7, a blurred 3 like an 8."""

SIDE = 64  # pixels
SIGNS = (2, 3)  # in a scene
RADIUS = (9.0, 17.0)  # pixels
FROM_MIDDLE = (10.0, 26.0)  # pixels from the scene's middle to a sign's; the signs stand around it
TURN = math.radians(30)  # either way
DIGIT_SHARE = 0.9  # half the side of the digit's square, in radii

Uniform = Callable[..., Float[Tensor, "..."]]
"""Shape, low, high → numbers from the seeded generator."""


def generate_scenes(
    count: int, digits: UInt8[Tensor, "S 8 8"], labels: Int64[Tensor, " S"], seed: int
) -> tuple[UInt8[Tensor, "N 3 64 64"], UInt8[Tensor, "N 64 64"]]:
    """Draw ``count`` scenes at once: the backgrounds, then a sign in each of them, then the next, over the one before.
    On signs are printed ``digits``, scans whose ink is 255 and whose ``labels`` are in :data:`KINDS`; the others are
    left out. Returns images, and masks of classes 0…4 with a rim of 255 along every sign's edge, as in PASCAL VOC."""
    generator = Generator().manual_seed(seed)

    def uniform(*shape: int, low: float = 0.0, high: float = 1.0) -> Tensor:
        return torch.rand(*shape, generator=generator) * (high - low) + low

    kinds = list(KINDS)
    printed = torch.isin(labels, torch.tensor(kinds))
    classes = torch.tensor([1 + kinds.index(digit) for digit in labels[printed].tolist()])
    ink = digits[printed].unsqueeze(1) / 255  # (S, 1, 8, 8)

    images = _texture(uniform(count, 3, 1, 1, low=0.1, high=0.6), uniform(count, 3, 9, 9), strength=0.4)
    images += uniform(count, 3, SIDE, SIDE, low=-0.05, high=0.05)
    objects = torch.zeros(count, SIDE, SIDE, dtype=torch.uint8)  # which sign a pixel belongs to, 0 is none
    masks = torch.zeros(count, SIDE, SIDE, dtype=torch.uint8)
    signs = torch.randint(SIGNS[0], SIGNS[1] + 1, (count,), generator=generator)
    first = uniform(count, low=0, high=2 * math.pi)
    for k in range(SIGNS[1]):
        scan = torch.randint(len(ink), (count,), generator=generator)
        cover, sign = _signs(ink[scan], classes[scan], first + 2 * math.pi * k / SIGNS[1], uniform)
        cover = cover * (k < signs).view(-1, 1, 1, 1)
        images = images + cover * (sign - images)
        mine = cover.squeeze(1) >= 0.5
        objects[mine] = k + 1
        masks = torch.where(mine, classes[scan].to(torch.uint8).view(-1, 1, 1), masks)
    images += uniform(count, 3, SIDE, SIDE, low=-0.03, high=0.03)
    return (images.clamp(0, 1) * 255).round().to(torch.uint8), masks.masked_fill(_rim(objects), VOID)


def _signs(
    ink: Float[Tensor, "N 1 8 8"], classes: Int64[Tensor, " N"], direction: Float[Tensor, " N"], uniform: Uniform
) -> tuple[Float[Tensor, "N 1 H W"], Float[Tensor, "N 3 H W"]]:
    """A sign for each scene, in a ``direction`` (radians) from its middle: its share of each pixel, its colours."""
    count = len(ink)
    radius = uniform(count, 1, 1, low=RADIUS[0], high=RADIUS[1])
    away = uniform(count, 1, 1, low=FROM_MIDDLE[0], high=FROM_MIDDLE[1])
    row = (SIDE - 1) / 2 + away * direction.sin().view(-1, 1, 1)
    column = (SIDE - 1) / 2 + away * direction.cos().view(-1, 1, 1)
    angle = uniform(count, 1, 1, low=-TURN, high=TURN)
    y = (torch.arange(SIDE).view(1, SIDE, 1) - row) / radius
    x = (torch.arange(SIDE).view(1, 1, SIDE) - column) / radius
    u = x * angle.cos() + y * angle.sin()  # (N, H, W), along the sign's own axes
    v = y * angle.cos() - x * angle.sin()

    exponent = torch.tensor([*KINDS.values()])[classes - 1].view(-1, 1, 1)
    distance = (u.abs() ** exponent + v.abs() ** exponent) ** (1 / exponent)  # 1 on the outline
    cover = ((1 - distance) * radius + 0.5).clamp(0, 1).unsqueeze(1)
    printed = F.grid_sample(ink, torch.stack([u, v], dim=-1) / DIGIT_SHARE, align_corners=False)
    paint = uniform(count, 3, 1, 1, high=0.3)
    plate = _texture(uniform(count, 3, 1, 1, low=0.7, high=1.0), uniform(count, 3, 5, 5), strength=0.15)
    return cover, plate + printed * (paint - plate)


def _texture(
    colour: Float[Tensor, "N 3 1 1"], coarse: Float[Tensor, "N 3 h w"], strength: float
) -> Float[Tensor, "N 3 H W"]:
    """A colour that wanders smoothly by ± strength / 2."""
    return colour + strength * (F.interpolate(coarse, (SIDE, SIDE), mode="bicubic", align_corners=True) - 0.5)


def _rim(objects: UInt8[Tensor, "N H W"]) -> Bool[Tensor, "N H W"]:
    """Pixels whose upper or left neighbour is of another object, even if of the same class."""
    rim = torch.zeros_like(objects, dtype=torch.bool)
    rim[:, 1:] |= objects[:, 1:] != objects[:, :-1]
    rim[:, :, 1:] |= objects[:, :, 1:] != objects[:, :, :-1]
    return rim
