"""What a run is: every setting that shapes its result, and nothing else."""

from __future__ import annotations

from ...data.images.augment import AUGMENTATIONS
from ...data.images.datasets import check_dataset
from ...method.schedules import CURRICULUM_ALPHAS
from ...models.backbones import TIMM, WEIGHTS
from ..descent import SCHEDULES
from ..methods import METHODS
from ..settings import (
    NOT_NEGATIVE,
    SHARE,
    as_json,
    check_row,
    check_run,
    later,
    one_of,
    require,
    scaled_steps,
    settings,
    whole,
)


@settings
class ImageRun:
    """A row of :data:`~.presets.PRESETS`: all settings of a run on images but its method, seed and budget.

    A length is ``Steps(800)`` or ``Epochs(750)``: an epoch of a mutual-training phase is one pass over the
    pseudo-labeled set, of a supervised phase one over the labeled subset.

    Raises:
        ValueError: an unknown setting, or one that is not allowed; the message says what is.
    """

    data: str
    num_labels: int | None  # None: every label that there is
    validation: int
    augmentation: str
    depth: int | None  # of WideResNet; None where there are widths or a network
    widen_factor: int | None
    batch_size: int
    labeled_per_batch: int
    learning_rate: float
    supervised_learning_rate: float
    momentum: float
    weight_decay: float
    ema_decay: float
    mixup_alpha: float  # 0: no mixup, and the weights come from the pass that gives the gradient
    gamma1: float
    gamma2: float
    phase_steps: int | None = None
    phase_epochs: float | None = None
    baseline_steps: int | None = None
    baseline_epochs: float | None = None
    oracle_steps: int | None = None
    oracle_epochs: float | None = None
    precision: str
    recalibrate_batch_norm: bool
    alphas: tuple[float, ...] = CURRICULUM_ALPHAS
    log_every: int = 20
    weight_pass_moves_statistics: bool = False  # batch norm's running ones; True: twice a step, as the authors' code
    widths: tuple[int, ...] | None = later(None)  # of WhitenedCNN, in the place of WideResNet
    schedule: str = later("cosine")
    nesterov: bool = later(False)
    network: str | None = later(None)  # timm:NAME, in the place of WideResNet
    side: int | None = later(None)  # of the images that it sees; None: its own
    initialisation: str = later("random")  # of each phase's network but for its head; see WEIGHTS

    def __post_init__(self) -> None:
        check_dataset(self.data)
        check_row(self, "phase", "baseline", "oracle")
        require(self, "num_labels", ("be 1 or more, or None", lambda n: n is None or n >= 1))
        require(self, "validation", whole(0))
        require(self, "augmentation", one_of(AUGMENTATIONS))
        require(self, "network", ("be timm:NAME or None", lambda name: name is None or name.startswith(TIMM)))
        require(self, "side", ("be 1 or more, or None", lambda side: side is None or side >= 1))
        known = ("random", *WEIGHTS) if self.network else ("random",)
        require(
            self, "initialisation", (f"be one of {', '.join(known)}", lambda name: name.partition(":")[0] in known)
        )
        if self.network is not None:
            require(self, "depth widen_factor widths", ("be None beside a network", lambda n: n is None))
        elif self.widths is None:
            require(self, "depth", ("be 6n + 4 with n ≥ 1 (10, 16, 22, 28, …)", lambda n: n >= 10 and n % 6 == 4))
            require(self, "widen_factor", whole(1))
        else:
            require(self, "widths", ("be three, each 1 or more", lambda w: len(w) == 3 and min(w) >= 1))
            require(self, "depth widen_factor", ("be None beside widths", lambda n: n is None))
        require(self, "schedule", one_of(SCHEDULES))
        require(self, "ema_decay", SHARE)
        require(self, "mixup_alpha", NOT_NEGATIVE)


@settings
class RunConfig(ImageRun):
    """A run of Alg. 1, or of a supervised method beside it. Equal configs give equal bits on a CPU. ``budget`` scales
    all lengths."""

    preset: str
    method: str
    seed: int
    budget: float

    def __post_init__(self) -> None:
        super().__post_init__()
        check_run(self, METHODS, seeds=2**32)

    @property
    def iterative(self) -> bool:
        """Whether pseudo labels are learned after the supervised phase 0."""
        return self.phases > 1

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

    to_json = as_json

    def steps(self, phase: int, images: int) -> int:
        """Training steps of a phase whose main set (pseudo-labeled, or labeled in phase 0) has ``images`` images."""
        method = METHODS[self.method]
        if phase == 0:
            return scaled_steps(self, "oracle" if method.all_labels else "baseline", images, self.batch_size)
        times = len(self.alphas) if method.online else 1
        return scaled_steps(self, "phase", images, self.batch_size - self.labeled_per_batch, times)
