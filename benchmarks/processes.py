"""Images a second of one run by 1, 2 and 4 processes: how far several GPUs, or cores, quicken a single run.

    python benchmarks/processes.py [--preset digits-40] [--budget 0.05] [--device auto] [--processes 1 2 4]

On CUDA each process needs a GPU; more processes than GPUs are left out. On a CPU each has one thread. The last line is
JSON: `images_per_second` by the number of processes, of whole runs of DMT, with labeling and scoring. No machine with
several GPUs has run this yet.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import torch

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--preset", default="digits-40")
parser.add_argument("--budget", default="0.05", help="share of the full length")
parser.add_argument("--device", default="auto", choices=["auto", "cuda", "cpu"])
parser.add_argument("--processes", type=int, nargs="+", default=[1, 2, 4])
arguments = parser.parse_args()

on_gpus = arguments.device != "cpu" and torch.cuda.is_available()
environment = {"OMP_NUM_THREADS": "1", **os.environ}
found, device = {}, None
for count in arguments.processes:
    if on_gpus and count > torch.cuda.device_count():
        print(f"{count} processes: left out, there are {torch.cuda.device_count()} GPUs", file=sys.stderr)
        continue
    with tempfile.TemporaryDirectory() as runs:
        torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(count)]
        train = ["-m", "dmtlib", "train", arguments.preset, "--budget", arguments.budget, "--runs", runs]
        subprocess.run([*torchrun, *train, "--device", arguments.device], check=True, env=environment)
        record = json.loads(next(Path(runs).rglob("result.json")).read_text())
    found[count], device = record["images_per_second"], record["device"]
    print(f"{count} process{'es' * (count > 1)}: {found[count]:,.0f} images/s")
print(json.dumps({"preset": arguments.preset, "device": device, "images_per_second": found}))
