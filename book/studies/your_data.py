"""Folders as a reader might bring them, made from what is at hand: scanned digits, and generated scenes with signs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from jaxtyping import UInt8
from PIL import Image
from torch import Tensor

from dmtlib.data.images.datasets import load_digits
from dmtlib.data.images.folders import UNLABELED
from dmtlib.data.images.splits import split_labeled
from dmtlib.data.pixels.masks import VOID, encode_mask
from dmtlib.data.pixels.scenes import generate_scenes
from dmtlib.data.whole_folder import write_file, write_lines

SCENES_SEED = 12
SIGN_CLASSES = ("background", "sign")


def make_image_folder(folder: Path, labels: int = 40, seed: int = 0) -> Path:
    """scikit-learn's digits as PNGs: some with their class, the other training images without, and test images.

    Args:
        labels: how many training images lie in the folder of their class; the others lie in ``unlabeled``.
        seed: which ones.
    """
    digits = load_digits()
    split = split_labeled(digits.train_labels, labels, seed)
    parts = [
        ("train", split.labeled, digits.train_images, digits.train_labels),
        ("test", torch.arange(len(digits.test_labels)), digits.test_images, digits.test_labels),
    ]
    for part, indices, images, classes in parts:
        for i in indices.tolist():
            write_picture(folder / part / digits.classes[classes[i]] / f"{i:04}.png", images[i])
    for i in split.unlabeled.tolist():
        write_picture(folder / "train" / UNLABELED / f"{i:04}.png", digits.train_images[i])
    return folder


def make_mask_folder(folder: Path, labels: int = 8, unlabeled: int = 60, held_out: int = 30) -> Path:
    """Generated scenes as PNGs; masks, which tell signs from background, for the labeled and the held-out ones."""
    digits = load_digits()
    count = labels + unlabeled + held_out
    images, masks = generate_scenes(count, digits.train_images[:, 0], digits.train_labels, SCENES_SEED)
    signs = torch.where(masks == VOID, VOID, (masks > 0).to(torch.uint8))
    names = [f"scene-{i:03}" for i in range(count)]
    for i, name in enumerate(names):
        write_picture(folder / "images" / f"{name}.png", images[i])
        if not labels <= i < labels + unlabeled:
            write_file(folder / "masks" / f"{name}.png", encode_mask(signs[i].numpy()))
    write_lines(folder / "val.txt", names[labels + unlabeled :])
    write_lines(folder / "classes.txt", SIGN_CLASSES)
    return folder


def write_picture(file: Path, image: UInt8[Tensor, "C H W"]) -> None:
    """A grey or RGB PNG, and the folders that its name asks for."""
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image.permute(1, 2, 0).squeeze(2).numpy()).save(file)


def refusal(call: Callable, *arguments: Any, **options: Any) -> str:
    """What a call says that cannot be carried out; nothing, if it can."""
    try:
        call(*arguments, **options)
    except ValueError as error:
        return str(error)
    return ""
