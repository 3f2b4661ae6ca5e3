"""What a run is: every setting that shapes its result, and nothing else."""

from dataclasses import dataclass

from ...data.images.augment import AUGMENTATIONS
from ...data.images.datasets import check_dataset
from ...method.schedules import CURRICULUM_ALPHAS
from ...models.backbones import TIMM, WEIGHTS
from ..descent import SCHEDULES
from ..methods import METHODS
from ..settings import NOT_NEGATIVE, SHARE, Config, check_row, later, one_of, require, whole

STARTS = ("random", "self-supervised")
"""How phase 0's weights begin: drawn, or learned of all training images without their labels."""


@dataclass(frozen=True, kw_only=True)
class ImageRun:
    """A row of :data:`~dmtlib.presets.PRESETS`: all settings of a run on images but its method, seed and budget. What
    a row doesn't say is as on CIFAR-10 (Sec. 5.2.2, Table 1 rows 7 and 8, Appendix B). A length is in steps or in
    epochs, the other is None: an epoch of a mutual-training phase is one pass over the pseudo-labeled set, of a
    supervised phase one over the labeled subset. A ValueError for a setting that is not allowed says what is."""

    data: str = "cifar10"
    num_labels: int | None  # None: every label that there is
    validation: int = 200  # set apart by the authors (Appendix C)
    augmentation: str = "paper"
    depth: int | None = 28  # of WideResNet; None where there are widths or a network
    widen_factor: int | None = 2
    batch_size: int = 512
    labeled_per_batch: int = 64  # 1 : 7
    learning_rate: float = 0.1
    supervised_learning_rate: float = 0.2
    momentum: float = 0.9
    weight_decay: float = 5e-4
    ema_decay: float = 0.999
    mixup_alpha: float = 0.75  # 0: no mixup, and the weights come from the pass that gives the gradient
    gamma1: float = 4.0
    gamma2: float = 4.0
    phase_steps: int | None = None
    phase_epochs: float | None = 750
    baseline_steps: int | None = None
    baseline_epochs: float | None = None
    oracle_steps: int | None = None
    oracle_epochs: float | None = 300
    precision: str = "auto"
    recalibrate_batch_norm: bool = False
    alphas: tuple[float, ...] = CURRICULUM_ALPHAS
    log_every: int = 20
    weight_pass_moves_statistics: bool = False  # batch norm's running ones; True: twice a step, as the authors' code
    widths: tuple[int, ...] | None = later(None)  # of WhitenedCNN, in the place of WideResNet
    schedule: str = later("cosine")
    nesterov: bool = later(False)
    # timm:NAME, in the place of WideResNet; two take turns, phase by phase, each with its own initialisation.
    network: str | tuple[str, str] | None = later(None)
    side: int | None = later(None)  # of the images that it sees; None: its own
    initialisation: str | tuple[str, str] = later("random")  # of each phase's network but for its head; see WEIGHTS
    least_steps: int = later(1)  # of a phase, whose epochs may be short
    views: int = later(1)  # of an unlabeled image, whose mean prediction labels it; 1: the clean image, as in Alg. 1
    start: str = later("random")  # of phase 0's weights; see STARTS
    start_steps: int = later(400)  # to learn them, before phase 0's own

    def __post_init__(self) -> None:
        check_dataset(self.data)
        check_row(self, "phase", "baseline", "oracle")
        require(self, "num_labels side", ("be 1 or more, or None", lambda n: n is None or n >= 1))
        require(self, "validation", whole(0))
        require(self, "augmentation", one_of(AUGMENTATIONS))
        networks, weights = ((x,) if isinstance(x, str) else x or () for x in (self.network, self.initialisation))
        of_timm = len(networks) <= 2 and all(name.startswith(TIMM) for name in networks)
        require(self, "network", ("be timm:NAME, two of them, or None", lambda _: of_timm))
        known = ("random", *WEIGHTS) if self.network else ("random",)
        each = len(weights) == max(1, len(networks)) and all(name.partition(":")[0] in known for name in weights)
        one_each = f"be one of {', '.join(known)}{' for each' * (len(networks) > 1)}"
        require(self, "initialisation", (one_each, lambda _: each))
        require(self, "least_steps views start_steps", whole(1))
        require(self, "start", one_of(STARTS))
        if self.start != "random":
            require(self, "initialisation", (f"be random for a {self.start} start", lambda w: w == "random"))
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


@dataclass(frozen=True, kw_only=True)
class RunConfig(Config, ImageRun):
    """A run of Alg. 1, or of a supervised method beside it."""

    @property
    def iterative(self) -> bool:
        """Whether pseudo labels are learned after the supervised phase 0."""
        return self.phases > 1

    @property
    def online_length(self) -> tuple[str, int]:
        """The one phase of Online ST, and of FixMatch, is as long as those of the others together."""
        return "phase", len(self.alphas)

    def alpha(self, phase: int) -> float:
        """The share of the unlabeled images that phase 1 or later learns from. Online methods have all at once."""
        return 1.0 if METHODS[self.method].online else self.alphas[phase - 1]

    def steps(self, phase: int, images: int) -> int:
        """As of all runs, and of few images still as many as ``least_steps`` says; in phase 0 with its start's."""
        steps = max(round(self.least_steps * self.budget), super().steps(phase, images))
        return steps + self.start_steps_of(phase)

    def start_steps_of(self, phase: int) -> int:
        """How many of a phase's steps learn its start: none but in phase 0."""
        return 0 if phase > 0 or self.start == "random" else max(1, round(self.start_steps * self.budget))

    def network_of(self, phase: int) -> tuple[str | None, str]:
        """A phase's network, and its initialisation. Of two the even phases have the first one, the odd ones the
        second; where a model goes on from phase to phase, all have the first."""
        if self.network is None or isinstance(self.network, str):
            return self.network, self.initialisation
        turn = 0 if self.goes_on_from(phase) == phase - 1 else phase % 2
        return self.network[turn], self.initialisation[turn]

    def goes_on_from(self, phase: int) -> int | None:
        """The phase whose model goes on: that before, of a pair the one before that, or none: a new one."""
        method = METHODS[self.method]
        if method.online or method.labeler == "itself":
            return phase - 1 if phase > 0 else None
        return phase - 2 if method.pair and phase > 1 else None
