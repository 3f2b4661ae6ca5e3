"""Chapter 13, on paper: what tables take on a cluster. Runs by images by a step's time, and what is beside."""

from __future__ import annotations

import functools
import heapq
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from dmtlib.files import read_json
from dmtlib.presets import preset
from dmtlib.records.costs import CIFAR10_IMAGES
from dmtlib.records.reproduction import runs_of
from dmtlib.training.pixels.config import SegmentationConfig
from dmtlib.training.settings import Config

from .costs import DATA, count_segmentation_step, run_cost

PAPER = tuple(f"table-{number}" for number in range(2, 8))
GPUS = (1, 8, 64)


class Cluster(NamedTuple):
    """What is assumed of one: GPUs a node, bytes a second from the driver's node to the others and of the shared disk,
    and seconds that a place is empty between two runs: a process starts, imports, and reads its data."""

    gpus: int = 8
    network: float = 10e9 / 8
    disk: float = 1e9
    between: float = 30.0


def achieved(results: Path, pixels: bool) -> float:
    """FLOP/s of a training step on the GPU of the benchmarks' records. A ValueError, if they are not of a GPU."""
    found = read_json(Path(results) / f"benchmarks/{'segmentation' if pixels else 'classification'}_step.json")
    if not found["device"].startswith("cuda"):
        raise ValueError(f"the benchmarks' records are of {found['device']}, not of a GPU")
    if not pixels:
        return found["model_flops_per_second"]
    config = preset(found["preset"], "dmt")
    classes, crop = DATA[config.data].classes, tuple(found["crop"])
    step = count_segmentation_step(config.backbone, config.rates, found["batch_size"], crop, classes)
    return found["images_per_second"] * step.training / found["batch_size"]


@functools.cache
def _flops(config: Config) -> float:
    return run_cost(config).flops


def seconds_of(config: Config, results: Path) -> float:
    """Of a run on that GPU, if all its operations are as fast as those of a step."""
    return _flops(config) / achieved(results, isinstance(config, SegmentationConfig))


def finish(seconds: Sequence[float], places: int, between: float = 0.0) -> float:
    """When the last of some runs has ended, if each place takes the next one as soon as it is free."""
    free = [0.0] * places
    for each in seconds:
        heapq.heapreplace(free, free[0] + between + each)
    return max(free)


def copy_seconds(configs: Sequence[Config], nodes: int, cluster: Cluster) -> float:
    """Until every other node has the images of CIFAR-10, one after the other through the driver's network; data in
    folders are on a shared path."""
    size = DATA["cifar10"]
    content = 3 * size.pixels * (CIFAR10_IMAGES + size.scored)
    return any(config.data == "cifar10" for config in configs) * (nodes - 1) * content / cluster.network


def scaling(results: Path, cluster: Cluster = Cluster()) -> pd.DataFrame:  # noqa: B008 - a NamedTuple never changes
    """One row for each table of the paper and for all of them: hours on :data:`GPUS` and of the longest run, how many
    GPUs it can keep busy that long, and what its runs write to a shared disk."""
    rows = []
    for name, tables in [*((table, [table]) for table in PAPER), ("all", PAPER)]:
        configs = runs_of(tables)
        seconds = [seconds_of(config, results) for config in configs]
        hours = {}
        for gpus in GPUS:
            copy = copy_seconds(configs, -(-gpus // cluster.gpus), cluster)
            hours[f"hours on {gpus}"] = (copy + finish(seconds, gpus, cluster.between)) / 3600
        written = sum(run_cost(config).disk_bytes for config in configs)
        rows.append(
            {"table": name, "runs": len(configs), **hours}
            | {"longest run": max(seconds) / 3600, "full GPUs": sum(seconds) // max(seconds)}
            | {"disk TB": written / 1e12, "MB/s on 64": written / 3600 / hours[f"hours on {GPUS[-1]}"] / 1e6}
        )
    return pd.DataFrame(rows).set_index("table")


def paper_runs() -> list[Config]:
    """All runs of Tables 2 to 7."""
    return runs_of(PAPER)


def checked(results: Path) -> pd.DataFrame:
    """What `benchmarks/cluster.py` measured, in seconds, beside what :func:`finish` says of the same runs."""
    rows = []
    for nodes, found in read_json(Path(results) / "benchmarks/cluster.json")["nodes"].items():
        places, runs = int(nodes), found["runs"]
        model = found["first"] + finish(runs, places)
        rows.append(
            {
                "nodes": places,
                "a run": sum(runs) / len(runs),
                "until the first": found["first"],
                "until the last, model": model,
                "measured": found["seconds"],
                "between": (found["seconds"] - model) / (len(runs) / places),
            }
        )
    return pd.DataFrame(rows).set_index("nodes")
