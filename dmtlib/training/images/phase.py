"""One phase: a model learns labeled and pseudo-labeled images (Alg. 1, lines 2 and 7)."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import CosineAnnealingLR
from torch.optim.swa_utils import get_ema_multi_avg_fn

from ...data.images.augment import Augmentation
from ...method.dynamic_loss import disagreement_cases
from ...method.mixup import mixup, mixup_loss
from ...method.rules import PREDICTION_FREE, RULES
from ...method.schedules import gamma_ramp
from ...models.wideresnet import WideResNet
from ..batches import ShuffledStream
from ..descent import Descent, start_descent
from ..precision import autocast, autocast_dtype
from ..seeding import derive_seed
from ..statistics import batch_sums, summarise
from .config import RunConfig


@dataclass(frozen=True)
class PhaseTask:
    """All that a phase's training depends on; tensors live on the device. ``pseudo_*`` are None in phase 0."""

    config: RunConfig
    phase: int
    total_steps: int
    num_classes: int
    augment: Augmentation
    images: Tensor  # (N, C, H, W) uint8, the whole training set
    labeled: Tensor  # (l,) indices
    labeled_targets: Tensor  # (l,)
    pseudo: Tensor | None = None  # (p,) indices
    pseudo_labels: Tensor | None = None  # (p,)
    pseudo_confidence: Tensor | None = None  # (p,)
    pseudo_truth: Tensor | None = None  # (p,), for the statistics only

    @property
    def device(self) -> torch.device:
        return self.images.device

    @property
    def architecture(self) -> dict[str, int]:
        """The arguments of :class:`~dmtlib.models.wideresnet.WideResNet`."""
        return {
            "depth": self.config.depth,
            "widen_factor": self.config.widen_factor,
            "num_classes": self.num_classes,
            "in_channels": self.images.shape[1],
        }


def start_phase(task: PhaseTask, before: nn.Module | None = None) -> Descent:
    """A model, its average, optimiser and schedule. Alg. 1 (line 6) has a new model, from a seed that no other phase
    uses; methods whose model learns its own labels give the one ``before``, to go on from its weights."""
    config = task.config
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(config.seed, "initialise", task.phase))
        model = WideResNet(**task.architecture)
    if before is not None:
        model.load_state_dict(before.state_dict())
    model = model.to(task.device, memory_format=torch.channels_last)
    averaged = WideResNet(**task.architecture).to(task.device, memory_format=torch.channels_last)
    averaged.load_state_dict(model.state_dict())
    schedule = partial(CosineAnnealingLR, T_max=task.total_steps)
    return start_descent(config, task.phase, model, schedule, averaged.requires_grad_(False))


