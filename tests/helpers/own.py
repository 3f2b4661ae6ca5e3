"""Folders as people have them: coloured noise in folders of classes, bright squares with their masks."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
from PIL import Image

UPRIGHT = (274, 3, 1, struct.pack("<H", 6))  # the camera was held upright


def photos(root: Path, classes=("cat", "dog"), n=6, unlabeled=20, test=4, ext="png", side=12) -> Path:
    """The tint tells the class; no two are equal."""
    rng = np.random.default_rng(0)
    for c, name in enumerate((*classes, "unlabeled")):
        for part, count in (("train", unlabeled if name == "unlabeled" else n), ("test", test)):
            for i in range(count if (part, name) != ("test", "unlabeled") else 0):
                file = Path(root, part, name, f"{i}.{ext}")
                file.parent.mkdir(parents=True, exist_ok=True)
                tint = np.eye(3)[(i if name == "unlabeled" else c) % 3] * 160
                Image.fromarray((rng.integers(0, 90, (side, side, 3)) + tint).astype("uint8")).save(file)
    return Path(root)


def streets(root: Path, n=12, masks=8, on=1, ext="png") -> Path:
    """A bright square on dark noise; ``on`` is its id in the masks."""
    rng = np.random.default_rng(0)
    for folder in ("images", "masks"):
        (root / folder).mkdir(parents=True)
    (root / "classes.txt").write_text("background\ncar\n")
    for i in range(n):
        mask = np.zeros((64, 64), "uint8")
        y, x = rng.integers(0, 32, 2)
        mask[y : y + 21, x : x + 21] = on
        image = rng.integers(0, 60, (64, 64, 3)) + (mask[..., None] > 0) * 120
        Image.fromarray(image.astype("uint8")).save(root / f"images/s{i:02d}.{ext}")
        if i < masks:
            Image.fromarray(mask).save(root / f"masks/s{i:02d}.png")
    return root


def exif(entries: list[tuple[int, int, int, bytes]]) -> bytes:
    """A little-endian EXIF block from (tag, type, count, value) rows."""
    body, offset, rows = b"", 8 + 2 + 12 * len(entries) + 4, b""
    for tag, kind, count, value in entries:
        field = value.ljust(4, b"\0") if len(value) <= 4 else struct.pack("<I", offset + len(body))
        body += value if len(value) > 4 else b""
        rows += struct.pack("<HHI", tag, kind, count) + field
    return b"Exif\0\0II*\0" + struct.pack("<IH", 8, len(entries)) + rows + b"\0" * 4 + body


def raw_png(row: bytes, bits: int, colour: int, clear: bytes = b"", text: bytes = b"") -> bytes:
    """One row of ``bits`` a sample, grey (0) or RGB (2); ``clear`` is the transparent colour, ``text`` packed."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        checksum = struct.pack(">I", zlib.crc32(kind + content))
        return struct.pack(">I", len(content)) + kind + content + checksum

    width = 8 * len(row) // (bits * (3 if colour == 2 else 1))
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, 1, bits, colour, 0, 0, 0))
    head += chunk(b"tRNS", clear) if clear else b""
    head += chunk(b"zTXt", b"Comment\0\0" + zlib.compress(text)) if text else b""
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(b"\0" + row)) + chunk(b"IEND", b"")


def raw_tiff(row: bytes, bits: int, white_is_0: bool = False, sign: int = 1, alpha: bool = False) -> bytes:
    """One row of grey levels; ``sign`` 2 says that they have one, ``alpha`` that each is multiplied by the next."""
    samples, place = 1 + alpha, 8 + 2 + 12 * (10 + alpha) + 4
    size = {256: 8 * len(row) // bits // samples, 257: 1, 258: bits * (2**16 + 1), 259: 1, 262: 0 if white_is_0 else 1}
    tags = {**size, 273: place, 277: samples, 278: 1, 279: len(row), **({338: 1} if alpha else {}), 339: sign}
    rows = [struct.pack("<HHII", tag, *((3, samples) if tag == 258 else (4, 1)), tags[tag]) for tag in tags]
    return b"II*\0" + struct.pack("<IH", 8, len(rows)) + b"".join(rows) + bytes(4) + row
