"""Any folder or archive of images, one folder a class, as tensors: `--data folder:PATH`, and CIFAR-10's mirrors."""

from collections.abc import Collection
from pathlib import Path, PurePosixPath

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor
from tqdm.auto import tqdm

from ...words import counted, printable
from ..archives import read_files
from ..entry import FACTS, facts, fits_in_memory, pack_all, read_all, remarks, side_by_side
from ..finding import NAMES, SUFFIXES, UNLABELED, Found, find, is_almost_unlabeled
from ..pictures import picture, read_bytes
from .packed import UNKNOWN, ImageFile, PackedImages

PARTS = ("train", "test")
MAX_SIDE = 4096
TEST_SHARE = 0.2  # of each class, where there is no test/
TEST_SEED = 0  # the images set apart never change with a run's seed


def read_own_images(
    path: str | Path, side: int = 32, *, resize: bool = True, progress: bool = False
) -> tuple[PackedImages, Found]:
    """Read a user's own images, of any format of :data:`~dmtlib.data.finding.FORMATS`, of any size, colour or grey, as
    (N, 3, side, side) uint8; also what was found there, with remarks on it.

    Two layouts: ``train/<class>/*`` with ``test/<class>/*``, or ``<class>/*`` alone (also inside ``train/``, or below
    one common folder). Without ``test/``, a fifth of each class, at least one image, is set apart as the test set,
    always the same one. Images in a folder ``unlabeled`` beside the training classes get the label −1. Classes, and
    images within a class, are in alphabetical order.

    Args:
        path: a folder, or a .tar, .tar.gz, .tar.xz or .zip archive.
        side: the shorter side is brought to this many pixels, antialiased, and the middle is kept.
        resize: False refuses an image of another size.
        progress: show a progress bar on a terminal.

    A folder that memory shouldn't hold (:func:`~dmtlib.data.entry.fits_in_memory`) is an :class:`.packed.ImageFile`.
    A ValueError of one line names the file, where a path or an image is unreadable, the layout is another, a class has
    no training or no test image, there are fewer than two, or an argument is out of range."""
    if not 1 <= side <= MAX_SIDE:
        raise ValueError(f"side must lie in 1…{MAX_SIDE} pixels, got {side}")
    dtype = np.dtype([*FACTS, ("pixels", "u1", (3, side, side))])

    def row(name: str, content: bytes) -> tuple:
        image = picture(content, f"{path}: {name!r}")
        if not resize and image.size != (side, side):
            raise ValueError(f"{path}: {name!r} is {image.width}×{image.height} pixels, not {side}×{side}")
        return *facts(image), square(image, side)

    if Path(path).is_dir():
        found = find(Path(path)).require_whole()
        files = [*found.images.items()]
        sources = [(*file, resize) for file in files]
        how = (lambda i: row(files[i][0], read_bytes(files[i][1])), sources, dtype, str(path), progress)
        if fits_in_memory(total := len(files) * dtype.itemsize):
            made = read_all(*how)
            pixels = torch.from_numpy(made["pixels"])
        else:
            made, file = pack_all(*how)
            pixels = ImageFile(file, torch.arange(len(made)), (3, side, side))
            found.remarks.append(f"more than memory should hold: {total / 1e9:.1f} GB are read from {file.name}")
    else:
        found = Found(str(path))
        bar = tqdm(read_files(path, SUFFIXES, found), desc=printable(Path(path).name), disable=not progress or None)
        made = np.array([*side_by_side(lambda file: (b"", *row(*file)), bar)], dtype)
        pixels = torch.from_numpy(made["pixels"])
    if not len(made):
        raise ValueError(f"{path}: no {NAMES} image in class folders; in it: {found.others()}")
    rows = dict(zip(found.images, made, strict=True))
    classes, members = _arrange(found)
    labels = ((part, label, name) for part in PARTS for label, names in members[part].items() for name in names)
    places = {name: (part, label.replace(UNLABELED, "")) for part, label, name in labels}
    found.remarks += remarks(rows, places) + found.passed_over()
    tensors = {part: _stack(pixels, [*rows], members[part], classes) for part in PARTS}
    return PackedImages(classes, *tensors["train"], *tensors["test"], source=found.where), found


def square(image: Image.Image, side: int) -> np.ndarray:
    """The middle of one picture as uint8 (3, side, side), as :func:`read_own_images` brings it to that size."""
    if image.size != (side, side):
        image = ImageOps.fit(image, (side, side), method=Image.Resampling.BICUBIC)
    return np.asarray(image).transpose(2, 0, 1)


