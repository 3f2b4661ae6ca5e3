"""Bring PASCAL VOC 2012, with SBD's masks, into data/voc/: 10,582 training and 1,449 validation images, 21 classes.

    python data_prep/voc.py                  torchvision downloads both into data/torchvision: 3.4 GB, MD5 checked
    python data_prep/voc.py --source PATH    a folder that has VOCdevkit/VOC2012/ and sbd/ already, as torchvision
                                             leaves them (sbd/img, sbd/cls, sbd/train.txt, sbd/val.txt)

The training set is the usual one: VOC's 1,464 images and SBD's 11,355, less those that are in VOC's validation set.
Masks are VOC's own where it has one, with their void rim; else SBD's regions (Segmentation in its .mat files), which
have none. labeled.txt names VOC's 1,464, the labeled subset of the 1,464 / 9,118 experiment (Table 5).
Images are hard links where the disk allows. Every mask is compared with its image.
Anything wrong with a file: one line, exit code 2, nothing written.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import urllib.error
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image
from scipy.io import loadmat
from tqdm.auto import tqdm

from dmtlib.data.pictures import read_bytes, upright_size
from dmtlib.data.pixels.datasets import ROWS, load_prepared
from dmtlib.data.pixels.masks import check_ids, decode_mask, encode_mask
from dmtlib.endings import ENDS, refused, stoppable
from dmtlib.files import check_folder, whole_folder, write_file, write_lines

NUM_CLASSES = len(ROWS["voc"].classes)


def find_files(root: Path, download: bool) -> dict[str, list[tuple[Path, Path]]]:
    """Image and mask of every name in the lists of VOC ("train", "val") and SBD ("sbd").

    Raises:
        ValueError: torchvision could not bring them, or they are not there.
    """
    from torchvision.datasets import SBDataset, VOCSegmentation

    voc_is_there, sbd_is_there = (root / "VOCdevkit" / "VOC2012").is_dir(), (root / "sbd" / "img").is_dir()
    try:
        parts = {
            "train": [VOCSegmentation(root, image_set="train", download=download and not voc_is_there)],
            "val": [VOCSegmentation(root, image_set="val")],
            "sbd": [
                SBDataset(root / "sbd", "train", mode="segmentation", download=download and not sbd_is_there),
                SBDataset(root / "sbd", "val", mode="segmentation"),
            ],
        }
    except (urllib.error.URLError, RuntimeError, OSError) as error:
        raise ValueError(f"{root}: VOC 2012 and SBD are not complete there: {error}") from None
    return {
        part: [(Path(i), Path(m)) for data in datasets for i, m in zip(data.images, data.masks, strict=True)]
        for part, datasets in parts.items()
    }


def link_file(source: Path, target: Path) -> None:
    """The same bytes under a second name; a copy where the file system cannot do that."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def prepare(files: dict[str, list[tuple[Path, Path]]], out: Path) -> None:
    """Write ``out``.

    Raises:
        ValueError: a mask or an image that cannot be used, or another number of them than there must be.
    """
    lists = {part: {image.stem: (image, mask) for image, mask in pairs} for part, pairs in files.items()}
    # VOC's own mask where there is one: it is finer than SBD's, and has a rim.
    train = {name: pair for name, pair in (lists["sbd"] | lists["train"]).items() if name not in lists["val"]}
    with whole_folder(out) as folder:
        for name, (image, mask) in tqdm({**train, **lists["val"]}.items(), desc="masks", disable=None):
            size = upright_size(read_bytes(image), str(image))
            link_file(image, folder / "images" / image.name)
            if mask.suffix == ".mat":
                write_file(folder / "masks" / f"{name}.png", encode_mask(read_sbd_mask(mask, size)))
            else:
                decode_mask(read_bytes(mask), str(mask), size, NUM_CLASSES)
                link_file(mask, folder / "masks" / mask.name)
        write_lines(folder / "train.txt", sorted(train))
        write_lines(folder / "val.txt", sorted(lists["val"]))
        write_lines(folder / "labeled.txt", sorted(lists["train"]))
        try:
            load_prepared("voc", folder)
        except ValueError as error:
            raise ValueError(str(error).removeprefix(f"{folder}/")) from None


def read_sbd_mask(file: Path, size: tuple[int, int]) -> UInt8[np.ndarray, "H W"]:
    """The regions of one of SBD's .mat files: class ids, 0 is the background.

    Raises:
        ValueError: not such a file, another size than the image's, or an unknown id; one line, naming the file.
    """
    try:
        mask = loadmat(file)["GTcls"][0]["Segmentation"][0]
    except Exception as error:  # a damaged file makes scipy raise whatever comes up
        raise ValueError(f"{file} is damaged, or no mask of SBD: {str(error).splitlines()[0]}") from None
    if mask.dtype != np.uint8 or mask.shape != size:
        raise ValueError(
            f"{file} is {mask.dtype} of shape {mask.shape}, its image {size}: uint8 of that shape is needed"
        )
    try:
        check_ids(Image.fromarray(mask), NUM_CLASSES)
    except ValueError as error:
        raise ValueError(f"{file} {error}") from None
    return mask


@stoppable()
def main(arguments: list[str] | None = None) -> int:
    """Returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", type=Path, help="a folder with VOCdevkit/VOC2012 and sbd; nothing is downloaded")
    parser.add_argument("--out", type=Path, default=Path("data"), help="its folder voc is written (default: data)")
    options = parser.parse_args(arguments)
    try:
        source = options.source or options.out / "torchvision"
        check_folder(options.out / "voc", sources=[source / kind for kind in ("VOCdevkit", "sbd")])
        files = find_files(source, download=options.source is None)
        prepare(files, options.out / "voc")
    except ENDS as error:
        return refused("voc.py", error)
    counts = ", ".join(f"{count:,} {part}" for part, count in ROWS["voc"].counts.items())
    print(f"{options.out / 'voc'}: {counts} images, {NUM_CLASSES} classes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
