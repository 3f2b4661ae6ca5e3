"""The presets on pixels: the cells of Tables 4 to 7 that can be run, CamVid, and the scenes of the book."""

from __future__ import annotations

import math

# Table 1, Sec. 5.2, Appendix B.
_PAPER = dict(
    backbone="resnet101",
    rates=(6, 12, 18, 24),
    batch_size=8,
    labeled_per_batch=1,  # 1 : 7
    phase_steps=None,
    online_steps=None,
    online_epochs=20,  # Sec. 5.4: as long as five phases of four epochs
    baseline_steps=None,
    oracle_steps=None,
    precision="auto",
)

# Alg. 2, line 1. The paper's COCO weights are gone from the web: A starts from torchvision's in their place.
_TWO_INITIALISATIONS = dict(initialisations=("coco-voc", "imagenet"), difference_maximized=False)
# For 100 to 200 labels (Sec. 4.1.2): the better of the two twice, and two subsets of the labels.
_TWO_SUBSETS = dict(initialisations=("coco-voc", "coco-voc"), difference_maximized=True)

_VOC = dict(
    **_PAPER,
    data="voc",
    crop=(321, 321),
    learning_rate=1e-3,
    supervised_learning_rate=2e-3,
    gamma1=5.0,
    gamma2=5.0,
    oracle_epochs=30,
)
_CITYSCAPES = dict(
    **_PAPER,
    data="cityscapes",
    crop=(256, 512),
    learning_rate=4e-3,
    supervised_learning_rate=4e-3,
    gamma1=3.0,
    gamma2=3.0,
    oracle_epochs=60,
)


def _baseline_epochs(oracle_epochs: int, ratio: float) -> float:
    """sqrt(1 / labeled ratio) · N, where the oracle trains N epochs (Appendix B)."""
    return oracle_epochs * math.sqrt(ratio)


def _voc(ratio: float, phase_epochs: int, start: dict) -> dict:
    return {**_VOC, **start, "labeled_ratio": ratio, "phase_epochs": phase_epochs,
            "baseline_epochs": _baseline_epochs(30, ratio)}  # fmt: skip


SEGMENTATION_PRESETS: dict[str, dict] = {
    "voc-106": _voc(105.82, 4, _TWO_SUBSETS),
    "voc-50": _voc(50, 4, _TWO_SUBSETS),
    "voc-20": _voc(20, 4, _TWO_INITIALISATIONS),
    "voc-8": _voc(8, 5, _TWO_INITIALISATIONS),
    # Table 5: VOC's own labels against those of SBD; "the same hyper-parameters" as 1/8.
    "voc-1464": _voc(8, 5, _TWO_INITIALISATIONS)
    | {"labeled_ratio": None, "baseline_epochs": _baseline_epochs(30, 10_582 / 1_464)},
    "cityscapes-30": {
        **_CITYSCAPES,
        **_TWO_SUBSETS,
        "labeled_ratio": 29.75,
        "phase_epochs": 8,
        "baseline_epochs": _baseline_epochs(60, 29.75),
    },
    "cityscapes-8": {
        **_CITYSCAPES,
        **_TWO_INITIALISATIONS,
        "labeled_ratio": 8,
        "labeled_per_batch": 2,  # 1 : 3
        "phase_epochs": 10,
        "baseline_epochs": _baseline_epochs(60, 8),
    },
    # Not in the paper. 45 labels of 367 images; Cityscapes' settings, street scenes too, and a smaller network.
    "camvid-8": {
        **_CITYSCAPES,
        "data": "camvid",
        "backbone": "resnet50",
        "initialisations": ("imagenet", "imagenet"),
        "difference_maximized": True,
        "crop": (256, 320),
        "labeled_ratio": 8,
        "labeled_per_batch": 2,
        "phase_epochs": 30,
        "baseline_epochs": _baseline_epochs(100, 8),
        "oracle_epochs": 100,
    },
    # The method on pixels within minutes of a CPU, from scratch. Its sizes were chosen on the baseline and the oracle.
    "scenes": dict(
        data="scenes",
        labeled_ratio=12,  # 50 labels
        backbone="narrow",
        rates=(1, 2, 4, 6),  # in positions of 4 pixels: a scene is 16 of them wide
        initialisations=("random", "random"),
        difference_maximized=False,  # random weights differ enough, as on images; `scenes-halves` is the control
        crop=(48, 48),
        flip=0.0,  # a mirrored 3 is no digit
        batch_size=8,
        labeled_per_batch=2,
        learning_rate=0.02,
        supervised_learning_rate=0.02,
        gamma1=5.0,
        gamma2=5.0,
        phase_steps=240,
        phase_epochs=None,
        online_steps=1200,  # as five phases
        online_epochs=None,
        baseline_steps=1600,
        baseline_epochs=None,
        oracle_steps=2800,  # as many as a model of DMT in all its phases
        oracle_epochs=None,
        precision="fp32",
    ),
    # Real streets within minutes of a CPU, from scratch: 45 labels, as `camvid-8`, at a quarter of the side. Its sizes
    # were chosen on the baseline and the oracle, see `load_camvid_quarter`; the oracle's length alone was not.
    "camvid-small": dict(
        data="camvid-quarter",
        labeled_ratio=8,
        backbone="narrow",
        rates=(1, 2, 4, 6),
        initialisations=("random", "random"),
        difference_maximized=True,
        crop=(64, 96),
        batch_size=16,
        labeled_per_batch=4,  # 1 : 3
        learning_rate=0.02,
        supervised_learning_rate=0.02,
        gamma1=3.0,
        gamma2=3.0,
        phase_steps=300,
        phase_epochs=None,
        online_steps=1500,
        online_epochs=None,
        baseline_steps=800,
        baseline_epochs=None,
        oracle_steps=2300,  # as many as a model of DMT in all its phases: with 1,500 it ended below DMT
        oracle_epochs=None,
        precision="fp32",
    ),
}
"""The settings of each preset on pixels, by name: fields of
:class:`~dmtlib.training.pixels.config.SegmentationConfig`."""

# What the book's pages train while they are made: too little for good models, enough to see what happens.
SEGMENTATION_PRESETS["scenes-small"] = SEGMENTATION_PRESETS["scenes"] | dict(
    data="scenes-300",
    labeled_ratio=6,  # 50 labels
    difference_maximized=True,  # as Alg. 2 is printed
    crop=(40, 40),
    phase_steps=30,
    online_steps=150,
    baseline_steps=120,
    oracle_steps=225,
)

# The control for what Alg. 2's two subsets cost: each of the two models begins with 80% of the labels.
SEGMENTATION_PRESETS["scenes-halves"] = SEGMENTATION_PRESETS["scenes"] | {"difference_maximized": True}

# What the authors' code does otherwise than the paper says: two of DeepLab-v2's four rates, other lengths of
# baselines, and weights that were chosen by the labels of val.
_AUTHORS = dict(rates=(6, 12), goes_on_from="best-on-val")
_AUTHORS_BASELINE_EPOCHS = {
    "voc-106": 300,
    "voc-50": 134,
    "voc-20": 134,
    "voc-8": 85,
    "voc-1464": 85,
    "cityscapes-8": 170,
}
SEGMENTATION_PRESETS |= {
    f"{name}-authors": SEGMENTATION_PRESETS[name] | _AUTHORS | {"baseline_epochs": epochs}
    for name, epochs in _AUTHORS_BASELINE_EPOCHS.items()
}
