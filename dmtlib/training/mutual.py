"""Algorithm 2: two models train on the labels, then five times label for each other and fine-tune (Sec. 4.2.2)."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..data.joint_augment import JointAugment
from ..data.pixel_labels import PixelLabels, write_pixel_labels
from ..data.segmentation import SegmentationData, load_segmentation
from ..data.segmentation_splits import NameSplit, difference_maximized_halves
from ..models.deeplab import DeepLabV2
from .loop import run_steps
from .precision import choose_device
from .progress import Progress
from .runs import MetricsLog, RunDirectory
from .seeding import derive_seed
from .segmentation_batches import SegmentationBatches
from .segmentation_config import METHODS, SegmentationConfig
from .segmentation_evaluation import label_images, measure_segmentation, pixel_label_error
from .segmentation_models import initialise, restore
from .segmentation_phase import SegmentationTask, SegmentationTrainer, start_segmentation_phase
from .segmentation_record import model_record, segmentation_record
from .segmentation_runs import pixel_label_folder, split_of, split_to_json, stored_pixel_labels
from .statistics import summarise

Weights = dict[str, Tensor]


def train_segmentation(
    config: SegmentationConfig,
    *,
    runs: str | Path = "runs",
    device: str = "auto",
    progress: bool = True,
    data: SegmentationData | None = None,
) -> dict[str, Any]:
    """Run ``config`` to its end, or go on with it where it was left, and return its record.

    Args:
        config: what to run; see :func:`dmtlib.presets.preset`.
        runs: folder of run directories; this one is ``runs/<preset>/<method>/seed-<n>``.
        device: `auto`, `cuda`, `mps` or `cpu`.
        progress: show a live bar.
        data: a data set that is in memory; None loads ``config.data``.

    Returns:
        The contents of ``result.json``. A finished run is not repeated.

    Raises:
        RunError: the run directory is in use, holds other settings or another split, or cannot be written.
        ValueError: an unknown or absent device, data or weights that cannot be read.
    """
    where = choose_device(device)
    directory = RunDirectory.of(config, runs)
    with directory.lock():
        data = load_segmentation(config.data, progress) if data is None else data
        fingerprint = data.fingerprint
        split = split_of(config, data)
        directory.claim({**config.to_json(), "device": where.type, "data_fingerprint": fingerprint})
        directory.claim_split(split_to_json(split, fingerprint))
        if directory.record is not None:
            return directory.record
        return _MutualTraining(config, data, split, directory, where, progress).run()


class _MutualTraining:
    """The state of a run between its phases: ``weights`` are those of the last generation, by model."""

    def __init__(
        self,
        config: SegmentationConfig,
        data: SegmentationData,
        split: NameSplit,
        directory: RunDirectory,
        device: torch.device,
        progress: bool,
    ) -> None:
        self.config, self.data, self.directory, self.device = config, data, directory, device
        self.method, self.images = METHODS[config.method], data.parts["train"]
        self.architecture = {"backbone": config.backbone, "num_classes": len(data.classes), "rates": config.rates}
        place = {name: index for index, name in enumerate(self.images.names)}
        self.labeled = [place[name] for name in split.labeled]
        self.unlabeled = [place[name] for name in split.unlabeled]
        if config.phases > 1 and not self.unlabeled:
            raise ValueError(f"{config.method} needs unlabeled images, and all {len(self.labeled)} are labeled")
        if config.difference_maximized and len(config.models) == 2:
            halves = difference_maximized_halves(split.labeled, derive_seed(config.seed, "halves"))
            self.supervised = {
                m: [place[name] for name in half] for m, half in zip(config.models, halves, strict=True)
            }
        else:
            everything = self.labeled + (self.unlabeled if self.method.all_labels else [])
            self.supervised = dict.fromkeys(config.models, everything)
        self.lengths = [
            {m: config.steps(phase, len(self.unlabeled if phase else self.supervised[m])) for m in config.models}
            for phase in range(config.phases)
        ]
        self.records: list[dict[str, Any]] = []
        self.weights: dict[str, Weights] = {}
        self.seconds = 0.0
        self.show_progress = progress

    def run(self) -> dict[str, Any]:
        """Alg. 2, starting from the last phase that is on the disk."""
        metrics_bytes = 0
        last = self.directory.load_last_phase(self.config.phases, self.device)
        if last is not None:
            self.records, self.weights = last["records"], last["models"]
            self.seconds, metrics_bytes = last["seconds"], last["metrics_bytes"]
        checkpoint = self.directory.load_checkpoint(self.device)
        if checkpoint is not None and checkpoint["phase"] != len(self.records):
            checkpoint = None  # left over from a kill between the end of a phase and the removal of its checkpoint
        self.done = {} if checkpoint is None else checkpoint["done"]  # models that are through with the phase
        done_steps = self._steps_before(len(self.records))
        if checkpoint is not None:
            self.seconds, metrics_bytes = checkpoint["seconds"], checkpoint["metrics_bytes"]
            done_steps += checkpoint["state"]["step"] if checkpoint["state"] else 0
        total_steps, batch = sum(sum(lengths.values()) for lengths in self.lengths), self.config.batch_size
        title = f"{self.config.preset} {self.config.method} seed {self.config.seed}"
        self.log = MetricsLog(self.directory.path, metrics_bytes, done_steps)
        self.progress = Progress(
            title, self.config.phases, batch * total_steps, batch * done_steps, self.show_progress
        )
        self.clock = time.monotonic() - self.seconds
        try:
            for phase in range(len(self.records), self.config.phases):
                self._run_phase(phase, checkpoint["state"] if checkpoint else None)
                checkpoint = None
        finally:
            self.progress.close()
            self.log.close()
        seconds = time.monotonic() - self.clock
        record = segmentation_record(self.config, self.records, self.directory.split, seconds, self.device)
        self.directory.finish(record)
        return record

    def _run_phase(self, phase: int, state: dict[str, Any] | None) -> None:
        """Lines 2–9 of Alg. 2 in phase 0, lines 12–15 in the others."""
        for name in self.config.models:
            if name not in self.done:
                self.done[name] = self._train_model(phase, name, state)
                state = None
                if len(self.done) < len(self.config.models):
                    self._checkpoint(phase, None)
        self.weights = {name: self.done[name]["weights"] for name in self.config.models}
        alpha = self.config.alphas[phase - 1] if phase and self.method.labeler else None
        models = {name: self.done[name]["record"] for name in self.config.models}
        self.records.append({"alpha": alpha, "models": models})
        self.directory.save_phase(
            phase,
            {
                "architecture": self.architecture,
                "models": self.weights,
                "records": self.records,
                "metrics_bytes": self.log.position(),
                "seconds": time.monotonic() - self.clock,
            },
        )
        self.done = {}

    def _train_model(self, phase: int, name: str, state: dict[str, Any] | None) -> dict[str, Any]:
        """One model's phase: its new weights, and its record."""
        labeler, generation = self._labeler(phase, name)
        pseudo = self._pseudo_labels(phase, name) if labeler else None
        task = self._task(phase, name, pseudo)
        model = self._model(phase, name)
        start = start_segmentation_phase(task, model)
        if state is not None:
            start.load_state_dict(state)
        trainer = SegmentationTrainer(task, start)
        self.progress.start_phase(phase, task.total_steps)
        run_steps(
            trainer,
            self._steps_before(phase),
            self.log,
            self.progress,
            lambda _: self._checkpoint(phase, trainer.state.state_dict()),
        )
        record = model_record(
            labeled_by=f"{labeler} of phase {generation}" if labeler else None,
            kept=pseudo.kept if pseudo else None,
            error=pixel_label_error(pseudo, self.images, self.unlabeled) if pseudo else None,
            scores=measure_segmentation(model, self.data),
            steps=task.total_steps,
            statistics=summarise(trainer.state.totals),
        )
        return {"weights": model.state_dict(), "record": record}

    def _steps_before(self, phase: int) -> int:
        """Those of the phases before ``phase``, and in it those of models that are through with it."""
        whole = sum(sum(lengths.values()) for lengths in self.lengths[:phase])
        return whole + sum(done["record"]["steps"] for done in self.done.values())

    def _labeler(self, phase: int, name: str) -> tuple[str | None, int]:
        """Who labels for a model in a phase, and of which phase the labeler is.

        As printed, line 12 lets A label for A, and line 14 B for B. Sec. 4.1, Fig. 5 and the authors' code all say
        that the other model labels; labeling for oneself is the ablation DST.
        """
        if phase == 0 or self.method.labeler is None:
            return None, 0
        labeler = name if self.method.labeler == "itself" else {"A": "B", "B": "A"}[name]
        newest = self.config.labelers == "newest" and labeler != name and labeler in self.done
        return labeler, phase if newest else phase - 1

    def _pseudo_labels(self, phase: int, name: str) -> PixelLabels:
        """Lines 12 and 14: predict the clean unlabeled images, keep the top α of the pixels of each class."""
        stored = stored_pixel_labels(self.directory, phase, name)
        if stored is not None:
            return stored
        labeler, generation = self._labeler(phase, name)
        weights = self.done[labeler]["weights"] if generation == phase else self.weights[labeler]
        predictions = label_images(restore(self.architecture, weights, self.device), self.images, self.unlabeled)
        folder = pixel_label_folder(self.directory, phase, name)
        return write_pixel_labels(folder, predictions, len(self.data.classes), self.config.alphas[phase - 1])

    def _model(self, phase: int, name: str) -> DeepLabV2:
        """A new model in phase 0, later one that goes on from where it was: fine-tuning."""
        if phase == 0:
            return initialise(self.config, self.architecture, name)
        return restore(self.architecture, self.weights[name], self.device)

    def _task(self, phase: int, name: str, pseudo: PixelLabels | None) -> SegmentationTask:
        config = self.config
        batches = SegmentationBatches(
            images=self.images,
            labeled=self.labeled if phase else self.supervised[name],
            unlabeled=self.unlabeled if phase else [],
            pseudo=pseudo,
            augment=JointAugment(config.crop, flip=config.flip),
            batch_size=config.batch_size,
            labeled_per_batch=config.labeled_per_batch if phase else config.batch_size,
            total_steps=self.lengths[phase][name],
            seed=derive_seed(config.seed, "phase", phase, name),
        )
        return SegmentationTask(config, phase, name, batches, self.device)

    def _checkpoint(self, phase: int, state: dict[str, Any] | None) -> None:
        """``state`` is that of the model in training, None between two models."""
        self.directory.save_checkpoint(
            {
                "phase": phase,
                "done": self.done,
                "state": state,
                "metrics_bytes": self.log.position(),
                "seconds": time.monotonic() - self.clock,
            }
        )
