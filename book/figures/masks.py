"""Pictures and label maps side by side: one colour for a class, the same on every page."""

from __future__ import annotations

import math
from collections.abc import Sequence

import matplotlib.pyplot as plt
import torch
from jaxtyping import Integer, UInt8
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from torch import Tensor

from dmtlib.data.pixels.masks import VOID

from ..page.look import WIDTH

CLASS_COLOURS = (
    ("#3A3F47", "#CCBB44", "#AA4499", "#66CCEE", "#117733", "#8822EE", "#88BB88", "#888888", "#5588EE", "#2255BB")
    + ("#BBEEBB", "#EEEE22", "#EE2255", "#552288", "#BB88BB", "#BB2222", "#88EE88", "#BBBBBB", "#552222", "#2222BB")
    + ("#222255",)
)
"""Class 0, mostly the background, is dark; 21 colours, as many as VOC has classes, then they begin anew.

Each is the one of a grid of colours that is furthest from those before it, to the least fortunate of four readers: one
who sees all colours and three who lack one kind of cone. So the first ones are the easiest to tell apart.
"""

VOID_COLOUR = "#E4E6EA"
PAD = 0.04  # inches around each picture
SHADES = "viridis"
"""The colour map of what is not a class but a number from 0 to 1: a confidence, a weight."""


def paint(mask: Integer[Tensor, "H W"], void: int = VOID) -> UInt8[Tensor, "H W 3"]:
    """A label map in its classes' colours; ``void`` is light grey.

    Raises:
        ValueError: another number of dimensions, or numbers that are not integers.
    """
    if mask.dim() != 2 or mask.is_floating_point():
        raise ValueError(f"a label map must be integers of shape (H, W), got {mask.dtype} of {tuple(mask.shape)}")
    labels = mask.long()
    palette = torch.tensor([_bytes(colour) for colour in CLASS_COLOURS], dtype=torch.uint8)
    painted = palette[labels % len(palette)]
    painted[labels == void] = torch.tensor(_bytes(VOID_COLOUR), dtype=torch.uint8)
    return painted


def picture_figure(
    rows: Sequence[Sequence[Tensor]],
    titles: Sequence[str],
    names: Sequence[str] = (),
    classes: Sequence[str] = (),
    void: str = "no class",
    width: float = WIDTH,
) -> Figure:
    """Rows of pictures with a title above each column, and words that say which pictures they are.

    Args:
        rows: the pictures, as many in each row as there are titles; see :func:`picture` for what may be one.
        names: of the rows, to their left.
        classes: their names, for a key below the pictures; none, no key.
        void: what light grey means in the key.
        width: in inches.

    Raises:
        ValueError: a row of another length than ``titles``, or something that is not a picture.
    """
    for index, row in enumerate(rows):
        if len(row) != len(titles):
            raise ValueError(f"row {index} must have a picture for each of {len(titles)} titles, got {len(row)}")
    height, across = _height_width(rows[0][0])
    left = 0.25 if names else 0.0
    cell = ((width - left) / len(titles) - 2 * PAD) * height / across + 2 * PAD
    key = 0.32 * math.ceil((len(classes) + 1) / _key_columns(len(classes) + 1)) if classes else 0
    size = (width, len(rows) * cell + 0.27 + key)
    figure, axes = plt.subplots(len(rows), len(titles), figsize=size, squeeze=False, layout="constrained")
    figure.get_layout_engine().set(w_pad=PAD, h_pad=PAD, wspace=0, hspace=0)
    for row, pictures in zip(axes, rows, strict=True):
        for ax, values in zip(row, pictures, strict=True):
            picture(ax, values)
    for ax, title in zip(axes[0], titles, strict=True):
        ax.set_title(title, fontsize=11, weight="normal", loc="center", pad=4)
    for ax, name in zip(axes[:, 0], names, strict=False):
        ax.set_ylabel(name, fontsize=11)
    if classes:
        class_key(figure, classes, void)
    of_rows = f"{len(rows)} rows: {', '.join(names)}" if names else f"{len(rows)} row{'s' if len(rows) > 1 else ''}"
    figure.set_label(f"Pictures in {of_rows}. From left to right: {', '.join(' '.join(t.split()) for t in titles)}.")
    return figure


def picture(ax: Axes, values: Tensor) -> None:
    """Draw one picture without ticks or a frame, its pixels as squares.

    Args:
        values: an image (3, H, W) or painted pixels (H, W, 3), uint8; a label map (H, W) of integers, which is
            painted; or a map (H, W) of floats in [0, 1], such as weights, shown in :data:`SHADES`.

    Raises:
        ValueError: anything else.
    """
    height, width = _height_width(values)
    values = values.cpu()
    if values.dim() == 2 and not values.is_floating_point():
        values = paint(values)
    elif values.dim() == 3 and values.shape[2] != 3:
        values = values.permute(1, 2, 0)
    # the extent keeps the pixels' corners on whole numbers: contours and boxes drawn on top lie where they should
    ax.imshow(values.numpy(), cmap=SHADES, vmin=0, vmax=1, interpolation="nearest", extent=(0, width, height, 0))
    ax.set(xticks=[], yticks=[])
    for spine in ax.spines.values():
        spine.set_visible(False)


def _key_columns(entries: int) -> int:
    """One row where a figure is wide enough; names of many classes need room."""
    return entries if entries <= 6 else 4


def class_key(place: Axes | Figure, classes: Sequence[str], void: str = "no class") -> None:
    """What the colours stand for: below a figure, or in an axes of its own.

    Args:
        classes: their names, from class 0 on.
        void: what light grey means here, such as "ignored"; empty: it is not shown.
    """
    patches = [Patch(color=CLASS_COLOURS[i % len(CLASS_COLOURS)], label=name) for i, name in enumerate(classes)]
    if void:
        patches.append(Patch(color=VOID_COLOUR, label=void))
    where = "outside lower center" if isinstance(place, Figure) else "center"
    columns = _key_columns(len(patches))
    place.legend(handles=patches, loc=where, ncol=columns, handlelength=1, handleheight=1, columnspacing=1.2)
    if isinstance(place, Axes):
        place.axis("off")


def _height_width(values: Tensor) -> tuple[int, int]:
    shape = tuple(values.shape)
    if len(shape) == 2:
        return shape
    if len(shape) == 3 and 3 in (shape[0], shape[2]) and values.dtype == torch.uint8:
        return shape[:2] if shape[2] == 3 else shape[1:]
    raise ValueError(f"a picture must be uint8 (3, H, W) or (H, W, 3), or a map (H, W), got {values.dtype} {shape}")


def _bytes(colour: str) -> tuple[int, ...]:
    return tuple(int(colour[i : i + 2], 16) for i in (1, 3, 5))
