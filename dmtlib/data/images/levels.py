"""Changing pixel values: look-up tables over the 256 levels, and blends with a grey or a smoothed image.

Every operation gives the very pixels that Pillow gives, rounding included; tests/data/test_randaugment.py compares.
"""

from __future__ import annotations

import torch
from jaxtyping import Int32, UInt8
from torch import Tensor

from .operations import Strengths, change_chosen, strength

TABLE_OPERATIONS = ("autocontrast", "brightness", "contrast", "invert", "posterize", "solarize", "solarize_add")

SOLARIZE_ADD_THRESHOLD = 128


def change_levels(images: UInt8[Tensor, "B 3 H W"], strengths: Strengths) -> UInt8[Tensor, "B 3 H W"]:
    """Give each image its own operation on pixel values, if it has one."""
    images = change_chosen(images, strengths, TABLE_OPERATIONS, _map_levels)
    images = change_chosen(images, strengths, ("equalize",), _equalize)
    images = change_chosen(images, strengths, ("color",), _color)
    return change_chosen(images, strengths, ("sharpness",), _sharpness)


def _map_levels(images: Tensor, strengths: Strengths) -> Tensor:
    """All operations that send level v to a new level: one table per image and channel, one look-up.

    The tables of the operations are chained; an image has at most one that is not the identity.
    """
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
    table = table.to(torch.uint8).flatten(2)
    return table.gather(2, images.flatten(2).long()).view_as(images)


def _invert_from(table: Tensor, threshold: Tensor | int) -> Tensor:
    return torch.where(table >= threshold, 255 - table, table)


def _autocontrast(images: Tensor, table: Tensor, switch: Tensor) -> Tensor:
    """Stretch each channel from its darkest and brightest level to 0 and 255; a channel of one level stays."""
    darkest, brightest = images.flatten(2).aminmax(dim=2)
    low, spread = (t.double().view(*images.shape[:2], 1, 1) for t in (darkest, brightest - darkest))
    scale = torch.full_like(spread, 255) / spread.clamp(min=1)  # "255 / spread" would round twice, unlike Pillow
    stretched = (table * scale - low * scale).clamp(0, 255).int()
    return torch.where((switch > 0) & (spread > 0), stretched, table)


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


def _color(images: Tensor, strengths: Strengths) -> Tensor:
    return _blend(_grey(images), images, strength(strengths, "color"))


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
