"""Which operations RandAugment draws from, and how strong: the paper's words and the authors' code (Sec. 5.2.2)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple


class Range(NamedTuple):
    """An operation and the strengths that it is drawn from, in the unit that :data:`.operations.NEUTRAL` states.

    ``signed`` operations get a random sign; ``per_side`` ones are given in sides of the image.
    """

    name: str
    low: float = 1.0
    high: float = 1.0
    signed: bool = False
    per_side: bool = False


@dataclass(frozen=True)
class Variant:
    """What one call draws from.

    Attributes:
        operations: one of them is drawn for each image, all equally likely.
        levels: strengths are low + m / levels · (high − low) with m drawn from 1…levels; None: uniform in [low, high).
        cutout: side in pixels of the square that every image loses, besides its operation.
        padding, padding_fill: of the random crop, in pixels and grey level.
        flip: probability of a horizontal flip.
    """

    operations: tuple[Range, ...]
    levels: int | None
    cutout: int
    padding: int = 4
    padding_fill: int = 128
    flip: float = 0.5


VARIANTS = {
    "paper": Variant(
        operations=(
            Range("identity"),
            Range("autocontrast"),
            Range("equalize"),
            Range("rotate", 0, 30, signed=True),
            Range("solarize", 0, 256),
            Range("color", 0.1, 1.9),
            Range("posterize", 4, 8),
            Range("contrast", 0.1, 1.9),
            Range("brightness", 0.1, 1.9),
            Range("sharpness", 0.1, 1.9),
            Range("shear_x", 0, 0.3, signed=True),
            Range("shear_y", 0, 0.3, signed=True),
            Range("translate_x", 0, 0.3, signed=True, per_side=True),
            Range("translate_y", 0, 0.3, signed=True, per_side=True),
        ),
        levels=None,
        cutout=16,
    ),
    "authors": Variant(
        operations=(
            Range("autocontrast"),
            Range("equalize"),
            Range("invert"),
            Range("rotate", 0, 30, signed=True),
            Range("posterize", 0, 4),
            Range("solarize", 0, 256),
            Range("solarize_add", 0, 110),
            Range("color", 0.1, 1.9),
            Range("contrast", 0.1, 1.9),
            Range("brightness", 0.1, 1.9),
            Range("sharpness", 0.1, 1.9),
            Range("shear_x", 0, 0.3, signed=True),
            Range("shear_y", 0, 0.3, signed=True),
            Range("cutout", 0, 40),
            Range("translate_x", 0, 100, signed=True),  # in pixels, also where the side is 32: most leave nothing
            Range("translate_y", 0, 100, signed=True),
        ),
        levels=10,
        cutout=0,
    ),
}
"""``paper``: RandAugment's list, any strength, Cutout 16. ``authors``: what the authors' code draws.
``paper-half``: the first, for images of 16×16 pixels."""

# For images of half the side: lengths in pixels halve with it, everything else stays.
VARIANTS["paper-half"] = replace(VARIANTS["paper"], cutout=8, padding=2)
