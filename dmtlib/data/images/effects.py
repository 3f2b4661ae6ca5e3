"""What the operations do, each for a whole batch at once: moving pixels (crop, flip, rotation, shear, translation and
Cutout), and changing their values (look-up tables over the 256 levels, blends with a grey or a smoothed image).

Every operation of RandAugment gives the very pixels that Pillow gives; tests/data/images/test_randaugment.py compares.
"""

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Int32, Int64, UInt8
from torch import Tensor

from .operations import Images, Strengths, change_chosen, strength

WARPS = ("rotate", "shear_x", "shear_y", "translate_x", "translate_y")
TABLE_OPERATIONS = ("autocontrast", "brightness", "contrast", "invert", "posterize", "solarize", "solarize_add")

FIXED_POINT = 16  # bits behind the point, as in Pillow's affine maps: integers give the same pixels on every device
SOLARIZE_ADD_THRESHOLD = 128


class Crop(NamedTuple):
    """Where each crop begins in the padded image, and whether it is then mirrored."""

    top: Int64[Tensor, " B"]  # 0 … 2·padding
    left: Int64[Tensor, " B"]
    flip: Bool[Tensor, " B"]


def crop_and_flip(images: Images, crop: Crop, padding: int, fill: int) -> Images:
    """Pad by ``padding`` pixels of grey level ``fill``, cut each image's own window of the old size, mirror some."""
    height, width = images.shape[2:]
    rows = crop.top.view(-1, 1, 1) + torch.arange(height, device=images.device).unsqueeze(1)  # (B, H, 1)
    steps = torch.arange(width, device=images.device)
    columns = crop.left.view(-1, 1, 1) + torch.where(crop.flip.view(-1, 1, 1), width - 1 - steps, steps)  # (B, 1, W)
    padded = F.pad(images, [padding] * 4, value=fill)
    return _pick_pixels(padded.flatten(2), rows * padded.shape[3] + columns)


def warp(images: Images, strengths: Strengths) -> Images:
    """Rotate, shear or translate: nearest neighbour, black from outside, the very pixels that Pillow gives."""
    return change_chosen(images, strengths, WARPS, _warp)


