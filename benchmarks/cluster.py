"""How long does a table take on a Ray cluster of one node and of three, and where does the time go?

    python benchmarks/cluster.py                          minutes; the nodes are processes of this machine
    python benchmarks/cluster.py --budget 0.05            longer runs

Ten short runs of digits-40, one a node at a time. All nodes share this machine, and the process is bound to one core:
three nodes don't compute faster than one, and each run takes longer beside two others. Left to see is what a model of
cost must know: how long until the first run begins, and how long a place is empty between two runs.

The last line is JSON: by number of nodes `seconds` of the whole command, `first` until a run has begun, `runs` what
each run took, as its record says, in the order in which they ended, and `cores`. Linux only.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from ray.cluster_utils import Cluster

NODES = (1, 3)
STORE = 80 * 2**20  # bytes of a node's object store


def measure(nodes: int, budget: float) -> dict[str, float | list[float]]:
    """Of one command on a new cluster."""
    clone = str(Path(__file__).resolve().parents[1])
    settings = {"PYTHONPATH": clone, "OMP_NUM_THREADS": "1", "RAY_worker_niceness": "0"}
    os.environ |= settings
    cluster = Cluster()
    try:
        for place in range(nodes):
            options = {"num_cpus": 1, "node_name": str(place), "include_dashboard": False}
            cluster.add_node(**options, object_store_memory=STORE, env_vars=settings)
        with tempfile.TemporaryDirectory() as folder:
            command = [sys.executable, "-m", "dmtlib", "reproduce", "digits", "--seeds", "0", "--budget", str(budget)]
            options = ["--device", "cpu", "--cluster", cluster.address]
            started = time.time()
            subprocess.run([*command, *options], cwd=folder, check=True, stdout=sys.stderr)
            seconds = time.time() - started
            files = sorted(Path(folder).glob("results/*/*/seed-0.json"), key=os.path.getmtime)
            runs = [json.loads(file.read_text())["seconds"] for file in files]
            begun = [file.stat().st_mtime - run for file, run in zip(files, runs, strict=True)]
            return {"seconds": round(seconds, 1), "first": round(min(begun) - started, 1), "runs": runs}
    finally:
        cluster.shutdown()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--budget", type=float, default=0.01, help="of each run's length")
    arguments = parser.parse_args()
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    found = {str(nodes): measure(nodes, arguments.budget) for nodes in NODES}
    print(json.dumps({"nodes": found, "budget": arguments.budget, "cores": len(os.sched_getaffinity(0))}))
