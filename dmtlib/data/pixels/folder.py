"""The one layout that segmentation data have on disk.

    images/<name>.jpg|.jpeg|.png
    masks/<name>.png              class ids, 255 is void
    train.txt, val.txt, test.txt  one name a line
    labeled.txt                   the labeled subset of the training images, if the data prescribe one
    classes.txt                   one class a line, the first has id 0; only in a user's own folder

data_prep/ writes it, and any user's folder of images and masks has it, or nearly: see :func:`read_own_folder`.
"""

from __future__ import annotations

import random
from collections.abc import Container, Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from ...files import read_regular
from ..archives import MAX_FILE_BYTES
from ..pictures import SUFFIXES
from .masks import VOID

PARTS = ("train", "val", "test")
VAL_SHARE = 0.2
VAL_SEED = 2022  # the images set apart never change with a run's seed


class OwnFolder(NamedTuple):
    """What :func:`read_own_folder` found: names by part, and the file of each image and mask by name."""

    classes: tuple[str, ...]
    lists: dict[str, tuple[str, ...]]
    labeled: tuple[str, ...] | None
    images: dict[str, Path]
    masks: dict[str, Path]


def read_own_folder(folder: Path) -> OwnFolder:
    """A user's folder: ``images``, ``masks`` and ``classes.txt``; the lists are optional.

    A training image without a mask is unlabeled. Without train.txt, every image that no other list has is a training
    image. Without val.txt, a fifth of the training images that have a mask is set apart.

    Raises:
        ValueError: something is missing, or does not fit together; one line, naming the file.
    """
    for needed in ("images", "masks"):
        if not (folder / needed).is_dir():
            raise ValueError(f"{folder}: there must be a folder {needed!r} in it")
    classes = read_lines(folder / "classes.txt")
    if not 2 <= len(classes) <= VOID:
        raise ValueError(f"{folder / 'classes.txt'}: must name 2…{VOID} classes, one a line, got {len(classes)}")
    images, masks = find_pictures(folder / "images"), find_pictures(folder / "masks", (".png",))
    for name, file in masks.items():
        if name not in images:
            raise ValueError(f"{file}: there is no image of that name")

    files = {part: folder / f"{part}.txt" for part in PARTS if (folder / f"{part}.txt").is_file()}
    lists = {part: read_names(file) for part, file in files.items()}
    for part, names in lists.items():
        require(names, images, files[part], "image")
        require(names if part != "train" else (), masks, files[part], "mask")
    listed = [name for names in lists.values() for name in names]
    if len(set(listed)) < len(listed):
        raise ValueError(f"{folder}: an image is in two of {', '.join(file.name for file in files.values())}")
    lists.setdefault("train", tuple(name for name in images if name not in set(listed)))
    if "val" not in lists:
        lists["val"] = _draw_val([name for name in lists["train"] if name in masks], folder)
        lists["train"] = tuple(name for name in lists["train"] if name not in set(lists["val"]))

    with_mask = tuple(name for name in lists["train"] if name in masks)
    labeled = with_mask if len(with_mask) < len(lists["train"]) else None
    if (folder / "labeled.txt").is_file():
        labeled = read_names(folder / "labeled.txt")
        require(labeled, with_mask, folder / "labeled.txt", "training image with a mask")
    if not with_mask:
        raise ValueError(f"{folder}: no training image has a mask")
    return OwnFolder(classes, {part: lists[part] for part in PARTS if part in lists}, labeled, images, masks)


def find_pictures(folder: Path, suffixes: tuple[str, ...] = SUFFIXES) -> dict[str, Path]:
    """Name → file of every picture below ``folder``, in alphabetical order; hidden ones are passed over.

    Raises:
        ValueError: two files of one name, such as a.jpg and a.png.
    """
    pictures: dict[str, Path] = {}
    for file in sorted(folder.rglob("*")):
        place = file.relative_to(folder)
        if file.suffix.lower() not in suffixes or any(part.startswith(".") for part in place.parts):
            continue
        name = place.with_suffix("").as_posix()
        if name in pictures:
            raise ValueError(f"{file}: there is {pictures[name].name!r} as well")
        pictures[name] = file
    return pictures


def read_names(file: Path) -> tuple[str, ...]:
    """A list of images. A name may have folders in it, but leads nowhere outside.

    Raises:
        ValueError: as :func:`read_lines`, or such a name.
    """
    names = read_lines(file)
    for name in names:
        if name.startswith("/") or "\\" in name or ".." in PurePosixPath(name).parts:
            raise ValueError(f"{file}: {name!r} leads outside the folder of images")
    return names


def read_lines(file: Path) -> tuple[str, ...]:
    """The lines that are not empty, stripped.

    Raises:
        ValueError: unreadable, without a line, or with one that is there twice; one line, naming the file.
    """
    try:
        lines = [line.strip() for line in read_regular(file, MAX_FILE_BYTES).decode().splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{file}: cannot be read: {getattr(error, 'strerror', error)}") from None
    if not lines:
        raise ValueError(f"{file}: is empty")
    seen: set[str] = set()
    for line in lines:
        if line in seen:
            raise ValueError(f"{file}: {line!r} is there twice")
        seen.add(line)
    return tuple(lines)


def require(names: Iterable[str], there: Container[str], file: Path, what: str) -> None:
    """Every one of the ``names`` that ``file`` lists is ``there``.

    Raises:
        ValueError: names the first that is not.
    """
    there = there if isinstance(there, Mapping) else set(there)
    for name in names:
        if name not in there:
            raise ValueError(f"{file}: there is no {what} named {name!r}")


def _draw_val(labeled: list[str], folder: Path) -> tuple[str, ...]:
    if len(labeled) < 2:
        raise ValueError(f"{folder}: without val.txt, at least two training images need masks: one of them is scored")
    return tuple(sorted(random.Random(VAL_SEED).sample(sorted(labeled), max(1, round(VAL_SHARE * len(labeled))))))
