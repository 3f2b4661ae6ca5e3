"""Masks: pictures whose pixel values are class ids. Checked where they come in, for nothing later would notice."""

import io
from collections.abc import Sequence

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from ...words import counted
from ..pictures import opened, orientation

VOID = 255
"""The id of a pixel that has no class: it is neither trained on nor scored."""

BRIGHT = 128  # an unknown id from here on was probably meant to be seen


def decode_mask(content: bytes, name: str, size: tuple[int, int], num_ids: int) -> UInt8[np.ndarray, "H W"]:
    """The ids of an 8-bit grey or palette PNG; in a palette PNG, such as PASCAL VOC's, the id is the palette's index.
    The size is compared before any pixel is decoded, and ids are counted without a copy of them. A ValueError of one
    line begins with ``name``, for another ``size`` (height, width) than the image's, an id that is neither in
    0…``num_ids`` − 1 nor 255, colours instead of ids, or a damaged file."""
    with opened(content, name) as image:
        if (image.height, image.width) != size:
            exchanged = (image.width, image.height) == size  # as the camera holds it, say
            hint = "; images are turned as their EXIF orientation says: turn the mask as well" if exchanged else ""
            raise ValueError(f"has {image.height}×{image.width} pixels, its image {size[0]}×{size[1]}{hint}")
        if image.format != "PNG":
            raise ValueError(f"is a {image.format}; a mask must be a PNG, which keeps ids exactly")
        bits = content[24]  # of a sample, in the PNG's header
        if image.mode not in ("L", "P") or (image.mode == "L" and bits != 8):
            found = f"mode {image.mode}, {bits} bits"
            raise ValueError(f"must be 8-bit grey or palette, a class id a pixel; it has {found}")
        image.load()
        if (turned := orientation(image)) != 1:
            raise ValueError(f"has EXIF orientation {turned}: turn its pixels, and save it without EXIF")
        check_ids(image, num_ids)
        return np.array(image)


def check_ids(image: Image.Image, num_ids: int) -> None:
    """Every pixel's value is in 0…``num_ids`` − 1 or 255; a ValueError names the first id that isn't, and no file."""
    for value, count in enumerate(image.histogram()):
        if count and num_ids <= value != VOID:
            hint = "; a pixel's value is its class's id, and no brightness" if value >= BRIGHT else ""
            known = f"0…{num_ids - 1} and {VOID} (void)"
            raise ValueError(f"has the unknown id {value} ({counted(count, 'pixel')}); known are {known}{hint}")


def map_ids(mask: UInt8[np.ndarray, "H W"], classes: Sequence[int]) -> UInt8[np.ndarray, "H W"]:
    """Raw id i becomes ``classes[i]``; an id beyond them, such as 255, void."""
    table = np.full(256, VOID, dtype=np.uint8)
    table[: len(classes)] = classes
    return table[mask]


def encode_mask(mask: UInt8[np.ndarray, "H W"]) -> bytes:
    """An 8-bit grey PNG."""
    return _png(Image.fromarray(mask))


def encode_palette(mask: UInt8[np.ndarray, "H W"]) -> bytes:
    """A palette PNG: a pixel's value is its class, and is shown in the colour that PASCAL VOC's masks have for it."""
    picture = Image.frombytes("P", (mask.shape[1], mask.shape[0]), mask.tobytes())
    picture.putpalette([level for index in range(256) for level in voc_colour(index)])
    return _png(picture)


def _png(picture: Image.Image) -> bytes:
    file = io.BytesIO()
    picture.save(file, format="PNG")
    return file.getvalue()


def voc_colour(index: int) -> tuple[int, int, int]:
    """Red, green and blue of a class: its bits, dealt out to the three in turn, each filled from its highest bit."""
    return tuple(sum((index >> 3 * bit + channel & 1) << 7 - bit for bit in range(3)) for channel in range(3))
