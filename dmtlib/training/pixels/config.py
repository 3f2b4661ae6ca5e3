"""What a run on pixels is: every setting that shapes its result."""

from __future__ import annotations

from ...data.pixels.datasets import check_segmentation
from ...method.schedules import CURRICULUM_ALPHAS
from ...models.backbones import TIMM, WEIGHTS
from ..methods import METHODS, SEGMENTATION_METHODS
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
)

LABELERS = ("previous", "newest")
"""Which generation labels in phase i. `previous`: both labelers are of generation i − 1, as Alg. 2 indexes them, and
as the authors' scripts name them (segmentation/dmt-voc-20-1.sh of DST-CBC at 45cd997). `newest`: the new A labels for
B."""

GOES_ON_FROM = ("last", "best-on-val")
"""Which weights of a model label, and go on into its next phase. `last`: those of the last step. `best-on-val`: those
that scored best on val, as in the authors' code; that leaks val's labels, see :mod:`.best_on_val`."""

BACKBONES = ("resnet18", "resnet34", "resnet50", "resnet101", "narrow")
"""Those of :data:`~dmtlib.models.resnet.ARCHITECTURES`, which takes seconds to import."""

INITIALISATIONS = ("random", "imagenet", "coco-voc", "coco-caffe")
"""Where a ResNet's weights come from; a file's path may follow, as in ``imagenet:PATH``."""

SEEDS = 1000  # split n of the labeled subset takes n shuffles of all names


@settings
class PixelRun:
    """A row of :data:`~.presets.SEGMENTATION_PRESETS`: all settings of a run on pixels but method, seed and budget.

    A length is ``Steps(800)`` or ``Epochs(750)``: an epoch of a phase on pseudo labels is one pass over the unlabeled
    images, of a supervised phase one over its labeled images.

    Attributes:
        labeled_ratio: training images for each labeled one; None: the labeled subset that the data prescribe.
        backbone: one of :data:`BACKBONES`, or ``timm:NAME``; of both models, or two of A and B.
        initialisations: of the models A and B, see :data:`INITIALISATIONS`, of ``timm:NAME`` random or one of
            :data:`~dmtlib.models.backbones.WEIGHTS`; methods with one model take A's.
        difference_maximized: whether A and B are first trained on two subsets of the labeled images (Fig. 6).
        labelers: one of :data:`LABELERS`.
        goes_on_from: one of :data:`GOES_ON_FROM`.
        crop: height and width of a training view, in pixels.
        flip: probability of a horizontal flip in training.
        labeled_per_batch: true labels in a batch of a phase on pseudo labels.
        output_stride: of the backbone, in pixels; None: 8, and 4 of ``narrow``.
        head_rate: the learning rate of ASPP, in those of the backbone. Its branches add up over thousands of inputs:
            where these are large, as those of pre-trained networks, it diverges long before the backbone would.
        gamma1, gamma2: constant, for a model that is fine-tuned has something to say from the first step on.

    Raises:
        ValueError: an unknown setting, or one that is not allowed; the message says what is.
    """

    data: str
    labeled_ratio: float | None
    backbone: str | tuple[str, str]
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
    phase_steps: int | None = None
    phase_epochs: float | None = None
    online_steps: int | None = None
    online_epochs: float | None = None
    baseline_steps: int | None = None
    baseline_epochs: float | None = None
    oracle_steps: int | None = None
    oracle_epochs: float | None = None
    precision: str
    flip: float = 0.5
    momentum: float = 0.9
    weight_decay: float = 5e-4
    poly_power: float = 0.9
    alphas: tuple[float, ...] = CURRICULUM_ALPHAS
    labelers: str = "previous"
    goes_on_from: str = "last"
    log_every: int = 20
    output_stride: int | None = later(None)
    head_rate: float = later(1.0)

    def __post_init__(self) -> None:
        check_segmentation(self.data)
        check_row(self, "phase", "online", "baseline", "oracle")
        require(self, "labeled_ratio", ("be 1 or more, or None", lambda ratio: ratio is None or ratio >= 1))
        both = self.backbones
        if len(both) != 2 or not all(name in BACKBONES or name.startswith(TIMM) for name in both):
            allowed = f"one of {', '.join(BACKBONES)} or timm:NAME, or two of them"
            raise ValueError(f"backbone must be {allowed}, got {self.backbone!r}")
        require(self, "output_stride", ("be 4, 8, 16 or None", lambda stride: stride in (None, 4, 8, 16)))
        require(self, "rates", ("be one or more, each 1 or more", lambda rates: min(rates, default=0) >= 1))
        require(self, "crop", ("be a height and a width", lambda crop: len(crop) == 2 and min(crop) >= 1))
        require(self, "flip", SHARE)
        require(self, "poly_power head_rate", NOT_NEGATIVE)
        require(self, "labelers", one_of(LABELERS))
        require(self, "goes_on_from", one_of(GOES_ON_FROM))
        require(self, "initialisations", ("be two, of A and of B", lambda both: len(both) == 2))
        for backbone, initialisation in zip(both, self.initialisations, strict=True):
            known = ("random", *WEIGHTS) if backbone.startswith(TIMM) else INITIALISATIONS
            if initialisation.partition(":")[0] not in known:
                allowed = ", ".join(known)
                raise ValueError(f"initialisation must be one of {allowed}, or NAME:PATH, got {initialisation!r}")

    @property
    def backbones(self) -> tuple[str, ...]:
        """Of the models A and B."""
        return (self.backbone,) * 2 if isinstance(self.backbone, str) else tuple(self.backbone)


@settings
class SegmentationConfig(PixelRun):
    """A run of Alg. 2, or of a method beside it. Equal configs give equal bits on a CPU. ``seed`` is that of
    everything random, and the number of the split: 0, 1 and 2 are the paper's three; ``budget`` scales all lengths."""

    preset: str
    method: str
    seed: int
    budget: float

    def __post_init__(self) -> None:
        super().__post_init__()
        check_run(self, SEGMENTATION_METHODS, SEEDS)

    @property
    def models(self) -> tuple[str, ...]:
        """Names of the models that the run trains."""
        return ("A", "B") if METHODS[self.method].labeler == "other" else ("A",)

    @property
    def phases(self) -> int:
        """Phase 0 is supervised; the others learn from unlabeled images too."""
        method = METHODS[self.method]
        return 1 + (len(self.alphas) if method.labeler else int(method.online))

    to_json = as_json

    def steps(self, phase: int, images: int) -> int:
        """Training steps of one model in a phase whose main set (unlabeled, or labeled in phase 0) has ``images``."""
        method = METHODS[self.method]
        if phase == 0:
            return scaled_steps(self, "oracle" if method.all_labels else "baseline", images, self.batch_size)
        length = "online" if method.online else "phase"
        return scaled_steps(self, length, images, self.batch_size - self.labeled_per_batch)
