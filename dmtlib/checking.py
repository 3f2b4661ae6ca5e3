"""What data look like, and whether mutual training is likely to help on them: ``dmtlib check``. Nothing is trained.

The question is whether the first model is good enough to teach (Sec. 7). Chapter 12 says where the limits come from.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from .data.finding import written_out
from .data.pixels.datasets import PREPARED, SegmentationData, load_segmentation
from .data.pixels.masks import VOID
from .method.pseudo_labels import pseudo_label, select_top_images
from .method.schedules import CURRICULUM_ALPHAS
from .presets import SEGMENTATION_PRESETS, preset
from .training.directory import RunDirectory, RunError, is_run_directory
from .training.images.curriculum import ClassificationData, Curriculum
from .training.images.evaluation import predict
from .training.images.stored import phase_model

CLEAN, NOISY = 5.0, 15.0
"""Percent of wrong labels among the first that the curriculum takes: below the one it is a good start, above the other
a bad one. A rule of thumb, set by the first records of digits-40, scenes and cifar10-small: with up to 13% DMT ended
above its baseline, with 17% and more below it."""

ENOUGH = 20
"""Held-out answers among the most confident ones, below which their error says next to nothing."""

STRIDE = 4  # of pixels, every 4th row and column: neighbouring pixels tell the same


def verdict(count: int, error: float) -> str:
    """`good`, `doubtful` or `too weak`, by the ``error`` (in percent) of the ``count`` surest held-out answers;
    `unknown` where these are too few."""
    if count < ENOUGH:
        return "unknown"
    return "good" if error <= CLEAN else "doubtful" if error <= NOISY else "too weak"


def advice(count: int, wrong: int) -> str:
    """The same as a sentence, if ``wrong`` of them are."""
    error = 100 * wrong / count if count else math.nan
    finding = f"of the {count:,.0f} surest held-out answers {wrong:,.0f} are wrong ({error:.1f}%)"
    return {
        "unknown": f"Hold out more labels: {finding}, too few to tell anything.",
        "good": f"Go ahead: {finding}, and up to {CLEAN:g}% is a good start.",
        "doubtful": f"Try it, and compare with the baseline after every phase: {finding}, more than {CLEAN:g}%.",
        "too weak": f"Improve the baseline first: {finding}, more than {NOISY:g}%. Label more, start from "
        "pre-trained weights, or train longer (Sec. 7).",
    }[verdict(count, error)]


def surest(
    labels: Int64[Tensor, " n"], confidence: Float[Tensor, " n"], share: float, by_class: bool
) -> Int64[Tensor, " k"]:
    """Where the most confident labels are, over all classes (Alg. 1) or inside each (Alg. 2); at least one."""
    if not by_class:
        return select_top_images(confidence, share)
    groups = [(labels == label).nonzero().squeeze(1) for label in labels.unique()]
    return torch.cat([group[select_top_images(confidence[group], share)] for group in groups])


def check(data: str, name: str | None = None, runs: str | Path = "runs", progress: bool = True) -> Iterator[str]:
    """Lines: what a run on the data would begin with, and what speaks for mutual training, or against it.

    Args:
        data: as in ``--data``, or a folder's path alone.
        name: the preset that it is for; None: whichever fits.
        runs: where a run of that preset may lie that has learned these data: its first model is then judged.

    Raises:
        ValueError: what training would refuse.
    """
    data = written_out(f"folder:{data}" if ":" not in data and Path(data).expanduser().exists() else data)
    fits = (Path(data.partition(":")[2]) / "masks").is_dir() if ":" in data else data in PREPARED
    pixels = fits if name is None else name in SEGMENTATION_PRESETS
    found = load_segmentation(data, progress) if pixels else Curriculum.load(data, progress)
    yield from found.summary
    own = ":" in data
    if not pixels and (few := len(found.test_labels)) < (enough := round(ENOUGH / CURRICULUM_ALPHAS[0])):
        yield f"warning: {few} held-out images are few: from {enough} on, their answers tell whether DMT helps"
    if name is None:
        yield "with --preset NAME, the split is checked as well, and a baseline in --runs"
        return
    if pixels:
        from .training.pixels.mutual import MutualTraining as Algorithm  # needs torchvision, which takes seconds
    else:
        Algorithm = Curriculum
    split = Algorithm.draw(preset(name, "dmt", data=data, all_labels=own), found)
    labeled, unlabeled = len(split.labeled), len(split.unlabeled)
    yield f"{name}: {labeled:,} labels, {unlabeled:,} unlabeled"
    if unlabeled < labeled:
        yield "warning: there are fewer unlabeled images than labeled ones: pseudo labels can add little"
    for method in ("baseline", "dmt"):
        run = RunDirectory.of(preset(name, method, data=data), runs)
        if is_run_directory(run.path) and run.split["data_fingerprint"] == found.fingerprint:
            try:
                labels, confidence, truth = _answers(run, found)
            except RunError:  # its first model isn't done
                continue
            first = surest(labels, confidence, CURRICULUM_ALPHAS[0], by_class=pixels)
            yield f"{run.path}: {advice(len(first), int((labels != truth)[first].sum()))}"
            return
    with_all = " --all-labels" if own else ""
    yield (
        "whether DMT is likely to help, a baseline tells: "
        f"dmtlib train {name} --method baseline --data {data}{with_all}, then this check again"
    )


def _answers(run: RunDirectory, data: ClassificationData | SegmentationData) -> tuple[Tensor, Tensor, Tensor]:
    """Labels, confidences and truth of what is held out, by a run's first model."""
    if isinstance(data, ClassificationData):
        answers = predict(phase_model(run, 0), data.test_images, data.mean, data.std)
        return *pseudo_label(answers), data.test_labels
    from .training.pixels.evaluation import predict_images
    from .training.pixels.stored import phase_segmenter

    part = data.parts["val"]
    model = phase_segmenter(run, 0, next(iter(run.load_phase(0)["models"])))
    thin = (..., slice(None, None, STRIDE), slice(None, None, STRIDE))
    truth = torch.cat([part.mask(i)[thin].flatten() for i in range(len(part))]).long()
    answers = torch.cat([p[thin].flatten(1).T for p in predict_images(model, part, range(len(part)))])
    return *(values[truth != VOID] for values in pseudo_label(answers)), truth[truth != VOID]
