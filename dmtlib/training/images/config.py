"""What a run is: every setting that shapes its result, and nothing else."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass

from ...method.schedules import CURRICULUM_ALPHAS
from ..methods import METHODS


@dataclass(frozen=True)
class RunConfig:
    """A run of Alg. 1, or of a supervised method beside it. Equal configs give equal bits on a CPU.

    Lengths are given in steps, or in epochs, never both: an epoch of a mutual-training phase is one pass over
    the pseudo-labeled set, of a supervised phase one over the labeled subset. ``budget`` scales all of them.
    """

    preset: str
    method: str
    seed: int
    budget: float
    data: str
    num_labels: int | None  # None: every label that there is
    validation: int
    augmentation: str
    depth: int
    widen_factor: int
    batch_size: int
    labeled_per_batch: int
    learning_rate: float
    supervised_learning_rate: float
    momentum: float
    weight_decay: float
    ema_decay: float
    mixup_alpha: float
    gamma1: float
    gamma2: float
    phase_steps: int | None
    phase_epochs: float | None
    baseline_steps: int | None
    baseline_epochs: float | None
    oracle_steps: int | None
    oracle_epochs: float | None
    precision: str
    recalibrate_batch_norm: bool
    alphas: tuple[float, ...] = CURRICULUM_ALPHAS
    log_every: int = 20
    weight_pass_moves_statistics: bool = False  # batch norm's running ones; True: twice a step, as the authors' code

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise ValueError(f"method must be one of {', '.join(METHODS)}, got {self.method!r}")
        if not 0 <= self.seed < 2**32:
            raise ValueError(f"seed must lie in 0…{2**32 - 1}, got {self.seed}")
        if not (math.isfinite(self.budget) and 0 < self.budget <= 10):
            raise ValueError(f"budget must lie in (0, 10], got {self.budget}")

    @property
    def iterative(self) -> bool:
        """Whether pseudo labels are learned after the supervised phase 0."""
        return METHODS[self.method].learns_pseudo_labels

    @property
    def phases(self) -> int:
        """Phase 0 is supervised; phases 1…5 learn the pseudo labels of the phase before."""
        method = METHODS[self.method]
        return 1 + (len(self.alphas) if method.labeler else int(method.online))

    def alpha(self, phase: int) -> float:
        """The share of the unlabeled images that phase 1 or later learns from. Online ST has all of them at once."""
        return 1.0 if METHODS[self.method].online else self.alphas[phase - 1]

    def goes_on(self, phase: int) -> bool:
        """Whether the phase's model is the one before, and not a new one."""
        method = METHODS[self.method]
        return phase > 0 and (method.online or method.labeler == "itself")

    def to_json(self) -> dict:
        """Plain JSON types, in the order of the fields."""
        return {key: list(v) if isinstance(v, tuple) else v for key, v in dataclasses.asdict(self).items()}

    def steps(self, phase: int, images: int) -> int:
        """Training steps of a phase whose main set (pseudo-labeled, or labeled in phase 0) has ``images`` images."""
        if phase > 0:
            steps, epochs, per_step = self.phase_steps, self.phase_epochs, self.batch_size - self.labeled_per_batch
        elif self.method == "oracle":
            steps, epochs, per_step = self.oracle_steps, self.oracle_epochs, self.batch_size
        else:
            steps, epochs, per_step = self.baseline_steps, self.baseline_epochs, self.batch_size
        exact = steps if steps is not None else epochs * images / per_step
        if phase > 0 and METHODS[self.method].online:
            exact *= len(self.alphas)
        return max(1, round(exact * self.budget))
