"""One model in one phase: it learns masks, later pseudo labels of pixels too (Alg. 2, lines 3 and 13)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import PolynomialLR

from ...data.pixels.masks import VOID
from ...method.dynamic_loss import disagreement_cases, weighted_cross_entropy
from ...method.rules import PREDICTION_FREE, RULES, Supervision
from ...method.supervision import supervise
from ..descent import Descent, start_descent
from ..precision import autocast, autocast_dtype
from ..statistics import pixel_sums, summarise
from .batches import SegmentationBatch, SegmentationBatches, in_order
from .config import SegmentationConfig


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
        self.autocast_dtype = autocast_dtype(task.device, config.precision)
        left = range(state.step, len(task.batches))
        self.batches = in_order(task.batches.__getitem__, left, task.device)

    def step(self) -> None:
        """One step of SGD on a batch of labeled and pseudo-labeled images (Eq. 4–6, over pixels).

        Without mixup, the images that are learned are those that are judged: one forward pass gives both the
        gradient and the weights.
        """
        state, device = self.state, self.task.device
        batch = SegmentationBatch(*(tensor.to(device, non_blocking=True) for tensor in next(self.batches)))
        with autocast(device, self.autocast_dtype):
            logits = state.model(batch.images.contiguous(memory_format=torch.channels_last))
        targets, weights = self._supervise(logits.detach(), batch)
        state.descend(weighted_cross_entropy(logits, targets, weights, ignore_index=VOID))

    @torch.no_grad()
    def _supervise(self, logits: Tensor, batch: SegmentationBatch) -> Supervision:
        if self.rule is None:
            return supervise(batch.targets)
        config, labeled = self.task.config, self.task.batches.labeled_per_batch
        probabilities = cases = None
        if self.needs_predictions:
            probabilities = logits[labeled:].float().softmax(dim=1)
            if self.task.batches.pseudo is not None:
                cases = disagreement_cases(probabilities, batch.targets[labeled:], batch.confidence, ignore_index=VOID)
        gammas = config.gamma1, config.gamma2
        taught = supervise(batch.targets, self.rule, probabilities, batch.confidence, *gammas, ignore_index=VOID)
        self.state.window += pixel_sums(taught.targets[labeled:], batch.truth, taught.weights[labeled:], cases)
        return taught

    def close_window(self) -> dict[str, Any]:
        """Means over the steps since the last call: a line of the metrics log. Here the host waits for the device."""
        state = self.state
        sums = state.take_window()
        line = {"phase": self.task.phase, "model": self.task.model, "step": state.step, **summarise(sums)}
        return line | {"learning_rate": state.scheduler.get_last_lr()[0]}
