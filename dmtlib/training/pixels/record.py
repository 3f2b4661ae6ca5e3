"""What is written down of a run on pixels: all phases, and the better of the last two models."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from ..provenance import circumstances
from .config import SegmentationConfig

CHOSEN_ON = "val"
"""The part on which the better of the two last models is chosen (Alg. 2, line 16). Data with a test part are scored on
that; VOC and Cityscapes, as in the paper, on the same images. The record has the mean IoU of both models."""


def segmentation_record(
    config: SegmentationConfig,
    phases: Sequence[dict[str, Any]],
    split: dict[str, Any],
    seconds: float,
    device: torch.device,
) -> dict[str, Any]:
    """A finished run: F = best(A, B) of the last phase (Alg. 2, line 16), and all that the number depends on. Of each
    phase ``alpha`` and its ``models``; of ``split`` and ``seconds`` see :func:`.provenance.circumstances`."""
    last = phases[-1]["models"]
    best = max(last, key=lambda name: last[name][f"{CHOSEN_ON}_mean_iou"])  # A, if equal
    scored_on = "test" if "test_mean_iou" in last[best] else CHOSEN_ON
    steps = sum(model["steps"] for phase in phases for model in phase["models"].values())
    return {
        "preset": config.preset,
        "method": config.method,
        "seed": config.seed,
        "mean_iou": last[best][f"{scored_on}_mean_iou"],
        "class_iou": last[best][f"{scored_on}_class_iou"],
        "scored_on": scored_on,
        "best": best,
        "best_chosen_on": CHOSEN_ON,
        "phases": phases,
        **circumstances(config, split, steps, seconds, device),
    }
