"""What data look like, and whether mutual training is likely to help on them: ``dmtlib check``. Nothing is trained.

The question is whether the first model is good enough to teach (Sec. 7). Chapter 12 says where the limits come from.
"""

import re
import shlex
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from .data.finding import KINDS, written_out
from .data.images.datasets import ClassificationData
from .data.pixels.datasets import PREPARED, SegmentationData
from .data.pixels.masks import VOID
from .method.pseudo_labels import pseudo_label, select_top_images
from .method.schedules import CURRICULUM_ALPHAS
from .presets import preset
from .training.directory import RunDirectory
from .training.images.evaluation import predict
from .training.images.stored import phase_model
from .training.pixels.config import SegmentationConfig
from .training.train import of_split
from .words import counted

CLEAN, NOISY = 5.0, 15.0
"""Percent of wrong labels among the first that the curriculum takes: up to the one it is a good start, above the other
a bad one. A rule of thumb, set by the first records of digits-40, scenes and cifar10-small: with up to 13% DMT ended
above its baseline, with 17% and more below it."""

ENOUGH = 20
"""Held-out answers among the most confident ones, below which their error says next to nothing."""

STRIDE = 4  # of pixels, every 4th row and column: neighbouring pixels tell the same


def surest(y_a: Int64[Tensor, " n"], c_a: Float[Tensor, " n"], share: float, by_class: bool) -> Int64[Tensor, " k"]:
    """Where the most confident labels are, over all classes (Alg. 1) or inside each (Alg. 2); at least one."""
    if not by_class:
        return select_top_images(c_a, share)
    groups = [(y_a == label).nonzero().squeeze(1) for label in y_a.unique()]
    return torch.cat([group[select_top_images(c_a[group], share)] for group in groups])


def check(data: str, name: str | None = None, runs: str | Path = "runs", progress: bool = True) -> Iterator[str]:
    """Lines: what a run on the data would begin with, and what speaks for or against mutual training. A ValueError
    says what training would refuse. ``data`` are as in ``--data``, or a folder's path alone; ``name`` is their preset,
    None whichever fits. Of a run of it in ``runs`` that has learned them, the first model is judged."""
    is_path = data and not re.match(KINDS, data) and Path(data).expanduser().exists()
    data = written_out(f"folder:{data}" if is_path else data)
    own, enough = ":" in data, round(ENOUGH / CURRICULUM_ALPHAS[0])
    config = None if name is None else preset(name, "dmt", data=data, all_labels=own)
    data = config.data if config else data  # of the preset folder, with the side of its network
    fits = (Path(data.partition(":")[2]) / "masks").is_dir() if own else data in PREPARED
    if pixels := fits if config is None else isinstance(config, SegmentationConfig):
        from .training.pixels.mutual import MutualTraining as Algorithm  # needs torchvision, which takes seconds
    else:
        from .training.images.curriculum import Curriculum as Algorithm
    found = Algorithm.load(data, progress)
    yield from found.summary
    if not pixels and (few := len(found.test_labels)) < enough:
        yield f"warning: {counted(few, 'held-out image')}: from {enough} on, their answers tell whether DMT helps"
    if config is None:
        yield "with --preset NAME, the split is checked as well, and a baseline in --runs"
        return
    split = Algorithm.draw(config, found)
    yield from of_split(config, found, split)
    if len(split.unlabeled) < len(split.labeled):
        yield "warning: there are fewer unlabeled images than labeled ones: pseudo labels can add little"
    for run in (RunDirectory.of(replace(config, method=method), runs) for method in ("baseline", "dmt")):
        if (run.path / "phase-0.pt").is_file() and run.split["data_fingerprint"] == found.fingerprint:
            labels, confidence, truth = _answers(run, found)
            first = surest(labels, confidence, CURRICULUM_ALPHAS[0], by_class=pixels)
            wrong = int((labels != truth)[first].sum())
            error = 100 * wrong / len(first)
            word = "a good start" if error <= CLEAN else "DMT may help" if error <= NOISY else "too weak to teach"
            told = f"of the {len(first):,} surest held-out answers, wrong: {wrong:,} ({error:.1f}%)"
            yield f"{run.path}: {told}: {word if len(first) >= ENOUGH else 'too few to tell'}"
            return
    command = f"dmtlib train {name} --method baseline --data {shlex.quote(data)}{' --all-labels' * own}"
    yield f"whether DMT is likely to help, a baseline tells: {command}, then this check again"


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
