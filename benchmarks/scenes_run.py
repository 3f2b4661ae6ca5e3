"""How long a DMT chain on scenes takes, and where that time goes.

    OMP_NUM_THREADS=1 python benchmarks/scenes_run.py [--budget 1] [--device cpu]

Meant for an idle machine. The last line is JSON: `seconds` and `images_per_second` of the whole run (two models, six
phases, their labels and scores) and the `shares` of its time that its parts took.

Measured on one thread of a Xeon with AVX-512, other work beside it, processor time, two commits in turn, twice each:
a step of training took 19.5 and 19.9 ms at commit a3f9b6d, and 27.0 and 25.3 ms at 544693a, before ASPP's convolutions
and wide kernels had a way of their own on CPUs.
"""

from __future__ import annotations

import argparse
import json

from parts import timed_run

from dmtlib.models.deeplab import DeepLabV2
from dmtlib.training.pixels import mutual, phase
from dmtlib.training.pixels.batches import SegmentationBatches

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--budget", type=float, default=1.0, help="share of the full length of training")
parser.add_argument("--device", default="cpu")
arguments = parser.parse_args()

record = timed_run(
    "scenes",
    arguments.budget,
    arguments.device,
    (
        (SegmentationBatches, "__getitem__", "augmentation"),
        (DeepLabV2, "forward", "forward"),
        (phase.SegmentationTrainer, "_supervise", "weights"),
        (phase, "weighted_cross_entropy", "loss"),
        (mutual.MutualTraining, "_pseudo_labels", "labeling"),
        (mutual, "pixel_label_error", "scoring"),
        (mutual, "measure_segmentation", "scoring"),
    ),
)
kept = ("seconds", "images_per_second", "device", "commit", "versions", "shares")
print(json.dumps({key: record[key] for key in kept}))
