"""Algorithm 1: train on the labels, then five times label, select, and train a new model (Sec. 4.2.1)."""

import itertools
import os
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.optim.swa_utils import update_bn

from ...data.images.augment import AUGMENTATIONS, WEAK, normalise
from ...data.images.datasets import ClassificationData, load_dataset
from ...data.images.packed import UNKNOWN, read_ahead
from ...data.images.splits import Split, split_labeled
from ...method.pseudo_labels import count_selected, pseudo_label, select_top_images
from ...models.whitened import PATCH_IMAGES, whitening_filters
from ..directory import RunDirectory
from ..loop import Journal
from ..processes import count, rank
from ..seeding import derive_seed
from ..statistics import summarise
from ..storage import Damaged, restoring
from .config import METHODS, RunConfig
from .evaluation import Views, error_by_confidence, measure, predict, pseudo_label_error
from .phase import PhaseTask, PhaseTrainer, PseudoLabels, start_phase
from .start import StartTrainer
from .stored import phase_model, save_pseudo_labels, stored_pseudo_labels


@dataclass
class Curriculum:
    """The state of a run between its phases; :func:`dmtlib.training.train.train` says what the arguments are."""

    config: RunConfig
    data: ClassificationData
    split: Split
    directory: RunDirectory
    device: torch.device
    progress: bool

    def __post_init__(self) -> None:
        config, data = self.config, self.data
        self.images = data.train_images.to(self.device)
        self.augment = AUGMENTATIONS[config.augmentation](data.mean, data.std)
        seen = self.images[:: max(1, len(self.images) // PATCH_IMAGES)][:PATCH_IMAGES]
        self.whitening = whitening_filters(*read_ahead([seen]), data.mean, data.std) if config.widths else None
        lengths = [config.steps(p, self._main_set_size(p)) for p in range(config.phases)]
        self.journal = Journal(config, self.directory, lengths, self.progress)
        self.teacher = self._model_of(len(self.journal.records) - 1) if self.journal.last else None

    load = staticmethod(load_dataset)

    @staticmethod
    def draw(config: RunConfig, data: ClassificationData) -> Split:
        """The split, if the method can learn from it. A ValueError for too few images, labeled or not."""
        split = split_labeled(data.train_labels, config.num_labels, config.seed, config.validation)
        labeled, unlabeled, classes = len(split.labeled), len(split.unlabeled), len(data.classes)
        if labeled < classes:
            raise ValueError(f"{data.name} has {classes} classes and too few labels, {labeled}: one each is needed")
        if config.iterative and not unlabeled:
            raise ValueError(f"{config.method} needs unlabeled images, and all {labeled} are labeled")
        if config.iterative and not count_selected(alpha := config.alpha(1), unlabeled):
            least = next(n for n in itertools.count(unlabeled) if count_selected(alpha, n))
            share = "a fifth" if alpha == 0.2 else f"{alpha:.3g}"
            raise ValueError(f"unlabeled images: {share} of {unlabeled} is none, at least {least} are needed")
        return split

    @staticmethod
    def steps_in(checkpoint: dict[str, Any]) -> int:
        """Those that were taken of its phase, its start included."""
        return checkpoint["state"]["step"] + (checkpoint.get("start") or {"steps": 0})["steps"]

    def score(self) -> dict[str, float]:
        """The last model's (line 8 of Alg. 1)."""
        return {name: self.journal.records[-1][name] for name in ("test_accuracy", "fine_grained_accuracy")}

    def run_phase(self, phase: int, checkpoint: dict[str, Any] | None) -> None:
        """Line 2 of Alg. 1 in phase 0, lines 4–7 in the others."""
        pseudo = self._pseudo_labels(phase) if phase > 0 else None
        task = self._task(phase, pseudo)
        before, start, journal = self._before(phase), checkpoint and checkpoint.get("start"), self.journal
        if (steps := self.config.start_steps_of(phase)) and not start:
            (before, start), checkpoint = self._learn_start(task, steps, checkpoint), None
        state, told = start_phase(task, before), {"start": start} if steps else {}
        # No setting of a run, for a graph changes no bit. No GPU has seen one of timm's networks, or of processes.
        graph = self.device.type == "cuda" and self.config.network is None and os.environ.get("DMT_GRAPH") != "0"
        trainer = PhaseTrainer(task, state, graph and count() == 1)
        self._run_steps(trainer, checkpoint, steps, **told)
        if self.config.recalibrate_batch_norm:
            batches = read_ahead(self.images.split(self.config.batch_size))
            clean = (normalise(batch.to(self.device), self.data.mean, self.data.std) for batch in batches)
            update_bn(clean, state.averaged)
        self.teacher = state.averaged.eval()
        record = {
            "alpha": self.config.alpha(phase) if pseudo else None,
            "pseudo_labels": len(pseudo.labels) if pseudo else 0,
            "pseudo_label_error": pseudo_label_error(pseudo) if pseudo else None,
            **measure(self.teacher, self.data, self.split.validation),
        }
        if self.config.method == "baseline":
            truth = self.data.train_labels[self.split.unlabeled]  # known to the one who measures, not to the model
            record["error_by_confidence"] = error_by_confidence(self._predict_unlabeled(phase), truth)
        record |= {"steps": task.total_steps, **summarise(state.totals), **told}
        kept = {"architecture": task.architecture, "model": state.averaged.state_dict(), "data": self.data.interface}
        journal.end_phase(phase, record, **kept)

    def _learn_start(self, task: PhaseTask, steps: int, checkpoint: Any) -> tuple["nn.Module", dict[str, Any]]:
        """What phase 0 goes on from, and what the record says of it."""
        images = torch.cat([self.split.labeled, self.split.unlabeled]).sort().values  # whichever are labeled
        trainer = StartTrainer(replace(task, total_steps=steps), images.to(self.device))
        self._run_steps(trainer, checkpoint, start=None)
        loss, seconds = trainer.line["loss"], round(self.journal.seconds, 3)
        return trainer.state.model, {"steps": steps, "loss": loss, "seconds": seconds}

    def _run_steps(self, trainer: Any, checkpoint: dict[str, Any] | None, before: int = 0, **told: Any) -> None:
        """Those that are left; new checkpoints hold what is ``told``."""
        state, save = trainer.state, partial(self.journal.save_checkpoint, trainer.task.phase, **told)
        if checkpoint:
            with restoring(self.directory.checkpoint_file):
                state.load_state_dict(checkpoint["state"])
        self.journal.run_steps(trainer, lambda: save(state=state.state_dict()), None, before)

    def _before(self, phase: int) -> "nn.Module | None":
        """The model that goes on, None where Alg. 1 (line 6) has a new one."""
        last = self.config.goes_on_from(phase)
        if last is None or last == phase - 1:
            return self.teacher if last is not None else None
        if not os.path.lexists(file := self.directory.phase_file(last)):  # then the run goes back to before it
            raise Damaged(self.directory.phase_file(phase - 1), f"{file.name}, which it goes with, is gone")
        return self._model_of(last)

    def _model_of(self, phase: int) -> "nn.Module":
        return phase_model(self.directory, phase).to(self.device, memory_format=torch.channels_last)

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

    def _task(self, phase: int, pseudo: PseudoLabels | None) -> PhaseTask:
        labeled = self.split.labeled if phase > 0 else self._supervised_indices()
        return PhaseTask(
            config=self.config,
            phase=phase,
            total_steps=self.journal.lengths[phase] - self.config.start_steps_of(phase),
            num_classes=len(self.data.classes),
            augment=self.augment,
            images=self.images,
            labeled=labeled.to(self.device),
            labeled_targets=self.data.train_labels[labeled].to(self.device),
            pseudo=pseudo and PseudoLabels(*(values.to(self.device) for values in pseudo)),
            whitening=self.whitening,
            normalised={"mean": list(self.data.mean), "std": list(self.data.std)},
        )

    def _pseudo_labels(self, phase: int) -> PseudoLabels:
        """Line 5 of Alg. 1: the last model labels the unlabeled images, its most confident ones are kept."""
        if (stored := stored_pseudo_labels(self.directory, phase)) is not None:
            return stored
        unlabeled = self.split.unlabeled
        labels, confidence = pseudo_label(self._predict_unlabeled(phase))
        kept = select_top_images(confidence, self.config.alpha(phase))
        said = PseudoLabels(unlabeled, labels, confidence, self.data.train_labels[unlabeled])
        pseudo = PseudoLabels(*(values[kept] for values in said))
        if rank() == 0:
            save_pseudo_labels(self.directory, phase, pseudo)
        return pseudo

    def _predict_unlabeled(self, phase: int) -> Tensor:
        """The last model's probabilities on the unlabeled images, clean or in several views, on the CPU."""
        config, images = self.config, self.images[self.split.unlabeled.to(self.device)]
        views = Views(config.views, WEAK[config.augmentation], derive_seed(config.seed, "views", phase))
        return predict(self.teacher, images, self.data.mean, self.data.std, views).cpu()
