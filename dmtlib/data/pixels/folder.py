"""The one layout that segmentation data have on disk.

    images/<name>.png|.jpg|…      formats as in dmtlib.data.finding
    masks/<name>.png              class ids, 255 is void
    train.txt, val.txt, test.txt  one name a line
    labeled.txt                   the labeled subset that the data prescribe
    classes.txt                   one class a line, from id 0; in a user's folder

data_prep/ writes it, and any user's folder of images and masks has it, or nearly: see :func:`read_own_folder`.
"""

import os
import random
import re
from collections.abc import Container, Iterable
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from ...words import counted
from ..finding import MAX_NAME, SUFFIXES, TOO_LONG, Found, find, is_hidden, nfc
from ..pictures import read_bytes
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
    remarks: list[str]


def read_own_folder(folder: Path) -> OwnFolder:
    """A user's folder: ``images``, ``masks`` and ``classes.txt``; the lists are optional. A training image without a
    mask is unlabeled. Without train.txt, every image that no other list has is a training image. Without val.txt, a
    fifth of those with a mask is set apart. A ValueError of one line names a file that is missing, or doesn't fit."""
    if not folder.is_dir():
        raise ValueError(f"{folder}: {'no folder' if folder.exists() else 'no such file or folder'}")
    for needed in ("images", "masks"):
        if not (folder / needed).is_dir():
            classes = (folder / "train").is_dir()
            hint = "; folders of classes are for presets on images, such as digits-40" if classes else ""
            raise ValueError(f"{folder}: there must be a folder {needed!r} in it{hint}")
    if not 2 <= len(classes := read_lines(folder / "classes.txt")) <= VOID:
        raise ValueError(f"{folder / 'classes.txt'}: must name 2…{VOID} classes, one a line, got {len(classes)}")
    for name in (name for name in classes if len(name) > MAX_NAME):
        raise ValueError(f"{folder / 'classes.txt'}: {name[:20]!r} … {TOO_LONG}")
    (images, found), masks = find_pictures(folder / "images"), find_masks(folder / "masks")
    remarks = found.passed_over()
    for name, file in masks.items():
        if name not in images:
            near = max((image for image in images if name.startswith(image)), key=len, default="")
            hint = f"; call it {near}.png, as its image" if near else ""
            raise ValueError(f"{file}: there is no image of that name{hint}")

    found_lists, others = _lists(folder)
    if others:
        named = ", ".join(map(repr, others[:8]))
        remarks.append(f"beside images and masks, and not read: {counted(len(others), 'name')}, as {named}")
    files = {part: found_lists[part] for part in PARTS if part in found_lists}
    lists = {part: read_names(file) for part, file in files.items()}
    for part, names in lists.items():
        require(names, images, files[part], "image")
        require(names if part != "train" else (), masks, files[part], "mask")
    listed = [name for names in lists.values() for name in names]
    if len(set(listed)) < len(listed):
        raise ValueError(f"{folder}: an image is in two of {', '.join(file.name for file in files.values())}")
    if "train" in lists and len(listed) < len(images):
        remarks.append(f"in no list, and not used: {counted(len(images) - len(listed), 'image')}")
    lists.setdefault("train", tuple(name for name in images if name not in set(listed)))
    if "val" not in lists:
        if len(scorable := sorted(name for name in lists["train"] if name in masks)) < 2:
            needed = "at least two training images need masks: one of them is scored"
            raise ValueError(f"{folder}: without val.txt, {needed}")
        drawn = random.Random(VAL_SEED).sample(scorable, max(1, round(VAL_SHARE * len(scorable))))
        lists["val"] = tuple(sorted(drawn))
        lists["train"] = tuple(name for name in lists["train"] if name not in set(lists["val"]))
        remarks.append(f"no val.txt: {counted(len(lists['val']), 'mask')} drawn to score, {VAL_SHARE:.0%} of all")

    with_mask = tuple(name for name in lists["train"] if name in masks)
    labeled = with_mask if len(with_mask) < len(lists["train"]) else None
    if "labeled" in found_lists:
        labeled = read_names(found_lists["labeled"])
        require(labeled, set(with_mask), folder / "labeled.txt", "training image with a mask")
    if not with_mask:
        raise ValueError(f"{folder}: no training image has a mask")
    return OwnFolder(classes, {part: lists[part] for part in PARTS if part in lists}, labeled, images, masks, remarks)


