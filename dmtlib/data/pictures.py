"""Pictures, one at a time, as they look: upright, in RGB, nothing transparent. What is wrong with one is a line."""

import io
import math
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import ExifTags, Image, TiffImagePlugin, UnidentifiedImageError

from ..files import read_regular
from .finding import FORMATS, NAMES

MAX_FILE_BYTES = 64 * 2**20  # a picture of 64 MiB is none: refused before it is read

BACKGROUND = "white"
"""What shows through where a picture is transparent."""

T = Image.Transpose
TURNS = [T.FLIP_LEFT_RIGHT, T.ROTATE_180, T.FLIP_TOP_BOTTOM, T.TRANSPOSE, T.ROTATE_270, T.TRANSVERSE, T.ROTATE_90]
"""What turns a picture upright whose EXIF orientation is 2, 3, …; 1 is upright."""

# Odd metadata is no reason to print. For good: files are read side by side, and catch_warnings knows no threads.
warnings.filterwarnings("ignore", module=r"PIL\b")


def read_bytes(file: Path) -> bytes:
    """Raises a ValueError of one line that names the file, where it cannot be read."""
    try:
        return read_regular(file, MAX_FILE_BYTES)
    except OSError as error:
        raise ValueError(f"{file}: cannot be read: {error.strerror}") from None


@contextmanager
def opened(content: bytes, name: str) -> Iterator[Image.Image]:
    """A picture whose header is read, and whose pixels are not. A ValueError of one line that begins with ``name`` for
    what is not a picture, a damaged one, one of over 89 million pixels (Pillow's limit), or a ValueError inside."""
    try:
        with Image.open(io.BytesIO(content), formats=[kind.upper() for kind in FORMATS]) as image:
            if image.width * image.height > (Image.MAX_IMAGE_PIXELS or math.inf):
                raise ValueError(_too_many(image.width * image.height))
            image.info.pop("xmp", None)  # by which Pillow would turn a TIFF
            yield image
    except UnidentifiedImageError:
        tiff = content[:2] in (b"II", b"MM")
        what = "is a TIFF of a rare kind, or a broken one: save it as PNG" if tiff else f"is not a {NAMES} image"
        raise ValueError(f"{name} {what}") from None
    except ValueError as error:
        more = "has more than 1 MiB of text or colour profile in it: save it without"
        raise ValueError(f"{name} {more if 'MAX_TEXT' in str(error) else error}") from None
    except Image.DecompressionBombError as error:  # twice the limit: Pillow says so before we can
        raise ValueError(f"{name} {_too_many(int(re.findall('[0-9]+', str(error))[0]))}") from None
    except MemoryError:
        raise ValueError(f"{name} needs more memory than there is") from None
    except Exception as error:  # garbage makes the readers of formats raise whatever comes up
        raise ValueError(f"{name} is damaged: {(str(error).splitlines() or [type(error).__name__])[0]}") from None


def _too_many(pixels: int) -> str:
    return f"has {pixels:,} pixels; up to {Image.MAX_IMAGE_PIXELS:,} are read: make it smaller"


def orientation(image: Image.Image) -> int:
    """1…8, as EXIF has it from the camera; 1 if it hasn't. What else stands there, broken or not, doesn't matter."""
    try:
        exif, bare = image.getexif(), Image.new("1", (1, 1))  # a PNG may have it behind its pixels, and is read then
        bare.info = {key: value for key, value in image.info.items() if key.endswith("exif")}  # viewers obey no XMP
        found = (exif if image.format == "TIFF" else bare.getexif()).get(ExifTags.Base.Orientation, 1)
    except Exception:  # as garbage has it
        return 1
    return found if isinstance(found, int) and 1 <= found <= 8 else 1


def picture(content: bytes, name: str) -> Image.Image:
    """The first picture of a file in RGB: upright, what is transparent laid over :data:`BACKGROUND`. Of 12 or 16 bits
    the upper 8 count, in grey as in colour. A ValueError, as of :func:`opened`, for 32 bits a channel too, for levels
    that have a sign, and for 16 bits of which one colour is transparent."""
    with opened(content, name) as image:
        stored = str(image.tile[0][-1]) if image.tile else ""  # how pixels are packed: L;4
        tags = getattr(image, "tag_v2", {})  # of a TIFF
        bits = max(tags.get(TiffImagePlugin.BITSPERSAMPLE, (16,)))
        image.load()
        turned = orientation(image)
        if 2 in tags.get(TiffImagePlugin.SAMPLEFORMAT, ()) and bits <= 16:
            raise ValueError("has levels with a sign: save it without")
        if image.format == "PNG" and "transparency" in image.info:  # a colour, in the file's levels
            if ";16" in stored:
                raise ValueError("has 16 bits a channel and a transparent colour: save it with an alpha channel")
            image.info["transparency"] *= {"L;2": 85, "L;4": 17}.get(stored, 1)
        if image.mode.startswith("I;16") or (image.mode == "I" and image.format == "PNG"):  # older Pillows have I
            levels = np.asarray(image) >> bits - 8
            white_is_0 = tags.get(TiffImagePlugin.PHOTOMETRIC_INTERPRETATION) == 0
            image = Image.fromarray((255 - levels if white_is_0 else levels).astype(np.uint8))
        if image.mode in ("I", "F"):
            raise ValueError(f"has 32 bits a channel (mode {image.mode}); 8 or 16 are read")
        if image.mode == "La":  # which Pillow converts to nothing else
            image = image.convert("LA")
        if image.has_transparency_data:
            image = Image.alpha_composite(Image.new("RGBA", image.size, BACKGROUND), image.convert("RGBA"))
        image = image.convert("RGB")
        return image if turned == 1 else image.transpose(TURNS[turned - 2])


def decode_rgb(content: bytes, name: str) -> UInt8[np.ndarray, "3 H W"]:
    """The same as an array; raises what :func:`picture` does."""
    return np.array(np.asarray(picture(content, name)).transpose(2, 0, 1), order="C")  # writable, which torch asks for


def upright_size(content: bytes, name: str) -> tuple[int, int]:
    """Height and width of what :func:`decode_rgb` would return, from the header alone."""
    with opened(content, name) as image:
        lies = orientation(image) in (5, 6, 7, 8) and image.format != "TIFF"  # whose size Pillow turns itself
        return (image.width, image.height) if lies else (image.height, image.width)


def turned_unseen(content: bytes, name: str) -> bool:
    """Whether EXIF turns a picture, and its size doesn't tell: a mask that fits may be drawn on either."""
    with opened(content, name) as image:
        return (turned := orientation(image)) != 1 and (turned < 5 or image.width == image.height)
