"""How long a DMT chain on digits-40 takes, what its checkpoints cost, and how long dmtlib takes to import.

    python benchmarks/digits_run.py [--budget 1] [--device cpu]

Meant for an idle machine. The last line is JSON: `seconds` and `images_per_second` of the whole run (six phases with
their predictions and evaluations), `checkpoint_share` of its time that went into checkpoints, `import_seconds`.

Measured on 2 cores of an AMD EPYC, two threads, nearly idle: 56 s (10,900 images/s), checkpoints 0.5% of it, import
2.9 s. With one thread and a second run beside it: 93 s.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time

from dmtlib.presets import preset
from dmtlib.training.directory import RunDirectory
from dmtlib.training.images.curriculum import train

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--budget", type=float, default=1.0, help="share of the full length")
parser.add_argument("--device", default="cpu")
arguments = parser.parse_args()

in_checkpoints = 0.0
save = RunDirectory.save_checkpoint


def timed_save(self: RunDirectory, state: dict) -> None:
    global in_checkpoints
    start = time.perf_counter()
    save(self, state)
    in_checkpoints += time.perf_counter() - start


RunDirectory.save_checkpoint = timed_save
with tempfile.TemporaryDirectory() as folder:
    record = train(preset("digits-40", "dmt", budget=arguments.budget), runs=folder, device=arguments.device)

start = time.perf_counter()
subprocess.run([sys.executable, "-c", "import dmtlib"], check=True)
kept = ("seconds", "images_per_second", "device", "test_accuracy", "commit", "versions")
result = {key: record[key] for key in kept}
result["checkpoint_share"] = round(in_checkpoints / record["seconds"], 5)
result["import_seconds"] = round(time.perf_counter() - start, 2)
print(json.dumps(result))
