"""Tensors in files that are whole or absent, and checked when they are read."""

from __future__ import annotations

import os
import pickle
import warnings
import zipfile
from pathlib import Path

import torch

from ..files import whole_file


def save_tensors(path: Path, state: dict) -> None:
    """torch.save, whole or not at all. Only tensors and plain values, so that :func:`load_tensors` can read them."""
    with whole_file(path) as file:
        torch.save(state, file)


def load_tensors(path: Path, device: torch.device | str = "cpu") -> dict | None:
    """Read what :func:`save_tensors` wrote, with ``weights_only=True``; None where there is no such file.

    A damaged file (torch.load itself does not look at the checksums that it wrote) is set aside under another
    name, with a warning, and counts as absent.
    """
    if not path.exists():
        return None
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
        if damaged is None:
            return torch.load(path, map_location=device, weights_only=True)
        reason = f"checksum of {damaged} is wrong"
    except (zipfile.BadZipFile, RuntimeError, EOFError, OSError, ValueError, pickle.UnpicklingError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    aside = _free_name(path)
    os.replace(path, aside)
    warnings.warn(f"{path} is damaged ({reason}); set aside as {aside.name}", stacklevel=2)
    return None


def _free_name(path: Path) -> Path:
    n = 1
    while (aside := path.with_name(f"{path.name}.damaged-{n}")).exists():
        n += 1
    return aside
