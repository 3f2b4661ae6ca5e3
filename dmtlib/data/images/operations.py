"""The operations of RandAugment (Sec. 5.2.2): which ones are drawn and how strong, in the paper's words and in the
authors' code, and the rule by which a batch mixes them.

Every image of a batch has one strength for every operation, and the neutral one for all but its own: that is a
(B, K) tensor of fixed shape, whatever was drawn. :mod:`.effects` moves pixels, and changes their values; it reads its
columns from that tensor and changes nothing where the strength is neutral.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import torch
import yaml
from jaxtyping import Float64, UInt8
from torch import Tensor

_FILE = yaml.safe_load(Path(__file__).with_name("randaugment.yml").read_text(encoding="utf-8"))

NEUTRAL: dict[str, float] = _FILE["neutral"]
"""Every operation, with the strength at which it does nothing; the file says in which unit."""

COLUMN = {name: column for column, name in enumerate(NEUTRAL)}

Images = UInt8[Tensor, "B C H W"]
Strengths = Float64[Tensor, "B K"]
"""float64: so few numbers cost nothing, and they are exactly the Python floats that Pillow would get."""


def strength(strengths: Strengths, name: str) -> Float64[Tensor, "B 1 1 1"]:
    """The column of one operation, shaped to meet a batch of images."""
    return strengths[:, COLUMN[name]].view(-1, 1, 1, 1)


def change_chosen(images: Images, strengths: Strengths, names: Sequence[str], change: Callable[..., Tensor]) -> Images:
    """``change(images, strengths)`` for the images that ``names`` change, the others as they are. On the CPU only the
    images concerned are computed. Elsewhere all are, and the right ones kept: to ask the device which ones are
    concerned would make the host wait for it. Both ways give the same pixels."""
    chosen = torch.stack([strengths[:, COLUMN[name]] != NEUTRAL[name] for name in names]).any(dim=0)
    if images.device.type == "cpu":
        rows = chosen.nonzero().squeeze(1)
        return images.index_copy(0, rows, change(images[rows], strengths[rows]))
    return torch.where(chosen.view(-1, 1, 1, 1), change(images, strengths), images)


@lru_cache(maxsize=64)
def constant(values: tuple, device: torch.device, dtype: torch.dtype = torch.float64) -> Tensor:
    """A small tensor that is copied to the device once: a copy in every step would make the host wait."""
    return torch.tensor(values, device=device, dtype=dtype)


class Range(NamedTuple):
    """An operation and the strengths that it is drawn from, in the unit that ``randaugment.yml`` states.
    ``signed`` operations get a random sign; ``per_side`` ones are given in sides of the image."""

    name: str
    low: float = 1.0
    high: float = 1.0
    signed: bool = False
    per_side: bool = False


@dataclass(frozen=True)
class Variant:
    """What one call draws from: for each image one of the ``operations``, all equally likely, at a strength of low +
    m / ``levels`` · (high − low) with m drawn from 1…levels, or uniform in [low, high) where these are None. ``flip``
    is the probability of a horizontal flip; the random crop has a ``padding`` in pixels, of grey level
    ``padding_fill``; every image loses a square of side ``cutout`` in pixels, besides its operation."""

    operations: tuple[Range, ...]
    levels: int | None
    cutout: int
    padding: int = 4
    padding_fill: int = 128
    flip: float = 0.5


VARIANTS = {
    name: Variant(**row | {"operations": tuple(Range(**operation) for operation in row["operations"])})
    for name, row in _FILE["variants"].items()
}
"""``paper``: RandAugment's list, any strength, Cutout 16. ``authors``: what the authors' code draws.
``paper-half``: the first, for images of 16×16 pixels; ``photo``: without Cutout."""
