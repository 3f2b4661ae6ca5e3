"""How long a DMT chain on digits-40 takes, where that time goes, and how long dmtlib takes to import.

    OMP_NUM_THREADS=1 python benchmarks/digits_run.py [--budget 1] [--device cpu]

Meant for an idle machine. The last line is JSON: `seconds` and `images_per_second` of the whole run (six phases with
their predictions and evaluations), the `shares` of its time that its parts took, `import_seconds`.

Measured on 2 cores of an AMD EPYC, two threads, nearly idle, before the parts were told apart: 56 s, 10,900 images/s.
The shares at budget 0.05, one thread of a Xeon with AVX-512 and other work beside it: backward 31%, forward 16%, the
weight pass 15%, augmentation 2%, optimiser 2%, average 1%; a quarter is what no part covers, most of it at the start.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time

from parts import timed_run

from dmtlib.data.images import augment
from dmtlib.models.wideresnet import WideResNet
from dmtlib.training.images import curriculum, phase

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--budget", type=float, default=1.0, help="share of the full length")
parser.add_argument("--device", default="cpu")
arguments = parser.parse_args()

record = timed_run(
    "digits-40",
    arguments.budget,
    arguments.device,
    (
        (augment, "augment_digits", "augmentation"),
        (phase.PhaseTrainer, "_supervise", "weight pass"),
        (phase, "mixup", "mixup"),
        (WideResNet, "forward", "forward"),
        (phase, "mixup_loss", "loss"),
        (phase.PhaseTrainer, "_average", "average"),
        (curriculum.Curriculum, "_pseudo_labels", "labeling"),
        (curriculum, "update_bn", "recalibration"),
        (curriculum, "measure", "scoring"),
    ),
)

start = time.perf_counter()
subprocess.run([sys.executable, "-c", "import dmtlib"], check=True)
kept = ("seconds", "images_per_second", "device", "test_accuracy", "commit", "versions", "shares")
result = {key: record[key] for key in kept}
result["import_seconds"] = round(time.perf_counter() - start, 2)
print(json.dumps(result))