def _lists(folder: Path) -> tuple[dict[str, Path], list[str]]:
    """The lists that are there, by what they list, and what else is there, pictures last. A name that nearly is a
    list's would be a list that nobody reads: a ValueError. So is a folder for images that have no mask."""
    lists, others = {f"{part}.txt": part for part in (*PARTS, "labeled")}, []
    for entry in sorted(os.listdir(folder), key=lambda entry: (entry.lower().endswith(SUFFIXES), entry)):
        stem = re.sub(r"\s*(\.(txt|csv|lst))*[~\s]*$", "", entry.strip().lower())
        near = {"labelled": "labeled", "valid": "val", "validation": "val"}.get(stem, stem) + ".txt"
        if near in lists and entry != near and not (folder / entry).is_dir():
            raise ValueError(f"{folder / entry}: call it {near}")
        if entry.casefold().startswith("unlabel") and (folder / entry).is_dir():
            raise ValueError(f"{folder / entry}: images without a mask belong in 'images', with the others")
        if entry not in ("images", "masks", "classes.txt", *lists) and not is_hidden(entry):
            others.append(entry)
    return {part: folder / name for name, part in lists.items() if os.path.lexists(folder / name)}, others


def find_pictures(folder: Path) -> tuple[dict[str, Path], Found]:
    """Name without its ending → file of every image below ``folder``, and all that was found. A ValueError for what
    :mod:`~dmtlib.data.finding` refuses, and for two files of one name, such as a.jpg and a.png."""
    found = find(folder).require_whole()
    pictures: dict[str, Path] = {}
    for way, file in found.images.items():
        if (name := way.removesuffix(Path(way).suffix)) in pictures:
            raise ValueError(f"{file}: there is {pictures[name].name!r} as well")
        pictures[name] = file
    return pictures, found


def find_masks(folder: Path) -> dict[str, Path]:
    """The same for masks: a ValueError for a file that is neither a PNG nor hidden, too."""
    masks, found = find_pictures(folder)
    others = [name for why, name in found.left_out if why != "hidden"]
    for name in [*others, *(name for name in found.images if not name.lower().endswith(".png"))]:
        raise ValueError(f"{folder / name}: a mask must be a PNG, which keeps ids exactly; nothing else may lie there")
    return masks


def read_names(file: Path) -> tuple[str, ...]:
    """A list of images, as :func:`read_lines` has it. Names may have folders; a ValueError, if one leads outside."""
    names = read_lines(file)
    for name in names:
        if name.startswith("/") or "\\" in name or ".." in PurePosixPath(name).parts:
            raise ValueError(f"{file}: {name!r} leads outside the folder of images")
    return names


def read_lines(file: Path) -> tuple[str, ...]:
    """Lines, stripped. A ValueError of one line names the file, if it is unreadable or without a line, or has one
    twice, or what may count or not: an empty one, or one with an end in it that Unicode knows, and editors don't."""
    try:
        text = read_bytes(file).decode("utf-8-sig")  # Windows puts a mark before it
    except UnicodeDecodeError:
        raise ValueError(f"{file}: is not UTF-8: save it as such") from None
    if not text.strip():
        raise ValueError(f"{file}: is empty")
    lines: dict[str, int] = {}
    for number, line in enumerate(re.split("\r\n|\n|\r", text.rstrip()), 1):
        if len(parts := line.strip().splitlines()) != 1:
            what = "is empty, and would count" if not parts else f"has {line!r}, which looks like {len(parts)} lines"
            raise ValueError(f"{file}: line {number} {what}: one a line, and none between")
        if (name := nfc(line.strip())) in lines:
            raise ValueError(f"{file}: {name!r} is there twice")
        lines[name] = number
    return tuple(lines)


def require(names: Iterable[str], there: Container[str], file: Path, what: str) -> None:
    """Every one of the ``names`` that ``file`` lists is ``there``; a ValueError names the first that is not."""
    for name in names:
        if name not in there:
            plain = PurePosixPath(name)  # without ./ before it
            near = next((str(n) for n in (plain, plain.with_suffix("")) if str(n) in there), "")
            raise ValueError(f"{file}: there is no {what} named {name!r}{f'; write {near!r}' if near else ''}")
