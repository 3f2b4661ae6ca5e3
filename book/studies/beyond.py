"""What labels gain when several views of an image, or two models, are asked in the place of one look."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from dmtlib.data.images.augment import WEAK
from dmtlib.data.images.datasets import load_dataset
from dmtlib.data.images.splits import split_labeled
from dmtlib.presets import preset
from dmtlib.records.comparison import NAMES, NOT_RUN, Spread, difference_cell, paired_differences, signed
from dmtlib.records.store import load_records, score
from dmtlib.training.images.evaluation import Views, predict
from dmtlib.training.seeding import derive_seed

from .baselines import fresh_model
from .disagreement import one_thread
from .pseudo_labels import Labeling, error_in_top, labeling_of

KEPT = (0.2, 0.4, 0.6, 0.8, 1.0)


@one_thread()
def labelings(
    name: str, seeds: Iterable[int], counts: Sequence[int], budget: float = 1.0
) -> dict[int, list[Labeling]]:
    """By number of views: what the baselines of some seeds say of their unlabeled images, by the mean over the views.
    The views are those that a run of that seed would draw before its first phase on pseudo labels."""
    found: dict[int, list[Labeling]] = {count: [] for count in counts}
    for seed in seeds:
        config = preset(name, "baseline", seed, budget)
        data = load_dataset(config.data)
        model = fresh_model(name, seed, budget)
        split = split_labeled(data.train_labels, config.num_labels, seed, config.validation)
        images, truth = data.train_images[split.unlabeled], data.train_labels[split.unlabeled]
        for count in counts:
            views = Views(count, WEAK[config.augmentation], derive_seed(seed, "views", 1))
            found[count].append(labeling_of(predict(model, images, data.mean, data.std, views).cpu(), truth))
    return found


def error_by_views(found: dict[int, list[Labeling]]) -> pd.DataFrame:
    """The error among the most confident labels, and the calibration error, in percent; means over the seeds."""
    rows = {}
    for count, seeds in found.items():
        errors = sum(error_in_top(labeling, KEPT)["error"] for labeling in seeds) / len(seeds)
        gap = sum(calibration_error(labeling.confidence, ~labeling.wrong) for labeling in seeds) / len(seeds)
        rows[count] = {**{f"top {kept:.0%}": error for kept, error in errors.items()}, "ECE": gap}
    return pd.DataFrame(rows).T.rename_axis("views")


def reliability(confidence: Float[Tensor, " n"], right: Bool[Tensor, " n"], bins: int = 10) -> pd.DataFrame:
    """Of the labels in each of ``bins`` equal intervals of confidence: how many, their mean confidence, and how many
    of them are right, in percent. An empty interval has no row."""
    places = (confidence.double() * bins).long().clamp(max=bins - 1)
    rows = []
    for place in range(bins):
        here = places == place
        if here.any():
            said, true = confidence[here].double().mean().item(), right[here].double().mean().item()
            rows.append({"labels": int(here.sum()), "confidence": 100 * said, "right": 100 * true})
    return pd.DataFrame(rows)


def calibration_error(confidence: Float[Tensor, " n"], right: Bool[Tensor, " n"], bins: int = 15) -> float:
    """The expected calibration error in percent: how far confidence and share of right labels are apart, weighed by
    the number of labels in each of 15 intervals (Guo et al. 2017, Eq. 3)."""
    table = reliability(confidence, right, bins)
    apart = (table["confidence"] - table["right"]).abs()
    return float((apart * table["labels"]).sum() / table["labels"].sum())


def pooled(labelings: Sequence[Labeling], least: int = 20) -> pd.DataFrame:
    """:func:`reliability` of all seeds together, without intervals of fewer than ``least`` labels."""
    confidence = torch.cat([labeling.confidence for labeling in labelings])
    table = reliability(confidence, torch.cat([~labeling.wrong for labeling in labelings]))
    return table[table["labels"] >= least]


def against(results: Path, names: Sequence[tuple[str, str]], plain: tuple[str, str]) -> pd.DataFrame:
    """Recorded runs (preset, method) beside ``plain`` ones of the same seeds: the mean score in percent, the
    difference with its 95% t-interval, and the seconds of a run."""
    runs = {run: load_records(results, *run) for run in names}
    seeds = {record["seed"] for found in runs.values() for record in found}
    base = [record for record in load_records(results, *plain) if record["seed"] in seeds]
    rows = {}
    for (name, method), found in {plain: base, **runs}.items():
        scores = Spread.of([score(record) for record in found])
        seconds = [record["seconds"] for record in found]
        rows[f"{name}, {NAMES[method]}"] = {
            "seeds": len(found),
            "score (%)": NOT_RUN if scores is None else round(scores.mean, 1),
            "difference": "" if (name, method) == plain else difference_cell(paired_differences(found, base)),
            "seconds": NOT_RUN if not seconds else round(sum(seconds) / len(seconds)),
        }
    return pd.DataFrame(rows).T.rename_axis("run")


def can_be_told(results: Path, run: tuple[str, str], other: tuple[str, str]) -> bool:
    """Whether the 95% t-interval of the difference of two recorded (preset, method), seed by seed, leaves zero out."""
    low, high = Spread.of(paired_differences(load_records(results, *run), load_records(results, *other))).interval()
    return not low <= 0 <= high


def together(records: Sequence[dict[str, Any]], phase: int) -> list[dict[str, float]]:
    """Mean IoU of A, of B and of both models' mean probabilities after a phase, in percent, of each record that has
    it."""
    found = []
    for record in records:
        told = record["phases"][phase]
        if "both" in told:
            part = f"{record['scored_on']}_mean_iou"
            found.append({name: told["models"][name][part] for name in "AB"} | {"both": told["both"][part]})
    return found


def mean_of_two(a: float, b: float) -> float:
    """What a model scores that nobody chose."""
    return (a + b) / 2


def worth_of_both(records: Sequence[dict[str, Any]], phase: int, than: Callable[[float, float], float] = max) -> str:
    """How far both models together are ahead of what ``than`` makes of the two, the better one's score, in words."""
    spread = Spread.of([run["both"] - than(run["A"], run["B"]) for run in together(records, phase)])
    if spread is None:
        return NOT_RUN
    if spread.n == 1:
        return f"{signed(spread.mean)} points (n = 1)"
    low, high = spread.interval()
    return f"{signed(spread.mean)} points (95% interval {signed(low)} to {signed(high)}, n = {spread.n})"
