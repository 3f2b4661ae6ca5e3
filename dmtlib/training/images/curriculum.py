"""Algorithm 1: train on the labels, then five times label, select, and train a new model (Sec. 4.2.1)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import update_bn

from ...data.images.augment import AUGMENTATIONS, normalise
from ...data.images.datasets import ClassificationData, load_dataset
from ...data.images.packed import UNKNOWN
from ...data.images.splits import Split, split_labeled
from ...method.pseudo_labels import count_selected, pseudo_label, select_top_images
from ...models.wideresnet import WideResNet
from ..directory import RunDirectory
from ..journal import Journal
from ..loop import run_steps
from ..precision import choose_device
from ..statistics import summarise
from .config import METHODS, RunConfig
from .evaluation import error_by_confidence, predict
from .phase import PhaseTask, PhaseTrainer, start_phase
from .record import measure, phase_record, run_record


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
        self.journal = Journal(config, directory, device, progress)
        self.teacher = self._averaged_model(self.journal.last) if self.journal.last else None

    def run(self) -> dict[str, Any]:
        """Lines 1–8 of Alg. 1, starting from the last phase that is on the disk."""
        journal, config = self.journal, self.config
        done_steps = sum(self.lengths[: len(journal.records)])
        if journal.checkpoint:
            done_steps += journal.checkpoint["state"]["step"]
        with journal.writing(sum(self.lengths), done_steps):
            for phase in range(len(journal.records), config.phases):
                self._run_phase(phase)
        record = run_record(config, journal.records, self.directory.split, journal.seconds, self.device)
        self.directory.finish(record)
        return record

    def _run_phase(self, phase: int) -> None:
        pseudo = self._pseudo_labels(phase) if phase > 0 else None
        task = self._task(phase, pseudo)
        trainer = PhaseTrainer(task, start_phase(task, self.teacher if self.config.goes_on(phase) else None))
        state, journal = trainer.state, self.journal
        if checkpoint := journal.take_checkpoint():
            state.load_state_dict(checkpoint["state"])
        journal.progress.start_phase(phase, task.total_steps)
        run_steps(
            trainer,
            sum(self.lengths[:phase]),
            journal,
            checkpoint=lambda: journal.save_checkpoint(phase, state=state.state_dict()),
        )
        if self.config.recalibrate_batch_norm:
            clean = normalise(self.images, self.data.mean, self.data.std).split(self.config.batch_size)
            update_bn(clean, state.averaged)
        self.teacher = state.averaged.eval()
        alpha = self.config.alpha(phase) if pseudo else None
        accuracies = measure(self.teacher, self.data, self.split.validation)
        if self.config.method == "baseline":
            truth = self.data.train_labels[self.split.unlabeled]  # known to the one who measures, not to the model
            accuracies["error_by_confidence"] = error_by_confidence(self._predict_unlabeled(), truth)
        journal.end_phase(
            phase,
            phase_record(alpha, pseudo, accuracies, task.total_steps, summarise(state.totals)),
            architecture=task.architecture,
            model=state.averaged.state_dict(),
            data=self.data.interface,
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
