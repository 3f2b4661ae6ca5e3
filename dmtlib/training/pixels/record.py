"""What is written down of a run on pixels: each model of a phase, and the better of the last two at the end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from ..provenance import circumstances
from .config import SegmentationConfig

CHOSEN_ON = "val"
"""The part on which the better of the two last models is chosen (Alg. 2, line 16). Data with a test part are scored on
that; VOC and Cityscapes, as in the paper, on the same images. The record has the mean IoU of both models."""


def model_record(
    *,
    labeled_by: str | None,
    kept: Sequence[int] | None,
    error: float | None,
    scores: dict[str, Any],
    steps: int,
    statistics: dict[str, Any],
    best_step: int | None = None,
) -> dict[str, Any]:
    """A model's finished phase: who labeled for it, how well, how good it became, and the means over its steps.

    Args:
        kept: pseudo-labeled pixels of each class.
        error: share of wrong ones among them, in percent.
        scores: see :func:`~dmtlib.training.pixels.evaluation.measure_segmentation`.
        best_step: the step whose weights were best on val and are scored here; None: the last.
    """
    return {
        "labeled_by": labeled_by,
        "pseudo_labels": sum(kept) if kept else 0,
        "pseudo_labels_by_class": list(kept) if kept else None,
        "pseudo_label_error": error,
        **scores,
        "steps": steps,
        **({} if best_step is None else {"best_step": best_step}),
        **statistics,
    }


def segmentation_record(
    config: SegmentationConfig,
    phases: Sequence[dict[str, Any]],
    split: dict[str, Any],
    seconds: float,
    device: torch.device,
) -> dict[str, Any]:
    """A finished run: F = best(A, B) of the last phase (Alg. 2, line 16), and all that the number depends on.

    Args:
        phases: ``alpha`` and the ``models`` of each.
        split: the contents of ``split.json``.
        seconds: spent on this run, by all processes that had a part in it.
    """
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