class PhaseTrainer:
    """Runs the steps of one phase. Nothing in :meth:`step` waits for the device."""

    def __init__(self, task: PhaseTask, state: Descent) -> None:
        config, device = task.config, task.device
        self.task, self.state = task, state
        self.rule = RULES[config.method] if task.phase > 0 else None
        self.needs_predictions = task.phase > 0 and config.method not in PREDICTION_FREE
        self.autocast_dtype = autocast_dtype(device, config.precision)
        self.weights = list(state.averaged.parameters()), list(state.model.parameters())
        # Apart from the counters of batch norm: tensors of several dtypes are copied by one kernel each.
        self.buffers = [
            tuple([b for b in m.buffers() if b.is_floating_point() == floating] for m in (state.averaged, state.model))
            for floating in (True, False)
        ]
        self.generator = torch.Generator(device)
        self.labeled_in_batch = config.labeled_per_batch if task.phase > 0 else config.batch_size
        seed = derive_seed(config.seed, "order", task.phase)
        self.labeled_stream = ShuffledStream(len(task.labeled), self.labeled_in_batch, derive_seed(seed, 0), device)
        if task.phase > 0:
            in_batch = config.batch_size - self.labeled_in_batch
            self.pseudo_stream = ShuffledStream(len(task.pseudo), in_batch, derive_seed(seed, 1), device)
        # λ ← max(λ, 1 − λ): a sample stays mostly itself. In this loss that changes nothing but the order of a batch's
        # mixtures, because exchanging λ and 1 − λ is exchanging partners (chapter 5).
        draws = np.random.default_rng(derive_seed(config.seed, "mixup", task.phase))
        lam = draws.beta(config.mixup_alpha, config.mixup_alpha, size=task.total_steps)
        self.lam = torch.from_numpy(np.maximum(lam, 1 - lam)).float().to(device)

    def step(self) -> None:
        """One step of SGD on a batch of labeled and pseudo-labeled images."""
        task, state, config = self.task, self.state, self.task.config
        self.generator.manual_seed(derive_seed(config.seed, "augment", task.phase, state.step))
        which, targets, confidence, truth = self._batch(state.step)
        images = task.augment(task.images[which], self.generator)
        targets, weights = self._supervise(images, targets, confidence, truth)
        partner = torch.rand(len(which), generator=self.generator, device=task.device).argsort()
        mixed = mixup(images, targets, weights, partner, self.lam[state.step])
        with autocast(task.device, self.autocast_dtype):
            logits = state.model(mixed.images)
        state.descend(mixup_loss(logits, mixed))
        self._average()

    def _batch(self, step: int) -> tuple[Tensor, Tensor, Tensor | None, Tensor | None]:
        """Indices and targets, labeled images first; confidence and truth of the pseudo-labeled rest."""
        task = self.task
        labeled = self.labeled_stream.batch(step)
        if task.phase == 0:
            return task.labeled[labeled], task.labeled_targets[labeled], None, None
        pseudo = self.pseudo_stream.batch(step)
        return (
            torch.cat([task.labeled[labeled], task.pseudo[pseudo]]),
            torch.cat([task.labeled_targets[labeled], task.pseudo_labels[pseudo]]),
            task.pseudo_confidence[pseudo],
            task.pseudo_truth[pseudo],
        )

    @torch.no_grad()
    def _supervise(
        self, images: Tensor, targets: Tensor, confidence: Tensor | None, truth: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """Targets and weights of the batch: the rule's on its pseudo-labeled part, 1 on the labeled one."""
        weights = torch.ones(len(targets), device=images.device)
        if self.rule is None:
            return targets, weights
        pseudo_labels = targets[self.labeled_in_batch :]
        probabilities = cases = None
        if self.needs_predictions:
            model, moves = self.state.model, self.task.config.weight_pass_moves_statistics
            statistics = contextlib.nullcontext() if moves else batch_statistics_only(model)
            with statistics, autocast(images.device, self.autocast_dtype):
                logits = model(images)[self.labeled_in_batch :]
            probabilities = logits.float().softmax(dim=1)
            cases = disagreement_cases(probabilities, pseudo_labels, confidence)
        step, total = self.state.step, self.task.total_steps
        gamma1, gamma2 = (gamma_ramp(step, total, g) for g in (self.task.config.gamma1, self.task.config.gamma2))
        learned, weights[self.labeled_in_batch :] = self.rule(probabilities, pseudo_labels, confidence, gamma1, gamma2)
        self.state.window += batch_sums(pseudo_labels, truth, weights[self.labeled_in_batch :], cases)
        return torch.cat([targets[: self.labeled_in_batch], learned]), weights

    @torch.no_grad()
    def _average(self) -> None:
        """The exponential moving average of the weights; its memory grows over the first steps, so that a short
        phase does not end with a share of its random initialisation. Buffers follow the model."""
        taken = self.state.step
        decay = min(self.task.config.ema_decay, taken / (9 + taken))
        get_ema_multi_avg_fn(decay)(*self.weights, None)
        for averaged, current in self.buffers:
            torch._foreach_copy_(averaged, current)

    def close_window(self) -> dict[str, Any]:
        """Means over the steps since the last call: a line of the metrics log. Here the host waits for the device."""
        state = self.state
        sums = state.take_window()
        gamma = gamma_ramp(state.step, self.task.total_steps, self.task.config.gamma1) if self.rule else None
        line = {"phase": self.task.phase, "step": state.step, **summarise(sums), "gamma1": gamma}
        return line | {"learning_rate": state.scheduler.get_last_lr()[0]}


@contextlib.contextmanager
def batch_statistics_only(model: nn.Module) -> Iterator[None]:
    """Batch norm uses the batch's statistics, as in training, but leaves the running ones alone."""
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        norm.track_running_stats = False
    try:
        yield
    finally:
        for norm in norms:
            norm.track_running_stats = True
