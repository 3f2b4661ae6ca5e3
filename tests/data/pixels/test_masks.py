"""Masks on entry: ids exactly as stored, or one line that names the file."""

import io
import struct
import tracemalloc
import zlib

import numpy as np
import pytest
from PIL import Image

from dmtlib.data.pictures import decode_rgb, upright_size
from dmtlib.data.pixels.masks import VOID, check_ids, decode_mask, encode_mask, map_ids

IDS = np.array([[0, 1, 2], [20, VOID, 7]], dtype=np.uint8)


def png(image: Image.Image, **options) -> bytes:
    file = io.BytesIO()
    image.save(file, format="PNG", **options)
    return file.getvalue()


def palette_png(ids: np.ndarray) -> bytes:
    """As PASCAL VOC's: the index is the class, the colour only for people."""
    image = Image.fromarray(ids)
    image.putpalette(np.random.default_rng(0).integers(0, 256, 768).astype(np.uint8).tobytes())
    assert image.mode == "P"
    return png(image)


@pytest.mark.parametrize("content", [palette_png(IDS), encode_mask(IDS), png(Image.fromarray(IDS), optimize=True)])
def test_ids_come_out_as_they_were_stored(content):
    mask = decode_mask(content, "a.png", (2, 3), 21)
    assert mask.dtype == np.uint8 and np.array_equal(mask, IDS)
    assert mask.flags.writeable and mask.flags.owndata  # torch.from_numpy wants one of its own


def test_an_unknown_id_is_named_with_its_file():
    with pytest.raises(ValueError) as refusal:
        decode_mask(encode_mask(IDS), "masks/a.png", (2, 3), 20)
    assert str(refusal.value) == "masks/a.png has the unknown id 20 (1 pixel); known are 0…19 and 255 (void)"


def test_another_size_is_refused_before_a_pixel_is_decoded():
    content = encode_mask(IDS)
    header = content[: content.index(b"IDAT") + 6]  # the pixels are missing
    with pytest.raises(
        ValueError, match=r"^a\.png has 2×3 pixels, its image 3×2; images are turned as their EXIF orientation says"
    ):
        decode_mask(header, "a.png", (3, 2), 21)
    with pytest.raises(ValueError, match=r"^a\.png is damaged: "):
        decode_mask(header, "a.png", (2, 3), 21)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (png(Image.new("RGB", (3, 2))), "must be 8-bit grey or palette.* mode RGB"),
        (png(Image.new("RGBA", (3, 2))), "mode RGBA"),
        (png(Image.new("1", (3, 2))), "mode 1"),
        (png(Image.fromarray(np.zeros((2, 3), np.uint16))), "mode I;16, 16 bits"),
        (b"", "is not a PNG, .* or GIF image"),
    ],
)
def test_what_is_not_a_mask_is_refused(content, message):
    with pytest.raises(ValueError, match=r"^a\.png .*" + message):
        decode_mask(content, "a.png", (2, 3), 21)


def test_four_bits_of_grey_are_refused_since_they_are_read_stretched():
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 2, 1, 4, 0, 0, 0, 0)
    content = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header)
    content += chunk(b"IDAT", zlib.compress(b"\x00\x12")) + chunk(b"IEND", b"")
    assert np.asarray(Image.open(io.BytesIO(content))).tolist() == [[17, 34]]  # 1 and 2 were stored
    with pytest.raises(ValueError, match="mode L, 4 bits"):
        decode_mask(content, "a.png", (1, 2), 21)


def test_a_jpeg_is_no_mask():
    file = io.BytesIO()
    Image.fromarray(IDS).save(file, format="JPEG")
    with pytest.raises(ValueError, match=r"^a\.png is a JPEG; a mask must be a PNG"):
        decode_mask(file.getvalue(), "a.png", (2, 3), 21)


def test_broken_bytes_are_a_value_error_of_one_line_or_a_mask():
    content, rng = bytearray(palette_png(np.tile(IDS, (8, 8)))), np.random.default_rng(0)
    refused = 0
    for trial in range(400):
        broken = content[: rng.integers(len(content))] if trial % 2 else bytearray(content)
        for place in rng.integers(0, max(len(broken), 1), size=3 * (trial % 2 == 0)):
            broken[place] ^= 1 << rng.integers(8)
        for read in (decode_rgb, upright_size, lambda c, n: decode_mask(c, n, (16, 24), 21)):
            try:
                read(bytes(broken), "a.png")
            except ValueError as error:
                refused += 1
                assert str(error).startswith("a.png ") and "\n" not in str(error)
    assert refused > 300


def test_raw_ids_become_classes_and_all_others_void():
    raw = np.array([[0, 7, 8, 33, 34, 255]], dtype=np.uint8)
    classes = [VOID] * 7 + [0, 1] + [VOID] * 24 + [18]
    assert map_ids(raw, classes).tolist() == [[VOID, 0, 1, 18, VOID, VOID]]


def test_checking_ids_copies_no_pixels():
    image = Image.fromarray(np.full((512, 512), VOID, np.uint8))
    tracemalloc.start()
    check_ids(image, 2)
    assert tracemalloc.get_traced_memory()[1] < 20_000  # of 262,144 pixels
    tracemalloc.stop()


def test_pictures_are_turned_upright():
    upright = np.zeros((2, 3, 3), dtype=np.uint8)
    upright[0] = 250
    lying = Image.fromarray(upright).transpose(Image.Transpose.ROTATE_90)
    exif = Image.Exif()
    exif[274] = 6  # turn by 90° clockwise to see it upright
    content = png(lying, exif=exif)
    assert upright_size(content, "a.png") == (2, 3)
    assert np.array_equal(decode_rgb(content, "a.png"), upright.transpose(2, 0, 1))
