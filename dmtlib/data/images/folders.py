"""Any folder or archive of images, one folder a class, as tensors: `--data folder:PATH`, and CIFAR-10's mirrors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from tqdm.auto import tqdm

from ..archives import read_files
from ..pictures import SUFFIXES, opened
from .packed import UNKNOWN, PackedImages

PARTS = ("train", "test")
MAX_SIDE = 4096
UNLABELED = "unlabeled"
"""The folder beside the classes of the training images whose images have no label."""


def read_image_folder(
    path: str | Path, side: int = 32, *, test_share: float = 0.2, seed: int = 0, progress: bool = False
) -> PackedImages:
    """Read a user's own images, PNG or JPEG of any size, colour or grey, as (N, 3, side, side) uint8.

    Two layouts: ``train/<class>/*`` with ``test/<class>/*``, or ``<class>/*`` alone (also inside ``train/``, or below
    one common folder). Without ``test/``, a seeded share of each class is set apart as the test set. Images in a
    folder ``unlabeled`` beside the training classes get the label −1. Classes, and images within a class, are in
    alphabetical order.

    Args:
        path: a folder, or a .tar, .tar.gz, .tar.xz or .zip archive.
        side: the shorter side is brought to this many pixels, antialiased, and the middle is kept.
        test_share: of each class, in (0, 1); used only where there is no ``test/``. At least one image a class.
        seed: draws that share; the same seed, the same test set.
        progress: show a progress bar on a terminal.

    Raises:
        ValueError: an unreadable path or image, a layout other than these two, fewer than two classes, a class without
            training or test images, or an argument out of range. One line, naming the file.
    """
    if not 1 <= side <= MAX_SIDE:
        raise ValueError(f"side must lie in 1…{MAX_SIDE} pixels, got {side}")
    images = read_images(path, side, progress=progress)
    return arrange_images(images, str(path), test_share=test_share, seed=seed)


def read_images(path: str | Path, side: int, *, resize: bool = True, progress: bool = False) -> dict[str, np.ndarray]:
    """Decode every PNG and JPEG below ``path``: name → uint8 (3, side, side).

    Args:
        resize: False refuses an image of another size instead.

    Raises:
        ValueError: as :func:`read_image_folder`.
    """
    images: dict[str, np.ndarray] = {}
    files = read_files(path, SUFFIXES)
    for name, content in tqdm(files, desc=Path(path).name, unit=" images", disable=None if progress else True):
        if name in images:
            raise ValueError(f"{path}: {name!r} is there twice")
        images[name] = decode_square(f"{path}: {name!r}", content, side, resize=resize)
    if not images:
        raise ValueError(f"{path}: no PNG or JPEG image in class folders")
    return images


def decode_square(name: str, content: bytes, side: int, *, resize: bool = True) -> np.ndarray:
    """The middle of one picture as uint8 (3, side, side), as :func:`read_image_folder` brings it to that size.

    Args:
        name: of the file, for the error.

    Raises:
        ValueError: as :func:`read_images`; one line that begins with ``name``.
    """
    with opened(content, name) as image:
        if not resize and image.size != (side, side):
            raise ValueError(f"is {image.width}×{image.height} pixels, not {side}×{side}")
        if image.mode.startswith(("I", "F")):
            raise ValueError(f"has more than 8 bits a channel (mode {image.mode})")
        image.load()
        image = ImageOps.exif_transpose(image).convert("RGB")
    if image.size != (side, side):
        image = ImageOps.fit(image, (side, side), method=Image.Resampling.BICUBIC)
    return np.asarray(image).transpose(2, 0, 1)


def arrange_images(
    images: dict[str, np.ndarray], source: str, *, test_share: float = 0.2, seed: int = 0
) -> PackedImages:
    """Turn names into classes and parts, as :func:`read_image_folder` says, and refuse what it refuses."""
    if not 0 < test_share < 1:
        raise ValueError(f"test_share must lie in (0, 1), got {test_share}")
    places = {name: _place(parts, source) for name, parts in _below_common_folder(images).items()}
    classes = tuple(sorted({label for part, label in places.values() if part == "train" and label != UNLABELED}))
    if len(classes) < 2:
        raise ValueError(f"{source}: at least two class folders are needed, found {', '.join(classes) or 'none'}")
    members = {part: {label: [] for label in (*classes, UNLABELED)} for part in PARTS}
    for name in sorted(places):
        part, label = places[name]
        if label not in classes and (part, label) != ("train", UNLABELED):
            raise ValueError(f"{source}: {name!r} is of a class that no training image has")
        members[part][label].append(name)
    if not any(members["test"].values()):
        _set_test_apart(members, classes, test_share, seed, source)
    for part in PARTS:
        for label in classes:
            if not members[part][label]:
                raise ValueError(f"{source}: class {label!r} has no {part} image")
    tensors = {part: _stack(images, members[part], classes) for part in PARTS}
    return PackedImages(classes, *tensors["train"], *tensors["test"], source=source)


def _below_common_folder(images: dict[str, np.ndarray]) -> dict[str, tuple[str, ...]]:
    """Each name's parts, without the folders that all images share (an archive's own top folder, as a rule)."""
    paths = {name: tuple(name.split("/")) for name in images}
    while len({parts[0] for parts in paths.values()}) == 1 and all(len(parts) > 2 for parts in paths.values()):
        if next(iter(paths.values()))[0] in PARTS:
            break
        paths = {name: parts[1:] for name, parts in paths.items()}
    return paths


def _place(parts: tuple[str, ...], source: str) -> tuple[str, str]:
    """Part and class of one image."""
    if len(parts) == 3 and parts[0] in PARTS:
        return parts[0], parts[1]
    if len(parts) == 2 and parts[0] not in PARTS:
        return "train", parts[0]
    raise ValueError(
        f"{source}: {'/'.join(parts)!r} is neither train/<class>/<image> nor test/<class>/<image> nor <class>/<image>"
    )


def _set_test_apart(members: dict, classes: tuple[str, ...], test_share: float, seed: int, source: str) -> None:
    for index, label in enumerate(classes):
        names = members["train"][label]
        if len(names) < 2:
            raise ValueError(f"{source}: class {label!r} needs two images or more: one of them is set apart as test")
        count = min(max(round(test_share * len(names)), 1), len(names) - 1)
        test = set(np.random.default_rng([seed, index]).permutation(len(names))[:count].tolist())
        members["test"][label] = [name for i, name in enumerate(names) if i in test]
        members["train"][label] = [name for i, name in enumerate(names) if i not in test]


def _stack(images: dict[str, np.ndarray], members: dict[str, list[str]], classes: tuple[str, ...]):
    """Images and labels of one part, class after class, the unlabeled ones last."""
    names = [name for label in (*classes, UNLABELED) for name in members[label]]
    numbers = {label: index for index, label in enumerate(classes)} | {UNLABELED: UNKNOWN}
    labels = [numbers[label] for label in (*classes, UNLABELED) for _ in members[label]]
    return torch.from_numpy(np.stack([images[name] for name in names])), torch.tensor(labels)
