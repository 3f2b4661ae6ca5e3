"""The judgement of :mod:`.readiness`, made from run directories; and the records that its rule of thumb comes from."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import torch
from torch import Tensor, nn

from dmtlib.data.images.datasets import ClassificationData
from dmtlib.data.pixels.datasets import SegmentationData
from dmtlib.data.pixels.images import ListedImages, StoredImages
from dmtlib.data.pixels.masks import VOID
from dmtlib.presets import SEGMENTATION_PRESETS
from dmtlib.records.comparison import Spread
from dmtlib.records.store import load_records, score
from dmtlib.training.directory import RunDirectory
from dmtlib.training.images.evaluation import predict
from dmtlib.training.images.stored import phase_model
from dmtlib.training.pixels.evaluation import predict_images
from dmtlib.training.pixels.stored import phase_segmenter

from .readiness import Answers, Readiness, assess
from .recorded import mean_of_models

PIXEL_STRIDE = 4  # every 4th row and column: neighbouring pixels tell the same


def assess_images(data: ClassificationData, first: RunDirectory, second: RunDirectory | None = None) -> Readiness:
    """Judge the baseline of a run by the test images; ``second`` has another seed, and the same labels.

    Raises:
        RunError: a run without a finished phase 0.
    """
    unlabeled = torch.ones(len(data.train_labels), dtype=torch.bool)
    unlabeled[first.split["labeled"] + first.split["validation"]] = False

    def answers(run: RunDirectory) -> Answers:
        images = (data.test_images, data.train_images[unlabeled])
        return Answers(*(predict(phase_model(run, 0), part, data.mean, data.std) for part in images))

    other = None if second is None else answers(second)
    return assess(answers(first), data.test_labels, data.classes, other)


def assess_pixels(data: SegmentationData, run: RunDirectory) -> Readiness:
    """Judge the two first models of a run of DMT by the masks of ``val``; of a method with one model, that one.

    Raises:
        RunError: a run without a finished phase 0.
    """
    train, held_out = data.parts["train"], data.parts["val"]
    labeled = set(run.split["labeled"])
    unlabeled = [i for i, name in enumerate(train.names) if name not in labeled]
    truth = torch.cat([_thin(held_out.mask(i)).flatten() for i in range(len(held_out))]).long()
    known = truth != VOID

    def answers(name: str) -> Answers:
        model = phase_segmenter(run, 0, name)
        return Answers(_pixels(model, held_out, range(len(held_out)))[known], _pixels(model, train, unlabeled))

    first, *others = (answers(name) for name in run.load_phase(0)["models"])
    return assess(first, truth[known], data.classes, *others, pixels=True)


def first_error_and_gain(results: Path, presets: Sequence[str], other: str = "baseline") -> pd.DataFrame:
    """From records of DMT, seed by seed: how many of its first pseudo labels were wrong, and its gain on ``other``.

    Both in percent: the error as the run measured it on the unlabeled data, the gain in points. On pixels CBST stands
    for CL, whose rule it has, and DMT's number is the mean of its two models: the better one is chosen by the score.
    """
    rows = []
    for name in presets:
        method = "cbst" if other == "cl" and name in SEGMENTATION_PRESETS else other
        baselines = {record["seed"]: score(record) for record in load_records(results, name, method)}
        records = load_records(results, name, "dmt")
        for record in mean_of_models(records) if name in SEGMENTATION_PRESETS else records:
            phase = record["phases"][1]
            errors = [model["pseudo_label_error"] for model in phase.get("models", {"only": phase}).values()]
            if record["seed"] in baselines and None not in errors:
                gain = score(record) - baselines[record["seed"]]
                rows.append({"preset": name, "seed": record["seed"], "error": sum(errors) / len(errors), "gain": gain})
    return pd.DataFrame(rows, columns=["preset", "seed", "error", "gain"])


def told_by_seeds(points: pd.DataFrame, first: str, second: str) -> str:
    """Which method is ahead on which set: by 95% t-intervals, and where those can't tell, by all seeds' agreement."""
    told: dict[str, list[str]] = {first: [], second: []}
    agreed: dict[str, list[str]] = {"above": [], "below": []}
    for name, group in points.groupby("preset", sort=False):
        gains, words = group["gain"], f"`{name}` (n = {len(group)})"
        low, high = Spread.of(gains.tolist()).interval()
        if low > 0 or high < 0:
            told[first if low > 0 else second].append(words)
        elif len(gains) > 1 and ((gains > 0).all() or (gains < 0).all()):
            agreed["above" if gains.iloc[0] > 0 else "below"].append(words)
    if not len(points):
        return "Not run."
    ahead = [f"{method} is ahead on {', '.join(sets)}" for method, sets in told.items() if sets]
    agreeing = [f"{side} {second} on every seed of {', '.join(sets)}" for side, sets in agreed.items() if sets]
    found = f"{' and '.join(ahead)}; on the other sets they can't tell" if ahead else "they can't tell on any set"
    besides = f" {first} is {' and '.join(agreeing)}." if agreeing else ""
    return f"**{first} and {second}**, by these seeds' 95% intervals: {found}.{besides}"


def _thin(values: Tensor) -> Tensor:
    return values[..., ::PIXEL_STRIDE, ::PIXEL_STRIDE]


def _pixels(model: nn.Module, images: ListedImages | StoredImages, indices: Sequence[int]) -> Tensor:
    """Probabilities (n, C) of some pixels of all images."""
    return torch.cat([_thin(p).flatten(1).T for p in predict_images(model, images, indices)])
