"""What B was taught in the last phase of a recorded run, of two scenes: pictures kept by tools/store_lesson.py.

The scenes are those of :func:`chosen`: nobody picked them by what they show.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image
from torch import Tensor

from dmtlib.data.pixels.datasets import load_scenes
from dmtlib.data.pixels.masks import VOID, decode_mask
from dmtlib.records.store import load_records, record_path

from .mutual_training import Lessons, fewest_wrong_first
from .stored_predictions import record_hash

PROVENANCE = "lesson.json"
LEVELS = 255  # of a stored weight


class Lesson(NamedTuple):
    """Some scenes as a model is taught them; ``weights`` are 0 where a label is ignored."""

    classes: tuple[str, ...]
    images: UInt8[Tensor, "N 3 H W"]
    truth: UInt8[Tensor, "N H W"]
    labels: UInt8[Tensor, "N H W"]
    weights: Float[Tensor, "N H W"]

    @property
    def wrong(self) -> Tensor:
        return (self.labels != self.truth) & (self.truth != VOID)


def chosen(taught: Lessons) -> list[int]:
    """Of all scenes, ordered by how many labels are wrong, those at one and at two thirds."""
    order = fewest_wrong_first(taught).tolist()
    return [order[len(order) // 3], order[2 * len(order) // 3]]


def load_lesson(results: Path, preset: str = "scenes", seed: int = 0, budget: float = 1.0) -> Lesson | None:
    """What is stored beside the record of DMT with this seed; None if nothing is.

    Raises:
        ValueError: it is of another run, or damaged.
    """
    records: list[dict[str, Any]] = load_records(results, preset, "dmt", budget)
    record = next((r for r in records if r["seed"] == seed), None)
    folder = None if record is None else record_path(results, record).with_suffix("")
    if folder is None or not (folder / PROVENANCE).is_file():
        return None
    provenance = json.loads((folder / PROVENANCE).read_text(encoding="utf-8"))
    if provenance["record_sha256"] != record_hash(record):
        raise ValueError(f"{folder} has a lesson of another run than the record beside it; store it anew")
    data = load_scenes(record["config"]["data"])
    training = data.parts["train"]
    places = [training.names.index(name) for name in provenance["images"]]
    size, labels, weights = tuple(training.masks.shape[1:]), [], []
    for name in provenance["images"]:
        file = folder / f"lesson-{name}-label.png"
        labels.append(decode_mask(file.read_bytes(), str(file), size, len(data.classes)))
        weights.append(np.asarray(Image.open(folder / f"lesson-{name}-weight.png")) / LEVELS)
    return Lesson(
        data.classes,
        training.images[places],
        training.masks[places],
        torch.from_numpy(np.stack(labels)),
        torch.from_numpy(np.stack(weights)).float(),
    )
