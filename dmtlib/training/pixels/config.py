"""What a run on pixels is: every setting that shapes its result, and the methods of Table 7 as rows of one table."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass

from ...method.schedules import CURRICULUM_ALPHAS
from .. import methods

METHODS = {name: method for name, method in methods.METHODS.items() if name != "cl"}
"""The rows of Table 7. CL is CBST on images; on pixels the class-balanced one is what the paper compares with."""

LABELERS = ("previous", "newest")
"""Which generation labels in phase i. `previous`: both labelers are of generation i − 1, as Alg. 2 indexes them, and
as the authors' scripts name them (segmentation/dmt-voc-20-1.sh of DST-CBC at 45cd997). `newest`: the new A labels for
B."""

GOES_ON_FROM = ("last", "best-on-val")
"""Which weights of a model label, and go on into its next phase. `last`: those of the last step. `best-on-val`: those
that scored best on val, as in the authors' code; that leaks val's labels, see :mod:`.best_on_val`."""

INITIALISATIONS = ("random", "imagenet", "coco-voc", "coco-caffe")
"""Where a model's weights come from; a file's path may follow, as in ``imagenet:PATH``."""

SEEDS = 1000  # split n of the labeled subset takes n shuffles of all names


@dataclass(frozen=True)
class SegmentationConfig:
    """A run of Alg. 2, or of a method beside it. Equal configs give equal bits on a CPU.

    Lengths are given in steps, or in epochs, never both: an epoch of a phase on pseudo labels is one pass over the
    unlabeled images, of a supervised phase one over its labeled images. ``budget`` scales all of them.

    Attributes:
        seed: of everything random, and the number of the split: 0, 1 and 2 are the paper's three.
        labeled_ratio: training images for each labeled one; None: the labeled subset that the data prescribe.
        initialisations: of the models A and B, see :data:`INITIALISATIONS`; methods with one model take A's.
        difference_maximized: whether A and B are first trained on two subsets of the labeled images (Fig. 6).
        labelers: one of :data:`LABELERS`.
        goes_on_from: one of :data:`GOES_ON_FROM`.
        crop: height and width of a training view, in pixels.
        flip: probability of a horizontal flip in training.
        labeled_per_batch: true labels in a batch of a phase on pseudo labels.
        gamma1, gamma2: constant, for a model that is fine-tuned has something to say from the first step on.
    """

    preset: str
    method: str
    seed: int
    budget: float
    data: str
    labeled_ratio: float | None
    backbone: str
    rates: tuple[int, ...]
    initialisations: tuple[str, str]
    difference_maximized: bool
    crop: tuple[int, int]
    batch_size: int
    labeled_per_batch: int
    learning_rate: float
    supervised_learning_rate: float
    gamma1: float
    gamma2: float
    phase_steps: int | None
    phase_epochs: float | None
    online_steps: int | None
    online_epochs: float | None
    baseline_steps: int | None
    baseline_epochs: float | None
    oracle_steps: int | None
    oracle_epochs: float | None
    precision: str
    flip: float = 0.5
    momentum: float = 0.9
    weight_decay: float = 5e-4
    poly_power: float = 0.9
    alphas: tuple[float, ...] = CURRICULUM_ALPHAS
    labelers: str = "previous"
    goes_on_from: str = "last"
    log_every: int = 20

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise ValueError(f"method must be one of {', '.join(METHODS)}, got {self.method!r}")
        if not 0 <= self.seed < SEEDS:
            raise ValueError(f"seed must lie in 0…{SEEDS - 1}, got {self.seed}")
        if not (math.isfinite(self.budget) and 0 < self.budget <= 10):
            raise ValueError(f"budget must lie in (0, 10], got {self.budget}")
        if self.labelers not in LABELERS:
            raise ValueError(f"labelers must be one of {', '.join(LABELERS)}, got {self.labelers!r}")
        if self.goes_on_from not in GOES_ON_FROM:
            raise ValueError(f"goes_on_from must be one of {', '.join(GOES_ON_FROM)}, got {self.goes_on_from!r}")
        if not 0 < self.labeled_per_batch < self.batch_size:
            raise ValueError(f"labeled_per_batch must lie in 1…{self.batch_size - 1}, got {self.labeled_per_batch}")
        for initialisation in self.initialisations:
            if initialisation.partition(":")[0] not in INITIALISATIONS:
                allowed = ", ".join(INITIALISATIONS)
                raise ValueError(f"initialisation must be one of {allowed}, or NAME:PATH, got {initialisation!r}")

    @property
    def models(self) -> tuple[str, ...]:
        """Names of the models that the run trains."""
        return ("A", "B") if METHODS[self.method].labeler == "other" else ("A",)

    @property
    def phases(self) -> int:
        """Phase 0 is supervised; the others learn from unlabeled images too."""
        method = METHODS[self.method]
        return 1 + (len(self.alphas) if method.labeler else int(method.online))

    def to_json(self) -> dict:
        """Plain JSON types, in the order of the fields."""
        return {key: list(v) if isinstance(v, tuple) else v for key, v in dataclasses.asdict(self).items()}

    def steps(self, phase: int, images: int) -> int:
        """Training steps of one model in a phase whose main set (unlabeled, or labeled in phase 0) has ``images``."""
        method, per_step = METHODS[self.method], self.batch_size
        if phase > 0:
            kind, per_step = "online" if method.online else "phase", self.batch_size - self.labeled_per_batch
        else:
            kind = "oracle" if method.all_labels else "baseline"
        steps, epochs = getattr(self, f"{kind}_steps"), getattr(self, f"{kind}_epochs")
        exact = steps if steps is not None else epochs * images / per_step
        return max(1, round(exact * self.budget))