def _warp(images: Tensor, strengths: Tensor) -> Tensor:
    """Output pixel (x, y) is read at x' = ax + by + c, y' = dx + ey + f, in 16.16 fixed point. An image has at most
    one of rotation, shear and translation, so their matrices simply add up."""
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
    images: Images, strengths: Strengths, row: Int64[Tensor, " B"], column: Int64[Tensor, " B"], fill: tuple[int, ...]
) -> Images:
    """Erase a square around each given pixel, cut off at the border (DeVries & Taylor 2017); side 0 erases nothing.
    In the authors' code a square that hangs over the left or upper border is moved inside, and one pixel larger."""
    height, width = images.shape[2:]
    side = strength(strengths, "cutout").long()
    y = torch.arange(height, device=images.device).unsqueeze(1) - (row.view(-1, 1, 1, 1) - side // 2)  # (B, 1, H, 1)
    x = torch.arange(width, device=images.device) - (column.view(-1, 1, 1, 1) - side // 2)  # (B, 1, 1, W)
    erased = (((y >= 0) & (y < side)) & ((x >= 0) & (x < side))).to(torch.uint8)  # (B, 1, H, W)
    square = torch.cat([erased * level for level in fill], dim=1)
    return images * (1 - erased) + square  # bytes multiplied are several times as fast as torch.where on the CPU


def change_levels(images: UInt8[Tensor, "B 3 H W"], strengths: Strengths) -> UInt8[Tensor, "B 3 H W"]:
    """Give each image its own operation on pixel values, if it has one."""
    images = change_chosen(images, strengths, TABLE_OPERATIONS, _map_levels)
    images = change_chosen(images, strengths, ("equalize",), _equalize)
    images = change_chosen(images, strengths, ("color",), lambda x, s: _blend(_grey(x), x, strength(s, "color")))
    return change_chosen(images, strengths, ("sharpness",), _sharpness)


def _map_levels(images: Tensor, strengths: Strengths) -> Tensor:
    """All operations that send level v to a new level: one table per image and channel, one look-up. The tables of the
    operations are chained; an image has at most one that is not the identity."""
    levels = torch.arange(256, dtype=torch.int32, device=images.device).view(1, 1, 1, 256)
    dropped = 8 - strength(strengths, "posterize").int().clamp(min=1)
    table = (levels >> dropped) << dropped  # (B, 1, 1, 256)
    addition = strength(strengths, "solarize_add")
    added = _invert_from((table + addition.int()).clamp(max=255), SOLARIZE_ADD_THRESHOLD)
    table = torch.where(addition < 0, table, added)
    table = _invert_from(table, strength(strengths, "solarize"))
    table = _invert_from(table, torch.where(strength(strengths, "invert") > 0, 0, 256))
    table = _blend(torch.zeros_like(table), table, strength(strengths, "brightness"))
    mean = (_grey(images).double().mean(dim=(2, 3), keepdim=True) + 0.5).int()
    table = _blend(mean, table, strength(strengths, "contrast"))
    table = _autocontrast(images, table, strength(strengths, "autocontrast"))  # (B, 3, 1, 256)
    return _look_up(images, table)


def _look_up(images: Tensor, table: Tensor) -> Tensor:
    """Each pixel's level in its image's and channel's table, (B, C, 1, 256)."""
    return table.to(torch.uint8).flatten(2).gather(2, images.flatten(2).long()).view_as(images)


def _invert_from(table: Tensor, threshold: Tensor | int) -> Tensor:
    return torch.where(table >= threshold, 255 - table, table)


def _autocontrast(images: Tensor, table: Tensor, switch: Tensor) -> Tensor:
    """Stretch each channel from its darkest and brightest level to 0 and 255; a channel of one level stays."""
    darkest, brightest = images.flatten(2).aminmax(dim=2)
    low, spread = (t.double().view(*images.shape[:2], 1, 1) for t in (darkest, brightest - darkest))
    scale = torch.full_like(spread, 255) / spread.clamp(min=1)  # "255 / spread" would round twice, unlike Pillow
    return torch.where((switch > 0) & (spread > 0), (table * scale - low * scale).clamp(0, 255).int(), table)


def _equalize(images: Tensor, strengths: Strengths) -> Tensor:
    """Spread the levels of each channel so that they are used about equally often."""
    levels = images.flatten(2).long()  # (B, C, H·W)
    counts = torch.zeros(*images.shape[:2], 256, dtype=torch.int32, device=images.device)
    counts.scatter_add_(2, levels, torch.ones_like(levels, dtype=torch.int32))
    brightest = counts.gather(2, levels.amax(dim=2, keepdim=True))
    step = (levels.shape[2] - brightest) // 255
    below = counts.cumsum(dim=2, dtype=torch.int32) - counts
    table = ((below + step // 2) // step.clamp(min=1)).clamp(max=255)
    unchanged = torch.arange(256, dtype=torch.int32, device=images.device)
    return _look_up(images, torch.where(step > 0, table, unchanged).unsqueeze(2))


def _sharpness(images: Tensor, strengths: Strengths) -> Tensor:
    """Blend with a smoothed image: weight 5 for a pixel and 1 for each of its eight neighbours; the border stays."""
    x = images.short()
    columns = x[:, :, :-2] + x[:, :, 1:-1] + x[:, :, 2:]
    around = columns[..., :-2] + columns[..., 1:-1] + columns[..., 2:]
    smooth = images.clone()
    smooth[:, :, 1:-1, 1:-1] = ((around + 4 * x[:, :, 1:-1, 1:-1] + 6) // 13).to(torch.uint8)  # + 6: to the nearest
    return _blend(smooth, images, strength(strengths, "sharpness"))


def _blend(base: Tensor, image: Tensor, factor: Tensor) -> Tensor:
    """base + factor · (image − base), cut to 0…255 and rounded down, in float32 as Pillow does it."""
    base, image = base.float(), image.float()
    return (base + factor.float() * (image - base)).clamp(0, 255).to(torch.uint8)


def _grey(images: UInt8[Tensor, "B 3 H W"]) -> Int32[Tensor, "B 1 H W"]:
    """ITU-R 601-2 luma in 16-bit fixed point, as Pillow's mode L."""
    red, green, blue = images.int().unbind(dim=1)
    return ((19595 * red + 38470 * green + 7471 * blue + 32768) >> 16).unsqueeze(1)
