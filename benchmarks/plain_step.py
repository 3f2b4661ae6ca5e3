"""The step of DMT as one writes it first; classification_step.py measures ours against it.

float32, contiguous memory, images augmented one by one in worker processes, a pass for the weights that is like any
other, SGD and the moving average tensor by tensor, and the loss read by the host in every step.
"""

from __future__ import annotations

import copy

import numpy as np
import torch
from augmentation import PerImage
from torch import Tensor
from torch.utils.data import DataLoader

from dmtlib.method.dynamic_loss import dynamic_weights
from dmtlib.method.mixup import mixup, mixup_loss
from dmtlib.method.schedules import gamma_ramp
from dmtlib.models.wideresnet import WideResNet
from dmtlib.training.images.phase import PhaseTask


class _PseudoLabeled(PerImage):
    """The per-image pipeline of augmentation.py, with some label and some confidence beside each image."""

    def __init__(self, images: Tensor, length: int) -> None:
        super().__init__(images)
        self.length = length

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> tuple[Tensor, int, float]:
        return super().__getitem__(index), index % 10, index % 97 / 97


class PlainTrainer:
    """Runs steps of ``task`` on batches whose first images are the labeled ones.

    Args:
        task: phase 1 or later.
        steps: how many of them :meth:`run` takes.
        workers: processes that augment images, ahead of the steps, but never ahead of the call: the time of a call is
            all that its steps cost.
    """

    def __init__(self, task: PhaseTask, steps: int, workers: int) -> None:
        self.task, config = task, task.config
        self.loader = DataLoader(
            _PseudoLabeled(task.images.cpu(), steps * config.batch_size),
            config.batch_size,
            num_workers=workers,
            persistent_workers=True,
            multiprocessing_context="fork",
            pin_memory=task.device.type == "cuda",
        )
        torch.manual_seed(0)
        self.model = WideResNet(**task.architecture).to(task.device).train()
        self.averaged = copy.deepcopy(self.model)
        self.optimizer = torch.optim.SGD(
            self.model.parameters(),
            lr=config.learning_rate,
            momentum=config.momentum,
            weight_decay=config.weight_decay,
            foreach=False,
        )
        self.scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(self.optimizer, T_max=task.total_steps)
        self.draws = np.random.default_rng(0)
        self.steps, self.loss = 0, 0.0

    def run(self) -> None:
        with torch.backends.cudnn.flags(enabled=True):  # its defaults, TF32 among them
            for images, labels, confidence in self.loader:
                self.step(*(tensor.to(self.task.device) for tensor in (images, labels, confidence.float())))

    def step(self, images: Tensor, labels: Tensor, confidence: Tensor) -> None:
        config, device = self.task.config, self.task.device
        with torch.no_grad():
            probabilities = self.model(images).softmax(dim=1)
        gamma = gamma_ramp(self.steps, self.task.total_steps, config.gamma1)
        weights = dynamic_weights(probabilities, labels, confidence, gamma, gamma)
        weights[: config.labeled_per_batch] = 1
        lam = self.draws.beta(config.mixup_alpha, config.mixup_alpha)
        partner = torch.randperm(len(images)).to(device)
        batch = mixup(images, labels, weights, partner, torch.tensor(max(lam, 1 - lam)).to(device))
        loss = mixup_loss(self.model(batch.images), batch)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        self.scheduler.step()
        with torch.no_grad():
            for average, weight in zip(self.averaged.parameters(), self.model.parameters(), strict=True):
                average.mul_(config.ema_decay).add_(weight, alpha=1 - config.ema_decay)
        self.loss += loss.item()
        self.steps += 1
