"""Moving pixels: crop, flip, rotation, shear, translation and Cutout, each for a whole batch at once."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Int64, UInt8
from torch import Tensor

from .operations import Strengths, change_chosen, strength

WARPS = ("rotate", "shear_x", "shear_y", "translate_x", "translate_y")

FIXED_POINT = 16  # bits behind the point, as in Pillow's affine maps: integers give the same pixels on every device


class Crop(NamedTuple):
    """Where each crop begins in the padded image, and whether it is then mirrored."""

    top: Int64[Tensor, " B"]  # 0 … 2·padding
    left: Int64[Tensor, " B"]
    flip: Bool[Tensor, " B"]


def crop_and_flip(images: UInt8[Tensor, "B C H W"], crop: Crop, padding: int, fill: int) -> UInt8[Tensor, "B C H W"]:
    """Pad by ``padding`` pixels of grey level ``fill``, cut each image's own window of the old size, mirror some."""
    height, width = images.shape[2:]
    rows = crop.top.view(-1, 1, 1) + torch.arange(height, device=images.device).unsqueeze(1)  # (B, H, 1)
    steps = torch.arange(width, device=images.device)
    mirrored = torch.where(crop.flip.view(-1, 1, 1), width - 1 - steps, steps)
    columns = crop.left.view(-1, 1, 1) + mirrored  # (B, 1, W)
    padded = F.pad(images, [padding] * 4, value=fill)
    return _pick_pixels(padded.flatten(2), rows * padded.shape[3] + columns)


def warp(images: UInt8[Tensor, "B C H W"], strengths: Strengths) -> UInt8[Tensor, "B C H W"]:
    """Rotate, shear or translate: nearest neighbour, black from outside, the very pixels that Pillow gives."""
    return change_chosen(images, strengths, WARPS, _warp)


def _warp(images: Tensor, strengths: Tensor) -> Tensor:
    """Output pixel (x, y) is read at x' = ax + by + c, y' = dx + ey + f, in 16.16 fixed point.

    An image has at most one of rotation, shear and translation, so their matrices simply add up.
    """
    height, width = images.shape[2:]
    angle = strength(strengths, "rotate") * (-math.pi / 180)  # the inverse map turns the other way
    cos, sin = angle.cos(), angle.sin()
    a, b = cos, sin + strength(strengths, "shear_x")
    d, e = strength(strengths, "shear_y") - sin, cos
    c = width / 2 - cos * (width / 2) - sin * (height / 2) + strength(strengths, "translate_x")
    f = height / 2 + sin * (width / 2) - cos * (height / 2) + strength(strengths, "translate_y")
    c, f = c + 0.5 * (a + b), f + 0.5 * (d + e)  # the centre of pixel (0, 0) is (½, ½)

    matrix = torch.cat([a, b, c, d, e, f], dim=3) * 2**FIXED_POINT  # (B, 1, 1, 6)
    a, b, c, d, e, f = (matrix + 0.5).floor().int().unbind(dim=3)  # (B, 1, 1) each
    x = torch.arange(width, dtype=torch.int32, device=images.device)
    y = torch.arange(height, dtype=torch.int32, device=images.device).unsqueeze(1)
    column = (a * x + (b * y + c)) >> FIXED_POINT  # (B, H, W)
    row = (d * x + (e * y + f)) >> FIXED_POINT
    inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
    black = height * width  # one pixel more than the image has
    return _pick_pixels(F.pad(images.flatten(2), [0, 1]), torch.where(inside, row * width + column, black).long())


def _pick_pixels(pixels: UInt8[Tensor, "B C N"], index: Int64[Tensor, "B H W"]) -> UInt8[Tensor, "B C H W"]:
    """Output pixel (y, x) of image b is pixel index[b, y, x] of that image, in every channel."""
    index = index.unsqueeze(1).expand(-1, pixels.shape[1], -1, -1)  # (B, C, H, W)
    return pixels.gather(2, index.flatten(2)).view(index.shape)


def cutout(
    images: UInt8[Tensor, "B C H W"],
    strengths: Strengths,
    row: Int64[Tensor, " B"],
    column: Int64[Tensor, " B"],
    fill: tuple[int, ...],
) -> UInt8[Tensor, "B C H W"]:
    """Erase a square around each given pixel, cut off at the border (DeVries & Taylor 2017); side 0 erases nothing.

    The authors' code moves a square that hangs over the left or upper border inside instead, and makes it one pixel
    larger.
    """
    height, width = images.shape[2:]
    side = strength(strengths, "cutout").long()
    y = torch.arange(height, device=images.device).unsqueeze(1) - (row.view(-1, 1, 1, 1) - side // 2)  # (B, 1, H, 1)
    x = torch.arange(width, device=images.device) - (column.view(-1, 1, 1, 1) - side // 2)  # (B, 1, 1, W)
    erased = (((y >= 0) & (y < side)) & ((x >= 0) & (x < side))).to(torch.uint8)  # (B, 1, H, W)
    square = torch.cat([erased * level for level in fill], dim=1)
    return images * (1 - erased) + square  # bytes multiplied are several times as fast as torch.where on the CPU
