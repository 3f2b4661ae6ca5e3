"""One model in one phase: it learns masks, later pseudo labels of pixels too (Alg. 2, lines 3 and 13)."""

from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import PolynomialLR

from ...data.pixels.datasets import SegmentationData
from ...data.pixels.masks import VOID
from ...method.dynamic_loss import disagreement_cases, weighted_cross_entropy
from ...method.rules import PREDICTION_FREE, RULES, Supervision, supervise
from ..descent import Descent, start_descent
from ..processes import count, mean_of_parts
from ..statistics import pixel_sums
from .batches import SegmentationBatch, SegmentationBatches, in_order
from .config import SegmentationConfig
from .evaluation import confusion_matrix, mean_iou


@dataclass(frozen=True)
class SegmentationTask:
    """All that a model's training in a phase depends on, but for the weights that it starts from."""

    config: SegmentationConfig
    phase: int
    model: str
    batches: SegmentationBatches
    device: torch.device

    @property
    def total_steps(self) -> int:
        return self.batches.total_steps


def start_segmentation_phase(task: SegmentationTask, model: nn.Module) -> Descent:
    """A new optimiser, and the poly schedule from its start, for a model that may have learned before (Alg. 2)."""
    model = model.to(task.device, memory_format=torch.channels_last)
    schedule = partial(PolynomialLR, total_iters=task.total_steps, power=task.config.poly_power)
    return start_descent(task.config, task.phase, model, schedule, head=("aspp.", task.config.head_rate))


class SegmentationTrainer:
    """Runs the steps of one model in one phase. Nothing in :meth:`step` waits for the device."""

    def __init__(self, task: SegmentationTask, state: Descent) -> None:
        config = task.config
        self.task, self.state = task, state
        self.rule = RULES[config.method] if task.phase > 0 else None
        self.needs_predictions = task.phase > 0 and config.method not in PREDICTION_FREE
        self.pseudo_in_part = (config.batch_size - task.batches.labeled_per_batch) / count()  # on average
        self.batches = in_order(task.batches.__getitem__, range(state.step, len(task.batches)), task.device)

    def step(self) -> None:
        """One step of SGD on a batch of labeled and pseudo-labeled images (Eq. 4–6, over pixels). Without mixup, the
        images that are learned are those that are judged: one forward pass gives both the gradient and the weights."""
        state, device = self.state, self.task.device
        batch = SegmentationBatch(*(tensor.to(device, non_blocking=True) for tensor in next(self.batches)))
        logits = state.logits(batch.images.contiguous(memory_format=torch.channels_last))
        targets, weights = self._supervise(logits.detach(), batch)
        loss, counted = weighted_cross_entropy(logits, targets, weights, ignore_index=VOID), (targets != VOID).sum()
        state.backward(loss * (counted / mean_of_parts(counted).clamp(min=0.1)))  # N is of all parts
        state.descend()

    @torch.no_grad()
    def _supervise(self, logits: Tensor, batch: SegmentationBatch) -> Supervision:
        if self.rule is None:
            return supervise(batch.targets)
        config, labeled = self.task.config, len(batch.targets) - len(batch.confidence)
        probabilities = cases = None
        if self.needs_predictions:
            probabilities = logits[labeled:].float().softmax(dim=1)
            if self.task.batches.pseudo is not None:
                cases = disagreement_cases(probabilities, batch.targets[labeled:], batch.confidence, ignore_index=VOID)
        gammas = config.gamma1, config.gamma2
        taught = supervise(batch.targets, self.rule, probabilities, batch.confidence, *gammas, ignore_index=VOID)
        sums = pixel_sums(taught.targets[labeled:], batch.truth, taught.weights[labeled:], cases)
        self.state.window += mean_of_parts(sums * (len(batch.truth) / self.pseudo_in_part))
        return taught

    def close_window(self) -> dict[str, Any]:
        """See :meth:`.descent.Descent.close_window`."""
        return self.state.close_window({"phase": self.task.phase, "model": self.task.model})


LOOK_STEPS = 500
"""Steps between two looks at val, whatever the budget: the default of the authors' code, which all their phases on VOC
have. Their scripts look every 300 steps in phases on Cityscapes, and every 100 to 350 at first, on labels alone."""


class BestOnVal:
    """The authors' choice of a checkpoint, which leaks the labels of val; for the variant `authors` alone. Scores a
    model in training on val every :data:`LOOK_STEPS` steps and after the phase's last, and keeps the weights that were
    best, the first of equals. The model's weights are only read.

    In the authors' code they end the phase: they label for the other model, and go on into the next phase. So what a
    phase learns depends on val's labels, and the score on val is no longer one of labels that nobody saw. The paper
    says nothing of it; the presets that follow the paper keep the last weights."""

    def __init__(self, model: nn.Module, data: SegmentationData, total_steps: int) -> None:
        self._model, self._data, self._total_steps = model, data, total_steps
        self.score, self.step = -1.0, 0
        self.weights: dict[str, Tensor] = {}

    def after_step(self, step: int) -> None:
        """Score the model if it is time."""
        if step % LOOK_STEPS and step < self._total_steps:
            return
        score = mean_iou(confusion_matrix(self._model, self._data, "val"))
        self._model.train()
        if score > self.score:
            self.score, self.step = score, step
            self.weights = {name: value.clone() for name, value in self._model.state_dict().items()}

    def state_dict(self) -> dict[str, Any]:
        return {"score": self.score, "step": self.step, "weights": self.weights}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.score, self.step, self.weights = state["score"], state["step"], state["weights"]
