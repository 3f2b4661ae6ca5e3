"""What recorded models make of a few fixed images: pictures beside the record, kept by tools/store_predictions.py.

The images are those of :func:`shown`, spread evenly over the list of names: nobody chose them by what they show.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from jaxtyping import UInt8
from torch import Tensor

from dmtlib.data.pixels.masks import decode_mask
from dmtlib.records.store import record_path

IMAGES = 6
PROVENANCE = "predictions.json"


def shown(names: Sequence[str]) -> list[int]:
    """Indices of the images that are kept: the first, and five more at equal distances; all, if there are fewer."""
    count = min(IMAGES, len(names))
    return [i * len(names) // count for i in range(count)]


def load_predictions(
    results: Path, record: dict[str, Any], size: tuple[int, int]
) -> dict[str, UInt8[Tensor, "H W"]] | None:
    """The stored predictions of a record's run by image, in the order of the list; None if there are none.

    Args:
        size: height and width of the images.

    Raises:
        ValueError: they are of another run, or damaged.
    """
    folder = record_path(results, record).with_suffix("")
    if not (folder / PROVENANCE).is_file():
        return None
    provenance = json.loads((folder / PROVENANCE).read_text(encoding="utf-8"))
    if provenance["record_sha256"] != record_hash(record):
        raise ValueError(f"{folder} has predictions of another run than the record beside it; store them anew")
    classes, found = len(record["class_iou"]), {}
    for name in provenance["images"]:
        file = folder / f"{name}.png"
        content = file.read_bytes() if file.is_file() else b""
        found[name] = torch.from_numpy(decode_mask(content, str(file), size, classes))
    return found


def record_hash(record: dict[str, Any]) -> str:
    """SHA-256 of a record, however its file is laid out."""
    return hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()
