"""What the pixels of the unlabeled images teach in a phase of Alg. 2: their pseudo labels, and what each weighs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64, UInt8
from torch import Tensor

from dmtlib.data.pixels.images import StoredImages
from dmtlib.data.pixels.masks import VOID
from dmtlib.method.dynamic_loss import dynamic_weights
from dmtlib.records.comparison import NOT_RUN, Spread, difference_cell
from dmtlib.training.directory import RunDirectory
from dmtlib.training.pixels.config import SegmentationConfig
from dmtlib.training.pixels.evaluation import predict_images
from dmtlib.training.pixels.stored import phase_segmenter, stored_pixel_labels

Record = dict[str, Any]

SCORE, ERROR = "val_mean_iou", "pseudo_label_error"


class Lessons(NamedTuple):
    """All unlabeled images of a run as a model is taught them.

    Attributes:
        truth: nobody shows it to a model; 255 where no class is known.
        labels: the pseudo labels, 255 where ignored.
        weights: by Eq. 3, 0 where ignored.
    """

    images: UInt8[Tensor, "N 3 H W"]
    truth: UInt8[Tensor, "N H W"]
    labels: UInt8[Tensor, "N H W"]
    weights: Float[Tensor, "N H W"]

    @property
    def right(self) -> Bool[Tensor, "N H W"]:
        return (self.labels == self.truth) & (self.truth != VOID)

    @property
    def wrong(self) -> Bool[Tensor, "N H W"]:
        """Where the truth is void, a label is neither right nor wrong."""
        return (self.labels != self.truth) & (self.labels != VOID) & (self.truth != VOID)


def lessons(config: SegmentationConfig, run: RunDirectory, images: StoredImages, phase: int, model: str) -> Lessons:
    """What ``model`` is taught in ``phase``, weighed by what it thinks as the phase begins, of the clean images.

    Training weighs augmented images, by the model as it is at each step.

    Args:
        config: of ``run``, a run of a method whose rule is Eq. 3.
        images: the training images.
        phase: 1 or later, and finished.
    """
    pseudo = stored_pixel_labels(run, phase, model)
    learner = phase_segmenter(run, phase - 1, model)
    stored = [pseudo[i] for i in range(len(pseudo))]
    labels, c_a = (torch.stack(maps) for maps in zip(*stored, strict=True))
    place = {name: index for index, name in enumerate(images.names)}
    indices = [place[name] for name in pseudo.names]
    p = torch.stack(list(predict_images(learner, images, indices)))
    omega = dynamic_weights(p, labels, c_a, config.gamma1, config.gamma2)
    return Lessons(images.images[indices], images.masks[indices], labels, omega)


def fewest_wrong_first(taught: Lessons) -> Int64[Tensor, " N"]:
    """The order of the images by their number of wrong pixels."""
    return taught.wrong.sum(dim=(1, 2)).argsort(stable=True)


def mean_weights(taught: Lessons) -> dict[str, float]:
    """The mean weight of right pseudo labels, by whether they say background (class 0), and of wrong ones.

    NaN where there is none of a kind.
    """
    background = taught.labels == 0
    kinds = {
        "right, background": taught.right & background,
        "right, object": taught.right & ~background,
        "wrong": taught.wrong,
    }
    return {kind: taught.weights[pixels].mean().item() for kind, pixels in kinds.items()}


def curves(records: Sequence[Record], key: str) -> Float[np.ndarray, "models phases"]:
    """A number by phase, a row for each model of each record; NaN where the record has None."""
    rows = [
        [phase["models"][name][key] for phase in record["phases"]]
        for record in records
        for name in record["phases"][-1]["models"]
    ]
    return np.array(rows, dtype=float)


def course(records: list[Record]) -> str:
    """Mean IoU from phase to phase, the mean over models: after the labels alone, at its highest, and at the end."""
    if not records:
        return NOT_RUN
    mean = curves(records, SCORE).mean(axis=0)
    top, end = mean.argmax(), len(mean) - 1
    highest = {0: "never higher", end: "highest in the end"}.get(
        top, f"highest after phase {top} with {mean[top]:.1f}%"
    )
    return f"{mean[0]:.1f}% with the labels alone, {highest}, {mean[end]:.1f}% after phase {end}"


def gain_by_choice(records: list[Record]) -> Spread | None:
    """How far F = best(A, B) is above the mean of A and B, in points; None without records."""
    return Spread.of([record["mean_iou"] - curves([record], SCORE)[:, -1].mean().item() for record in records])


def rises(records: list[Record]) -> dict[int, float]:
    """By seed: how many points a model gains over all phases on pseudo labels, the mean over the models of a run."""
    scores = {record["seed"]: curves([record], SCORE) for record in records}
    return {seed: (rows[:, -1] - rows[:, 0]).mean().item() for seed, rows in scores.items()}


def starts_and_rises(dmt: list[Record], dst: list[Record]) -> str:
    """Where the models of two methods begin, and whether those of the first one gain more over their phases."""
    if not dmt or not dst:
        return f"DMT and DST: {NOT_RUN}."
    begun = {name: curves(dmt, SCORE)[row::2, 0].mean() for row, name in enumerate("AB")}
    gained, alone = rises(dmt), rises(dst)
    apart = [gained[seed] - alone[seed] for seed in gained if seed in alone]
    return (
        f"With the labels alone DMT's A has {begun['A']:.1f}% on average and B {begun['B']:.1f}%; DST's model, which "
        f"begins as A does, {curves(dst, SCORE)[:, 0].mean():.1f}%. Over its phases a model of DMT gains "
        f"{np.mean([*gained.values()]):.2f} points on average, and one of DST {np.mean([*alone.values()]):.2f}. The "
        f"difference, seed by seed: {difference_cell(apart)}."
    )


def share_of_weight(records: list[Record]) -> tuple[float, float]:
    """The wrong ones' share of the last phase's pseudo labels, and of their weight: means over models, in [0, 1]."""
    wrong = curves(records, ERROR)[:, -1] / 100
    heavy = wrong * curves(records, "mean_weight_wrong")[:, -1]
    light = (1 - wrong) * curves(records, "mean_weight_right")[:, -1]
    return wrong.mean().item(), (heavy / (heavy + light)).mean().item()
