"""PNG and JPEG files, one at a time; whatever is wrong with one becomes a line that names it."""

from __future__ import annotations

import io
import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from ..files import read_regular
from .archives import MAX_FILE_BYTES

SUFFIXES = (".png", ".jpg", ".jpeg")
DAMAGE = (OSError, SyntaxError, EOFError, MemoryError, struct.error, Image.DecompressionBombError, Warning)


def read_bytes(file: Path) -> bytes:
    """Raises a ValueError of one line that names the file, where it cannot be read."""
    try:
        return read_regular(file, MAX_FILE_BYTES)
    except OSError as error:
        raise ValueError(f"{file}: cannot be read: {error.strerror}") from None


@contextmanager
def opened(content: bytes, name: str) -> Iterator[Image.Image]:
    """A picture whose header is read, and whose pixels are not.

    Raises:
        ValueError: one line that begins with ``name``: not a picture, a damaged one, one of more than 90 million
            pixels, or what a ValueError inside the block says.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # odd metadata is no reason to print; 90 million pixels are one to refuse
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(content), formats=("PNG", "JPEG")) as image:
                yield image
    except UnidentifiedImageError:
        raise ValueError(f"{name} is not a PNG or JPEG image") from None
    except ValueError as error:
        raise ValueError(f"{name} {error}") from None
    except DAMAGE as error:
        raise ValueError(f"{name} is damaged: {error}") from None


def decode_rgb(content: bytes, name: str) -> UInt8[np.ndarray, "3 H W"]:
    """Colour, grey or palette, turned upright as the camera says.

    Raises:
        ValueError: as :func:`opened`, or more than 8 bits a channel.
    """
    with opened(content, name) as image:
        if image.mode.startswith(("I", "F")):
            raise ValueError(f"has more than 8 bits a channel (mode {image.mode})")
        image.load()
        return np.ascontiguousarray(np.asarray(ImageOps.exif_transpose(image).convert("RGB")).transpose(2, 0, 1))


def upright_size(content: bytes, name: str) -> tuple[int, int]:
    """Height and width of what :func:`decode_rgb` would return, from the header alone."""
    with opened(content, name) as image:
        lies_on_its_side = image.getexif().get(ExifTags.Base.Orientation, 1) in (5, 6, 7, 8)
        return (image.width, image.height) if lies_on_its_side else (image.height, image.width)
