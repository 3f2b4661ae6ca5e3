"""Algorithm 2: two models train on the labels, then five times label for each other and fine-tune (Sec. 4.2.2)."""

from collections import deque
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ...data.pixels.datasets import SegmentationData, load_segmentation
from ...data.pixels.joint_augment import JointAugment
from ...data.pixels.splits import NameSplit
from ..directory import RunDirectory
from ..loop import Journal
from ..processes import after_first, by_first, rank
from ..seeding import derive_seed
from ..statistics import summarise
from ..storage import restoring
from .batches import SegmentationBatches
from .config import METHODS, SegmentationConfig
from .evaluation import VIEWS, best_of, label_images, measure_segmentation, pixel_label_error
from .phase import BestOnVal, SegmentationTask, SegmentationTrainer, start_segmentation_phase
from .pixel_labels import PixelLabels, write_pixel_labels
from .plan import Labeler, plan, split_of
from .stored import initialise, pixel_label_folder, restore, stored_pixel_labels


@dataclass
class MutualTraining:
    """The state of a run between its phases: ``weights`` are those of the last generation, by model.
    :func:`dmtlib.training.train.train` says what the arguments are."""

    config: SegmentationConfig
    data: SegmentationData
    split: NameSplit
    directory: RunDirectory
    device: torch.device
    progress: bool

    def __post_init__(self) -> None:
        config, data = self.config, self.data
        self.images = data.parts["train"]
        self.architecture = {"backbone": config.backbone, "num_classes": len(data.classes), "rates": config.rates}
        if config.output_stride is not None:
            self.architecture["output_stride"] = config.output_stride
        self.plan = plan(config, self.images, self.split)
        lengths = [sum(self.plan.steps(p, name) for name in config.models) for p in range(config.phases)]
        self.journal = Journal(config, self.directory, lengths, self.progress)
        self.weights: dict[str, dict[str, Tensor]] = {}
        if last := self.journal.last:
            with restoring(self.directory.phase_file(len(self.journal.records) - 1)):
                self.weights = last["models"]
                for name in config.models:
                    restore(self.architecture, self.weights[name], "cpu", name)  # they fit
        self.done: dict[str, dict[str, Any]] = {}  # models that are through with the phase: new weights and record

    load = staticmethod(load_segmentation)

    @staticmethod
    def draw(config: SegmentationConfig, data: SegmentationData) -> NameSplit:
        """The split that the method can learn from; a ValueError of :func:`.plan.split_of` or :func:`.plan.plan`."""
        split = split_of(config, data)
        plan(config, data.parts["train"], split)
        return split

    @staticmethod
    def steps_in(checkpoint: dict[str, Any]) -> int:
        """Those that were taken of its phase, by all models."""
        done = sum(done["record"]["steps"] for done in checkpoint["done"].values())
        return done + (checkpoint["state"]["step"] if checkpoint["state"] else 0)

    def score(self) -> dict[str, Any]:
        """Of the better of the last two models (Alg. 2, line 16)."""
        return best_of(self.journal.records[-1]["models"])

    def run_phase(self, phase: int, checkpoint: dict[str, Any] | None) -> None:
        """Lines 2–9 of Alg. 2 in phase 0, lines 12–15 in the others."""
        left = checkpoint or {"done": {}, "state": None}
        self.done, state = left["done"], left["state"]
        for name in self.config.models:
            if name not in self.done:
                self.done[name] = self._train_model(phase, name, state)
                state = None
                if len(self.done) < len(self.config.models):
                    self.journal.save_checkpoint(phase, done=self.done, state=None)  # between two models
        self.weights = {name: self.done[name]["weights"] for name in self.config.models}
        stored = METHODS[self.config.method].labeler and phase > 0
        record = {
            "alpha": self.config.alphas[phase - 1] if stored else None,
            "models": {name: self.done[name]["record"] for name in self.config.models},
        }
        if len(self.weights) > 1 and phase in (0, self.config.phases - 1):  # what two models know together
            both = [restore(self.architecture, self.weights[name], self.device, name) for name in self.weights]
            record["both"] = measure_segmentation(both, self.data)
        kept = {"architecture": self.architecture, "models": self.weights, "classes": list(self.data.classes)}
        self.journal.end_phase(phase, record, **kept)

    def _train_model(self, phase: int, name: str, state: dict[str, Any] | None) -> dict[str, Any]:
        """One model's phase: its new weights, and its record. ``state`` is that of a checkpoint."""
        labeler = self.plan.labeler(phase, name)
        pseudo = self._pseudo_labels(phase, name, labeler) if labeler else None
        task = self._task(phase, name, pseudo)
        if phase == 0:
            model = after_first(lambda: initialise(self.config, self.architecture, name))
        else:  # goes on from where it was: fine-tuning
            model = restore(self.architecture, self.weights[name], self.device, name)
        start, best = start_segmentation_phase(task, model), None
        if self.config.goes_on_from == "best-on-val":
            best = BestOnVal(model, self.data, task.total_steps)
        if state is not None:
            with restoring(self.directory.checkpoint_file):
                start.load_state_dict(state)
                if best:
                    best.load_state_dict(state["best"])
        trainer = SegmentationTrainer(task, start)

        def checkpoint() -> None:
            state = {**trainer.state.state_dict(), "best": best.state_dict() if best else None}
            self.journal.save_checkpoint(phase, done=self.done, state=state)

        before = sum(done["record"]["steps"] for done in self.done.values())
        self.journal.run_steps(trainer, checkpoint, best.after_step if best else None, before)
        if best:
            model.load_state_dict(best.weights)
        record = {
            "labeled_by": f"{labeler.model} of phase {labeler.phase}" if labeler else None,
            "pseudo_labels": sum(pseudo.kept) if pseudo else 0,
            "pseudo_labels_by_class": list(pseudo.kept) if pseudo else None,
            "pseudo_label_error": pixel_label_error(pseudo, self.images, self.plan.unlabeled) if pseudo else None,
            **measure_segmentation(model, self.data),
            "steps": task.total_steps,
            **({"best_step": best.step} if best else {}),  # whose weights these are; without it, the last step's
            **summarise(trainer.state.totals),
        }
        return {"weights": model.state_dict(), "record": record}

    def _pseudo_labels(self, phase: int, name: str, labeler: Labeler) -> PixelLabels:
        """Lines 12 and 14: predict the clean unlabeled images, keep the top α of the pixels of each class."""
        if (stored := by_first(lambda: stored_pixel_labels(self.directory, phase, name))) is not None:
            return stored
        weights = self.done[labeler.model]["weights"] if labeler.phase == phase else self.weights[labeler.model]
        teacher = restore(self.architecture, weights, self.device, labeler.model)
        views = [view for view in VIEWS if self.config.flip or not view[1]][: self.config.views]
        predictions = label_images(teacher, self.images, self.plan.unlabeled, views)
        folder = pixel_label_folder(self.directory, phase, name)
        alpha, mark = self.config.alphas[phase - 1], self.directory.mark()
        made = rank() == 0 and write_pixel_labels(folder, predictions, len(self.data.classes), alpha, mark)
        deque(predictions, maxlen=0)  # the other processes make their share of them
        return by_first(lambda: made)

    def _task(self, phase: int, name: str, pseudo: PixelLabels | None) -> SegmentationTask:
        config = self.config
        batches = SegmentationBatches(
            images=self.images,
            labeled=self.plan.labeled if phase else self.plan.supervised[name],
            unlabeled=self.plan.unlabeled if phase else [],
            pseudo=pseudo,
            augment=JointAugment(config.crop, flip=config.flip),
            batch_size=config.batch_size,
            labeled_per_batch=config.labeled_per_batch if phase else config.batch_size,
            total_steps=self.plan.steps(phase, name),
            seed=derive_seed(config.seed, "phase", phase, name),
        )
        return SegmentationTask(config, phase, name, batches, self.device)
