"""Algorithm 1: train on the labels, then five times label, select, and train a new model (Sec. 4.2.1)."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import update_bn

from ..data.augment import AUGMENTATIONS, normalise
from ..data.classification import ClassificationData, load_dataset
from ..data.packed import UNKNOWN
from ..data.splits import Split, split_labeled
from ..method.pseudo_labels import count_selected, pseudo_label, select_top_images
from ..models.wideresnet import WideResNet
from .config import METHODS, RunConfig
from .evaluation import error_by_confidence, predict
from .loop import run_steps
from .phase import PhaseTask, PhaseTrainer, start_phase
from .precision import choose_device
from .progress import Progress
from .record import measure, phase_record, run_record
from .runs import MetricsLog, RunDirectory
from .statistics import summarise


def train(
    config: RunConfig, *, runs: str | Path = "runs", device: str = "auto", progress: bool = True
) -> dict[str, Any]:
    """Run ``config`` to its end, or go on with it where it was left, and return its record.

    Args:
        config: what to run; see :func:`dmtlib.presets.preset`.
        runs: folder of run directories; this one is ``runs/<preset>/<method>/seed-<n>``.
        device: `auto`, `cuda`, `mps` or `cpu`.
        progress: show a live bar.

    Returns:
        The contents of ``result.json``. A finished run is not repeated.

    Raises:
        RunError: the run directory is in use, holds other settings or another split, or cannot be written.
        ValueError: an unknown or absent device, a data set that cannot be read or is too small.
    """
    where = choose_device(device)
    directory = RunDirectory.of(config, runs)
    with directory.lock():
        data = load_dataset(config.data)
        fingerprint = data.fingerprint
        split = split_labeled(data.train_labels, config.num_labels, config.seed, config.validation)
        directory.claim({**config.to_json(), "device": where.type, "data_fingerprint": fingerprint})
        directory.claim_split(split.to_json(fingerprint))
        if directory.record is not None:
            return directory.record
        return _Curriculum(config, data, split, directory, where, progress).run()


class _Curriculum:
    """The state of a run between its phases."""

    def __init__(
        self,
        config: RunConfig,
        data: ClassificationData,
        split: Split,
        directory: RunDirectory,
        device: torch.device,
        progress: bool,
    ) -> None:
        self.config, self.data, self.split, self.directory, self.device = config, data, split, directory, device
        if config.iterative and not len(split.unlabeled):
            raise ValueError(f"{config.method} needs unlabeled images, and all {len(split.labeled)} are labeled")
        self.images = data.train_images.to(device)
        self.augment = AUGMENTATIONS[config.augmentation](data.mean, data.std)
        self.lengths = [config.steps(p, self._main_set_size(p)) for p in range(config.phases)]
        self.records: list[dict[str, Any]] = []
        self.teacher: nn.Module | None = None
        self.seconds = 0.0
        self.show_progress = progress

    def run(self) -> dict[str, Any]:
        """Lines 1–8 of Alg. 1, starting from the last phase that is on the disk."""
        metrics_bytes = 0
        last = self.directory.load_last_phase(self.config.phases, self.device)
        if last is not None:
            self.records, self.seconds, metrics_bytes = last["records"], last["seconds"], last["metrics_bytes"]
            self.teacher = self._averaged_model(last)
        checkpoint = self.directory.load_checkpoint(self.device)
        if checkpoint is not None and checkpoint["phase"] != len(self.records):
            checkpoint = None  # left over from a kill between the end of a phase and the removal of its checkpoint
        if checkpoint is not None:
            self.seconds, metrics_bytes = checkpoint["seconds"], checkpoint["metrics_bytes"]
        done_steps = sum(self.lengths[: len(self.records)]) + (checkpoint["state"]["step"] if checkpoint else 0)
        batch = self.config.batch_size
        title = f"{self.config.preset} {self.config.method} seed {self.config.seed}"
        self.log = MetricsLog(self.directory.path, metrics_bytes, done_steps)
        self.progress = Progress(
            title, self.config.phases, batch * sum(self.lengths), batch * done_steps, self.show_progress
        )
        self.clock = time.monotonic() - self.seconds
        try:
            for phase in range(len(self.records), self.config.phases):
                self._run_phase(phase, checkpoint)
                checkpoint = None
        finally:
            self.progress.close()
            self.log.close()
        seconds = time.monotonic() - self.clock
        record = run_record(self.config, self.records, self.directory.split, seconds, self.device)
        self.directory.finish(record)
        return record

    def _run_phase(self, phase: int, checkpoint: dict[str, Any] | None) -> None:
        pseudo = self._pseudo_labels(phase) if phase > 0 else None
        task = self._task(phase, pseudo)
        trainer = PhaseTrainer(task, start_phase(task, self.teacher if self.config.goes_on(phase) else None))
        if checkpoint is not None:
            trainer.state.load_state_dict(checkpoint["state"])
        self.progress.start_phase(phase, task.total_steps)
        run_steps(trainer, sum(self.lengths[:phase]), self.log, self.progress, self._checkpoint)
        state = trainer.state
        if self.config.recalibrate_batch_norm:
            clean = normalise(self.images, self.data.mean, self.data.std).split(self.config.batch_size)
            update_bn(clean, state.averaged)
        self.teacher = state.averaged.eval()
        alpha = self.config.alpha(phase) if pseudo else None
        accuracies = measure(self.teacher, self.data, self.split.validation)
        if self.config.method == "baseline":
            truth = self.data.train_labels[self.split.unlabeled]  # known to the one who measures, not to the model
            accuracies["error_by_confidence"] = error_by_confidence(self._predict_unlabeled(), truth)
        self.records.append(phase_record(alpha, pseudo, accuracies, task.total_steps, summarise(state.totals)))
        self.directory.save_phase(
            phase,
            {
                "architecture": task.architecture,
                "model": state.averaged.state_dict(),
                "data": self.data.interface,
                "records": self.records,
                "metrics_bytes": self.log.position(),
                "seconds": time.monotonic() - self.clock,
            },
        )

    def _checkpoint(self, trainer: PhaseTrainer) -> None:
        self.directory.save_checkpoint(
            {
                "phase": trainer.task.phase,
                "state": trainer.state.state_dict(),
                "metrics_bytes": self.log.position(),
                "seconds": time.monotonic() - self.clock,
            }
        )

    def _main_set_size(self, phase: int) -> int:
        """Images that an epoch of the phase passes over."""
        if phase > 0:
            return count_selected(self.config.alpha(phase), len(self.split.unlabeled))
        return len(self._supervised_indices())

    def _supervised_indices(self) -> Tensor:
        if METHODS[self.config.method].all_labels:
            everything = torch.cat([self.split.labeled, self.split.unlabeled])
            return everything[self.data.train_labels[everything] != UNKNOWN]
        return self.split.labeled

    def _task(self, phase: int, pseudo: dict[str, Tensor] | None) -> PhaseTask:
        labeled = self.split.labeled if phase > 0 else self._supervised_indices()
        on_device = {name: tensor.to(self.device) for name, tensor in (pseudo or {}).items()}
        return PhaseTask(
            config=self.config,
            phase=phase,
            total_steps=self.lengths[phase],
            num_classes=len(self.data.classes),
            augment=self.augment,
            images=self.images,
            labeled=labeled.to(self.device),
            labeled_targets=self.data.train_labels[labeled].to(self.device),
            pseudo=on_device.get("indices"),
            pseudo_labels=on_device.get("labels"),
            pseudo_confidence=on_device.get("confidence"),
            pseudo_truth=on_device.get("truth"),
        )

    def _pseudo_labels(self, phase: int) -> dict[str, Tensor]:
        """Line 5 of Alg. 1: the last model labels the clean unlabeled images, its most confident ones are kept."""
        stored = self.directory.pseudo_labels(phase)
        if stored is not None:
            return stored
        unlabeled = self.split.unlabeled
        labels, confidence = pseudo_label(self._predict_unlabeled())
        kept = select_top_images(confidence, self.config.alpha(phase))
        pseudo = {
            "indices": unlabeled[kept],
            "labels": labels[kept],
            "confidence": confidence[kept],
            "truth": self.data.train_labels[unlabeled[kept]],
        }
        self.directory.save_pseudo_labels(phase, pseudo)
        return pseudo

    def _predict_unlabeled(self) -> Tensor:
        """The last model's probabilities on the clean unlabeled images, on the CPU."""
        images = self.images[self.split.unlabeled.to(self.device)]
        return predict(self.teacher, images, self.data.mean, self.data.std).cpu()

    def _averaged_model(self, state: dict[str, Any]) -> nn.Module:
        model = WideResNet(**state["architecture"]).to(self.device, memory_format=torch.channels_last)
        model.load_state_dict(state["model"])
        return model.eval()