def _arrange(found: Found) -> tuple[tuple[str, ...], dict[str, dict[str, list[str]]]]:
    """Classes, and the names of images by part and class, of which UNLABELED is one more."""
    source = found.where
    below = _below_common_folder(found.images)
    _check_folders(found, below)
    places = {name: _place(parts, source) for name, parts in below.items()}
    classes = tuple(sorted({label for part, label in places.values() if part == "train" and label != UNLABELED}))
    if {"images", "masks"} <= {label.casefold() for label in classes}:
        hint = "choose a preset on pixels, such as scenes-small"
        raise ValueError(f"{source}: images and masks lie in it, no classes: {hint}")
    if len(classes) < 2:
        raise ValueError(f"{source}: at least two class folders are needed, found {', '.join(classes) or 'none'}")
    members = {part: {label: [] for label in (*classes, UNLABELED)} for part in PARTS}
    for name, (part, label) in sorted(places.items()):
        if label not in classes and (part, label) != ("train", UNLABELED):
            raise ValueError(f"{source}: {name!r} is of a class that no training image has")
        members[part][label].append(name)
    if not any(members["test"].values()):
        _set_test_apart(members, classes, source)
        drawn = counted(sum(map(len, members["test"].values())), "image")
        found.remarks.append(f"no image in a folder 'test': {drawn} drawn to test on, {TEST_SHARE:.0%} of each class")
    for part, label in ((part, label) for part in PARTS for label in classes if not members[part][label]):
        raise ValueError(f"{source}: class {label!r} has no {part} image")
    return classes, members


def _check_folders(found: Found, below: dict[str, tuple[str, ...]]) -> None:
    """Where classes stand, every folder has an image, and none is almost called :data:`UNLABELED`."""
    filled = {str(folder) for name in below for folder in PurePosixPath(name).parents}
    name, parts = next(iter(below.items()))
    top = name.split("/")[: -len(parts)]
    in_parts = any(parts[0] in PARTS for parts in below.values())
    for folder in sorted(found.folders):
        *above, label = folder.split("/")
        there = f"{found.where}: {folder!r}"
        if len(above) < len(top) and above == top[: len(above)] and folder not in filled:
            raise ValueError(f"{there} has no image, all lie in {'/'.join(top)!r}: give that folder alone")
        if above[: len(top)] != top or len(above) != len(top) + in_parts or (in_parts and above[-1] not in PARTS):
            continue
        if is_almost_unlabeled(label):
            raise ValueError(f"{there}: call it {UNLABELED!r}, if its images have no class")
        if folder not in filled:
            others = found.others(f"{folder}/")
            raise ValueError(f"{there} stands for a class, and has no {NAMES} image; in it: {others}")


def _below_common_folder(images: Collection[str]) -> dict[str, tuple[str, ...]]:
    """Each name's parts, without the folders that all images share (an archive's own top folder, as a rule)."""
    paths = {name: tuple(name.split("/")) for name in images}
    while all(len(parts) > 2 for parts in paths.values()):
        if len(first := {parts[0] for parts in paths.values()}) > 1 or first <= {*PARTS}:
            break
        paths = {name: parts[1:] for name, parts in paths.items()}
    return paths


def _place(parts: tuple[str, ...], source: str) -> tuple[str, str]:
    """Part and class of one image. No class is called as a part is, in capitals or not."""
    if len(parts) == 3 and parts[0] in PARTS:
        return parts[0], parts[1]
    if len(parts) == 2 and parts[0].casefold() not in PARTS:
        return "train", parts[0]
    layouts = "train/<class>/<image> nor test/<class>/<image> nor <class>/<image>"
    raise ValueError(f"{source}: {'/'.join(parts)!r} is neither {layouts}")


def _set_test_apart(members: dict, classes: tuple[str, ...], source: str) -> None:
    for index, label in enumerate(classes):
        if len(names := members["train"][label]) < 2:
            raise ValueError(f"{source}: class {label!r} needs two images or more: one of them is set apart as test")
        count = min(max(round(TEST_SHARE * len(names)), 1), len(names) - 1)
        test = set(np.random.default_rng([TEST_SEED, index]).permutation(len(names))[:count].tolist())
        members["test"][label] = [name for i, name in enumerate(names) if i in test]
        members["train"][label] = [name for i, name in enumerate(names) if i not in test]


def _stack(pixels: Tensor | ImageFile, order: list[str], members: dict[str, list[str]], classes: tuple[str, ...]):
    """Images and labels of one part, class after class, the unlabeled ones last."""
    numbers = {label: index for index, label in enumerate(classes)} | {UNLABELED: UNKNOWN}
    names = [(name, number) for label, number in numbers.items() for name in members[label]]
    places = {name: place for place, name in enumerate(order)}
    return pixels[torch.tensor([places[name] for name, _ in names])], torch.tensor([number for _, number in names])
