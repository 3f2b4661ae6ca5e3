"""How every phase descends, on images and on pixels: SGD, a schedule, mixed precision, and sums over the steps."""

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import SGD, Optimizer
from torch.optim.lr_scheduler import CosineAnnealingLR, LambdaLR, LRScheduler

from .precision import autocast, autocast_dtype
from .processes import WholeBatchNorm, drops, mean_of_parts, parallel
from .seeding import derive_seed
from .settings import Config
from .statistics import STATISTICS, summarise

RISING = 0.2  # the share of a phase in which a triangular schedule rises
RISES_FROM = 0.2  # of its highest learning rate


def cosine(optimizer: Optimizer, total_steps: int) -> LRScheduler:
    """From the learning rate down to 0, along half a wave."""
    return CosineAnnealingLR(optimizer, T_max=total_steps)


def triangular(optimizer: Optimizer, total_steps: int) -> LRScheduler:
    """Straight up from a fifth of the learning rate within the first fifth of the steps, then straight down to 0."""

    def factor(step: int) -> float:
        done = step / total_steps
        return RISES_FROM + (1 - RISES_FROM) * done / RISING if done < RISING else (1 - done) / (1 - RISING)

    return LambdaLR(optimizer, factor)


SCHEDULES = {"cosine": cosine, "triangular": triangular}
"""How the learning rate runs through a phase on images, by the name in a preset."""


@dataclass
class Descent:
    """What changes from step to step. Together with a phase's task it determines every later step. ``averaged`` is the
    exponential moving average of ``model``, None where none is kept; ``dtype`` that of the matrix products, see
    :func:`.precision.autocast_dtype`; ``window`` the sums named in :data:`.statistics.STATISTICS` since the last look,
    on the device, ``totals`` the same since the phase began, as far as they were looked at. ``parallel`` is the model
    in a wrapper that averages the gradients of several processes, None where there is one. ``drops``, where the model
    has dropout, is what the steps' seeds are made of. ``seen`` is what :func:`.rules.flexible_thresholds` reads, by
    training image, None for a method that has none."""

    model: nn.Module
    averaged: nn.Module | None
    optimizer: Optimizer
    scheduler: LRScheduler
    scaler: torch.amp.GradScaler
    dtype: torch.dtype | None
    window: Tensor
    step: int = 0
    totals: list[float] = field(default_factory=lambda: [0.0] * len(STATISTICS))
    parallel: nn.Module | None = None
    drops: int | None = None
    seen: Tensor | None = None

    def logits(self, images: Tensor) -> Tensor:
        """The model's, on this process's part of a batch, which is on its device."""
        model = self.parallel if self.parallel and torch.is_grad_enabled() else self.model
        if self.drops is not None:
            torch.manual_seed(derive_seed(self.drops, self.step))  # dropout knows no other generator
        with autocast(images.device, self.dtype), WholeBatchNorm() if self.parallel else nullcontext():
            return model(images)

    def backward(self, loss: Tensor) -> None:
        """The gradient of ``loss``, averaged over all processes, and its share of the sums."""
        self.optimizer.zero_grad(set_to_none=True)
        self.scaler.scale(loss).backward()
        self.window[0].add_(1)
        self.window[1].add_(mean_of_parts(loss.detach()))

    def descend(self) -> None:
        """One step along the gradient. Nothing waits for the device."""
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.scheduler.step()
        self.step += 1

    def close_window(self, place: dict[str, Any], **more: float | None) -> dict[str, Any]:
        """Means over the steps since the last call, whose sums are added to the totals: a line of the metrics log,
        which begins with a ``place`` in the run. Here the host waits for the device."""
        sums = self.window.tolist()
        self.window.zero_()
        self.totals = [total + new for total, new in zip(self.totals, sums, strict=True)]
        learning_rate = self.scheduler.get_last_lr()[0]
        return {**place, "step": self.step, **summarise(sums), **more, "learning_rate": learning_rate}

    def state_dict(self) -> dict[str, Any]:
        parts = {name: part.state_dict() for name, part in self._parts().items()}
        more = {} if self.seen is None else {"seen": self.seen}
        return {**parts, **more, "window": self.window, "step": self.step, "totals": self.totals}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        for name, part in self._parts().items():
            part.load_state_dict(state[name])
        if state["window"].shape != self.window.shape or len(state["totals"]) != len(self.totals):
            raise ValueError("other statistics")
        self.window.copy_(state["window"])
        if self.seen is not None:
            self.seen.copy_(state["seen"])
        self.step, self.totals = state["step"], state["totals"]

    def _parts(self) -> dict[str, Any]:
        names = ("model", "averaged", "optimizer", "scheduler", "scaler")
        return {name: getattr(self, name) for name in names if getattr(self, name) is not None}


def start_descent(
    config: Config,
    phase: int,
    model: nn.Module,
    schedule: Callable[[Optimizer], LRScheduler],
    averaged: nn.Module | None = None,
    nesterov: bool = False,
    head: tuple[str, float] = ("", 1.0),
) -> Descent:
    """A new optimiser and schedule for a model that is on its device; phase 0 has a learning rate of its own. That of
    weights whose names begin as the first part of ``head`` is multiplied by the second."""
    device = next(model.parameters()).device
    rate = config.learning_rate if phase > 0 else config.supervised_learning_rate
    groups: dict[float, list[Tensor]] = {}
    for name, weight in model.named_parameters():
        groups.setdefault(rate * (head[1] if name.startswith(head[0]) else 1), []).append(weight)
    how = {"lr": rate, "momentum": config.momentum, "weight_decay": config.weight_decay, "nesterov": nesterov}
    how["fused"] = device.type in ("cuda", "cpu")
    optimizer = SGD([{"params": weights, "lr": lr} for lr, weights in groups.items()], **how)
    for weight in model.parameters():
        # The fused kernel would allocate this in its first step, and leave it unwritten if that step's fp16 gradients
        # overflow: the second step would then add to whatever lay in memory.
        optimizer.state[weight]["momentum_buffer"] = torch.zeros_like(weight)
    dtype = autocast_dtype(device, config.precision)
    scaler = torch.amp.GradScaler(device.type, enabled=dtype == torch.float16)
    more = {"dtype": dtype, "window": torch.zeros(len(STATISTICS), device=device)}
    more["drops"] = derive_seed(config.seed, "dropout", phase) if drops(model) else None
    return Descent(model.train(), averaged, optimizer, schedule(optimizer), scaler, parallel=parallel(model), **more)
