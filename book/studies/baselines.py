"""How long a baseline trains (Appendix B): the paper's rule, runs of several lengths, and what is recorded."""

from __future__ import annotations

import copy
import dataclasses
import math
import tempfile
from pathlib import Path

import pandas as pd
import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn
from torch.optim.swa_utils import update_bn

from dmtlib.data.images.augment import AUGMENTATIONS, normalise
from dmtlib.data.images.datasets import ClassificationData
from dmtlib.data.images.splits import split_labeled
from dmtlib.presets import preset
from dmtlib.records.comparison import NOT_RUN, cell, recorded_settings
from dmtlib.records.reproduction import CIFAR10 as PRESETS
from dmtlib.training.directory import RunDirectory
from dmtlib.training.images.config import RunConfig
from dmtlib.training.images.evaluation import predict
from dmtlib.training.images.phase import PhaseTask, PhaseTrainer, start_phase
from dmtlib.training.images.stored import phase_model
from dmtlib.training.train import train

from .disagreement import one_thread


def of_length(config: RunConfig, length: float) -> RunConfig:
    """``length`` times the training, under a name of its own, so that runs of all lengths fit in one folder."""
    if length == 1:
        return config  # and not under another name: another chapter may have trained it
    return dataclasses.replace(config, preset=f"{config.preset}-x{length:g}", budget=config.budget * length)


def fresh_model(name: str, seed: int, budget: float = 1.0) -> nn.Module:
    """What the baseline of a preset ends with, trained here and now on the CPU; no file stays."""
    config = preset(name, "baseline", seed, budget)
    with tempfile.TemporaryDirectory() as runs:
        train(config, runs=runs, device="cpu", progress=False)
        return phase_model(RunDirectory.of(config, runs), 0)


def steps_by_rule(oracle_steps: int, labeled_ratio: float) -> dict[str, float]:
    """Steps of a baseline, if its oracle trains ``oracle_steps`` (Appendix B).

    A ratio r of the images means r times the steps in an epoch. So √(1/r) times the oracle's epochs are √r times its
    steps: the geometric mean of the two other choices.
    """
    return {
        "as many epochs": oracle_steps * labeled_ratio,
        "the paper's rule": oracle_steps * math.sqrt(labeled_ratio),
        "as many steps": oracle_steps,
    }


def unseen_images(data: ClassificationData, configs: list[RunConfig]) -> tuple[UInt8[Tensor, "n C H W"], Tensor]:
    """All images that none of these baselines learned, training and test images alike, and their classes (n,)."""
    unseen = torch.ones(len(data.train_labels), dtype=torch.bool)
    for config in configs:
        unseen[split_labeled(data.train_labels, config.num_labels, config.seed, config.validation).labeled] = False
    images = torch.cat([data.train_images[unseen], data.test_images])
    return images, torch.cat([data.train_labels[unseen], data.test_labels])


@one_thread()
def checkpoints(
    config: RunConfig, data: ClassificationData, images: UInt8[Tensor, "n C H W"], count: int = 20
) -> Float[Tensor, "count n classes"]:
    """Train a baseline on the CPU and ask ``count`` of its states about images: evenly spread over the second half."""
    labeled = split_labeled(data.train_labels, config.num_labels, config.seed, config.validation).labeled
    total = config.steps(0, len(labeled))
    task = PhaseTask(
        config=config,
        phase=0,
        total_steps=total,
        num_classes=len(data.classes),
        augment=AUGMENTATIONS[config.augmentation](data.mean, data.std),
        images=data.train_images,
        labeled=labeled,
        labeled_targets=data.train_labels[labeled],
    )
    trainer = PhaseTrainer(task, start_phase(task))
    clean = normalise(data.train_images, data.mean, data.std).split(config.batch_size)
    answers = []
    for stop in (math.ceil(total / 2 * (1 + k / count)) for k in range(1, count + 1)):
        while trainer.state.step < stop:
            trainer.step()
        model = copy.deepcopy(trainer.state.averaged)
        if config.recalibrate_batch_norm:
            update_bn(clean, model)
        answers.append(predict(model, images, data.mean, data.std))
    return torch.stack(answers)


def recorded_lengths(results: Path) -> pd.DataFrame:
    """The baselines recorded on CIFAR-10, by number of labels and length, beside the epochs that the rule asks for."""
    rows = []
    for labels, name in PRESETS.items():
        head = {"labels": labels, "epochs by the rule": f"{preset(name, 'baseline').baseline_epochs:.0f}"}
        found = {s: group["baseline"] for s, group in recorded_settings(results, name).items() if group["baseline"]}
        for setting, records in found.items():
            epochs = records[0]["config"]["baseline_epochs"] * setting.budget
            accuracy = cell([record["test_accuracy"] for record in records])
            rows.append(head | {"epochs": f"{epochs:.0f}", "test accuracy (%)": accuracy, "n": len(records)})
            rows[-1]["records"] = str(setting)
        if not found:
            rows.append(head | {"epochs": "", "test accuracy (%)": NOT_RUN, "n": 0, "records": ""})
    return pd.DataFrame(rows).set_index("labels")
