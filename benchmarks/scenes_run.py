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
import tempfile

import torch
from parts import Parts

from dmtlib.models.deeplab import DeepLabV2
from dmtlib.presets import preset
from dmtlib.training import RunDirectory, train
from dmtlib.training.metrics_log import MetricsLog
from dmtlib.training.pixels import mutual, phase
from dmtlib.training.pixels.batches import SegmentationBatches

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--budget", type=float, default=1.0, help="share of the full length of training")
parser.add_argument("--device", default="cpu")
arguments = parser.parse_args()

parts = Parts()
for owner, name, part in (
    (SegmentationBatches, "__getitem__", "augmentation"),
    (DeepLabV2, "forward", "forward"),
    (phase.SegmentationTrainer, "_supervise", "weights"),
    (phase, "weighted_cross_entropy", "loss"),
    (torch.Tensor, "backward", "backward"),
    (torch.amp.GradScaler, "step", "optimiser"),
    (mutual.MutualTraining, "_pseudo_labels", "labeling"),
    (mutual, "pixel_label_error", "scoring"),
    (mutual, "measure_segmentation", "scoring"),
    (MetricsLog, "append", "log"),
    (RunDirectory, "save_checkpoint", "checkpoints"),
):
    parts.time(owner, name, part)
with tempfile.TemporaryDirectory() as folder:
    config = preset("scenes", "dmt", budget=arguments.budget)
    record = train(config, runs=folder, device=arguments.device)

kept = ("seconds", "images_per_second", "device", "commit", "versions")
print(json.dumps({key: record[key] for key in kept} | {"shares": parts.shares(record["seconds"])}))
