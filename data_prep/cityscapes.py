"""Bring Cityscapes into data/cityscapes/: 2,975 training and 500 validation images at half size, 19 classes.

    python data_prep/cityscapes.py --source PATH     the folder that has leftImg8bit/ and gtFine/, as unpacked from
                                                     leftImg8bit_trainvaltest.zip and gtFine_trainvaltest.zip

Register at www.cityscapes-dataset.com to get those. Images and masks are brought from 1024×2048 to 512×1024, as in the
paper (Sec. 5.1): bilinear and antialiased, and nearest. Raw ids become the 19 classes that are scored, or 255.
Anything wrong with a file: one line, exit code 2, nothing written.
"""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image
from tqdm.auto import tqdm

from dmtlib.data.pictures import decode_rgb, read_bytes
from dmtlib.data.pixels.datasets import ROWS, load_prepared
from dmtlib.data.pixels.masks import VOID, decode_mask, encode_mask, map_ids
from dmtlib.endings import ENDS, refused, stoppable
from dmtlib.files import check_folder, whole_folder, write_file, write_lines

SCORED = (7, 8, 11, 12, 13, 17, *range(19, 29), 31, 32, 33)  # the raw ids of classes 0…18
RAW_IDS = tuple(SCORED.index(i) if i in SCORED else VOID for i in range(34))  # raw id → class
IMAGE, MASK = "_leftImg8bit.png", "_gtFine_labelIds.png"
RAW_SIZE, SIZE = (1024, 2048), (512, 1024)  # height, width


def find_pairs(source: Path, part: str) -> Iterator[tuple[str, Path, Path]]:
    """Name (aachen_000000_000019), image and mask of all images of ``part``, in alphabetical order.

    Raises:
        ValueError: an image without a mask.
    """
    for image in sorted((source / "leftImg8bit" / part).glob(f"*/*{IMAGE}")):
        name = image.name.removesuffix(IMAGE)
        mask = source / "gtFine" / part / image.parent.name / f"{name}{MASK}"
        if not mask.is_file():
            raise ValueError(f"{mask}: no such file")
        yield name, image, mask


def convert(image: Path, mask: Path) -> tuple[bytes, bytes]:
    """Both as PNG, at half size, with classes for ids.

    Raises:
        ValueError: one of them cannot be used; one line, naming it.
    """
    pixels = decode_rgb(read_bytes(image), str(image)).transpose(1, 2, 0)  # (H, W, 3)
    if pixels.shape[:2] != RAW_SIZE:
        raise ValueError(f"{image} has {pixels.shape[0]}×{pixels.shape[1]} pixels, not {RAW_SIZE[0]}×{RAW_SIZE[1]}")
    ids = map_ids(decode_mask(read_bytes(mask), str(mask), RAW_SIZE, len(RAW_IDS)), RAW_IDS)
    file = io.BytesIO()
    half = Image.fromarray(pixels).resize(SIZE[::-1], Image.Resampling.BILINEAR)
    half.save(file, format="PNG", compress_level=1)  # twice as fast as the default, a tenth larger
    return file.getvalue(), encode_mask(np.asarray(Image.fromarray(ids).resize(SIZE[::-1], Image.Resampling.NEAREST)))


def prepare(source: Path, out: Path) -> None:
    """Write ``out``.

    Raises:
        ValueError: a file that cannot be used, or another number of them than there must be.
    """
    row = ROWS["cityscapes"]
    parts = {part: list(find_pairs(source, part)) for part in row.counts}
    for part, pairs in parts.items():
        if len(pairs) != row.counts[part]:
            where = source / "leftImg8bit" / part
            raise ValueError(f"{where}: {len(pairs):,} images in folders of cities, expected {row.counts[part]:,}")
    with whole_folder(out) as folder:
        for part, pairs in parts.items():
            for name, *files in tqdm(pairs, desc=part, unit=" images", disable=None):
                image, mask = convert(*files)
                write_file(folder / "images" / f"{name}.png", image)
                write_file(folder / "masks" / f"{name}.png", mask)
            write_lines(folder / f"{part}.txt", [name for name, _, _ in pairs])
        load_prepared("cityscapes", folder)


@stoppable()
def main(arguments: list[str] | None = None) -> int:
    """Returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", type=Path, required=True, help="the folder with leftImg8bit and gtFine")
    parser.add_argument(
        "--out", type=Path, default=Path("data"), help="its folder cityscapes is written (default: data)"
    )
    options = parser.parse_args(arguments)
    try:
        check_folder(options.out / "cityscapes", sources=[options.source / kind for kind in ("leftImg8bit", "gtFine")])
        prepare(options.source, options.out / "cityscapes")
    except ENDS as error:
        return refused("cityscapes.py", error)
    counts = ", ".join(f"{count:,} {part}" for part, count in ROWS["cityscapes"].counts.items())
    print(f"{options.out / 'cityscapes'}: {counts} images of {SIZE[0]}×{SIZE[1]} pixels, 19 classes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
