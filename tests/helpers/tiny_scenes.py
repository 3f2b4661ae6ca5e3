"""A data set of 23 scenes and a run of a few steps on it: what the tests of Alg. 2 have in common."""

from __future__ import annotations

import itertools
import json

import torch

from dmtlib.data.images.datasets import load_digits
from dmtlib.data.pixels.datasets import SegmentationData
from dmtlib.data.pixels.images import StoredImages
from dmtlib.data.pixels.scenes import generate_scenes
from dmtlib.training.directory import RunDirectory
from dmtlib.training.pixels.config import SegmentationConfig
from dmtlib.training.pixels.stored import phase_segmenter, stored_pixel_labels

CLASSES = ("background", "3", "8", "1", "7")
PARTS = {"train": 18, "val": 5}
TIMES = {"seconds", "images_per_second"}
CONFIG = SegmentationConfig(
    preset="tiny",
    method="dmt",
    seed=0,
    budget=1.0,
    data="scenes",
    labeled_ratio=3,
    backbone="narrow",
    rates=(1, 2),
    initialisations=("random", "random"),
    difference_maximized=False,
    crop=(32, 40),
    batch_size=4,
    labeled_per_batch=1,
    learning_rate=0.01,
    supervised_learning_rate=0.02,
    gamma1=5.0,
    gamma2=3.0,
    phase_steps=3,
    phase_epochs=None,
    online_steps=3,
    online_epochs=None,
    baseline_steps=4,
    baseline_epochs=None,
    oracle_steps=4,
    oracle_epochs=None,
    precision="fp32",
    log_every=1,
)


def scenes(parts: dict[str, int] = PARTS) -> SegmentationData:
    digits = load_digits()
    images = {
        part: StoredImages(
            [f"{part}-{i:02d}" for i in range(n)],
            *generate_scenes(n, digits.train_images[:, 0], digits.train_labels, seed),
        )
        for seed, (part, n) in enumerate(parts.items())
    }
    return SegmentationData("tiny", CLASSES, images)


def metrics(run: RunDirectory) -> list[dict]:
    return [json.loads(line) for line in (run.path / "metrics.jsonl").read_text().splitlines()]


def assert_same_bits(run: RunDirectory, other: RunDirectory) -> None:
    """Two finished runs of two models have the same metrics, weights, pseudo labels and records."""
    assert (run.path / "metrics.jsonl").read_bytes() == (other.path / "metrics.jsonl").read_bytes()
    ours, theirs = ({k: v for k, v in r.record.items() if k not in TIMES} for r in (run, other))
    assert ours == theirs
    for phase, name in itertools.product(range(len(ours["phases"])), "AB"):
        ours, theirs = (phase_segmenter(r, phase, name).state_dict() for r in (run, other))
        assert ours.keys() == theirs.keys()
        assert all(torch.equal(ours[key], theirs[key]) for key in ours), f"{name} of phase {phase}"
        if phase:
            ours, theirs = (stored_pixel_labels(r, phase, name) for r in (run, other))
            assert (ours.names, ours.kept) == (theirs.names, theirs.kept)
            pairs = (zip(ours.codes(i), theirs.codes(i), strict=True) for i in range(len(ours)))
            assert all(torch.equal(a, b) for pair in pairs for a, b in pair), f"labels of {name} in phase {phase}"
