"""What a run on pixels is: every setting that shapes its result."""

from dataclasses import dataclass

from ...data.pixels.datasets import check_segmentation
from ...method.schedules import CURRICULUM_ALPHAS
from ...models.backbones import TIMM, WEIGHTS
from ..methods import METHODS, SEGMENTATION_METHODS
from ..settings import NOT_NEGATIVE, SHARE, Config, check_row, later, one_of, require

LABELERS = ("previous", "newest")
"""Which generation labels in phase i. `previous`: both labelers are of generation i − 1, as Alg. 2 indexes them, and
in the authors' scripts (segmentation/dmt-voc-20-1.sh of DST-CBC at 45cd997). `newest`: the new A labels for B."""

GOES_ON_FROM = ("last", "best-on-val")
"""Which weights of a model label, and go on into its next phase. `last`: those of the last step. `best-on-val`: those
that scored best on val, as in the authors' code; that leaks val's labels, see :class:`.phase.BestOnVal`."""

BACKBONES = ("resnet18", "resnet34", "resnet50", "resnet101", "narrow")
"""Those of :data:`~dmtlib.models.resnet.ARCHITECTURES`, which takes seconds to import."""

INITIALISATIONS = ("random", "imagenet", "coco-voc", "coco-caffe")
"""Where a ResNet's weights come from; a file's path may follow, as in ``imagenet:PATH``."""


@dataclass(frozen=True, kw_only=True)
class PixelRun:
    """A row of :data:`~dmtlib.presets.SEGMENTATION_PRESETS`: all settings of a run on pixels but method, seed and
    budget. What a row doesn't say is as on VOC (Table 1, Sec. 5.2, Appendix B). A length is in steps or in epochs, the
    other is None: an epoch of a phase on pseudo labels is one pass over the unlabeled images, of a supervised phase
    one over its labeled images. A ValueError for a setting that is not allowed says what is."""

    data: str = "voc"
    labeled_ratio: float | None  # training images for each labeled one; None: the subset that the data prescribe
    backbone: str | tuple[str, str] = "resnet101"  # one of BACKBONES, or timm:NAME; or two, of A and of B
    rates: tuple[int, ...] = (6, 12, 18, 24)
    # Of A and B (Alg. 2, line 1), see INITIALISATIONS, of timm:NAME random or one of backbones.WEIGHTS; methods with
    # one model take A's. The paper's COCO weights are gone from the web: A starts from torchvision's in their place.
    initialisations: tuple[str, str] = ("coco-voc", "imagenet")
    difference_maximized: bool = False  # whether A and B first learn two subsets of the labeled images (Fig. 6)
    crop: tuple[int, int] = (321, 321)  # height and width of a training view, in pixels
    batch_size: int = 8
    labeled_per_batch: int = 1  # 1 : 7, in a phase on pseudo labels
    learning_rate: float = 1e-3
    supervised_learning_rate: float = 2e-3
    gamma1: float = 5.0  # constant: a model that is fine-tuned has something to say from the first step on
    gamma2: float = 5.0
    phase_steps: int | None = None
    phase_epochs: float | None = 5
    online_steps: int | None = None
    online_epochs: float | None = 20  # Sec. 5.4: as long as five phases of four epochs
    baseline_steps: int | None = None
    baseline_epochs: float | None = None
    oracle_steps: int | None = None
    oracle_epochs: float | None = 30
    precision: str = "auto"
    flip: float = 0.5  # probability of a horizontal one in training
    momentum: float = 0.9
    weight_decay: float = 5e-4
    poly_power: float = 0.9
    alphas: tuple[float, ...] = CURRICULUM_ALPHAS
    labelers: str = "previous"  # one of LABELERS
    goes_on_from: str = "last"  # one of GOES_ON_FROM
    log_every: int = 20
    output_stride: int | None = later(None)  # of the backbone, in pixels; None: 8, and 4 of narrow
    # Of ASPP, in the backbone's. Its branches add up over thousands of inputs: where these are large, as those of
    # pre-trained networks, it diverges long before the backbone would.
    head_rate: float = later(1.0)
    views: int = later(1)  # of an unlabeled image, whose mean prediction labels it; 1: the image itself, as in Alg. 2

    def __post_init__(self) -> None:
        check_segmentation(self.data)
        check_row(self, "phase", "online", "baseline", "oracle")
        require(self, "labeled_ratio", ("be 1 or more, or None", lambda ratio: ratio is None or ratio >= 1))
        both = self.backbones
        known = len(both) == 2 and all(name in BACKBONES or name.startswith(TIMM) for name in both)
        require(self, "backbone", (f"be one of {', '.join(BACKBONES)} or timm:NAME, or two of them", lambda _: known))
        require(self, "output_stride", ("be 4, 8, 16 or None", lambda stride: stride in (None, 4, 8, 16)))
        require(self, "rates", ("be one or more, each 1 or more", lambda rates: min(rates, default=0) >= 1))
        require(self, "crop", ("be a height and a width", lambda crop: len(crop) == 2 and min(crop) >= 1))
        require(self, "flip", SHARE)
        require(self, "poly_power head_rate", NOT_NEGATIVE)
        require(self, "views", ("lie in 1…16, 1…8 without flips", lambda n: n in range(1, 17 if self.flip else 9)))
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


@dataclass(frozen=True, kw_only=True)
class SegmentationConfig(Config, PixelRun):
    """A run of Alg. 2, or of a method beside it. ``seed`` is that of everything random, and the number of the split:
    0, 1 and 2 are the paper's three."""

    known = SEGMENTATION_METHODS
    seeds = 1000  # split n of the labeled subset takes n shuffles of all names
    online_length = "online", 1

    @property
    def models(self) -> tuple[str, ...]:
        """Names of the models that the run trains."""
        return ("A", "B") if METHODS[self.method].labeler == "other" else ("A",)
