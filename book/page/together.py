"""Several runs at once, a process each: a small network gains little from a second core, a second run all of it."""

from __future__ import annotations

import json
import multiprocessing
import os
import threading
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from pathlib import Path
from typing import Any

import torch
from tqdm.auto import tqdm

from dmtlib.training import RunDirectory, train
from dmtlib.training.metrics_log import describe_window
from dmtlib.training.precision import choose_device
from dmtlib.training.settings import Config

LOOK_SECONDS = 1.0  # between two looks at what the runs have written
RUNS_A_GPU = 2  # one prepares on the host while the other computes; each takes half a gigabyte for CUDA alone


def train_together(
    configs: Sequence[Config], *, runs: str | Path = "runs", device: str = "auto", progress: bool = True
) -> list[dict[str, Any]]:
    """Train every config, on images (Alg. 1) or on pixels (Alg. 2), one core each; their records in the order given.
    On CUDA the GPUs are dealt out in turn, :data:`RUNS_A_GPU` runs on each at a time.

    What takes longest should stand first. ``progress`` shows one bar a run, filled from the run's metrics log: bars of
    several processes would write over each other.
    """
    devices, workers = [device], max(1, min(len(configs), os.cpu_count() or 1))
    if choose_device(device).type == "cuda":
        if ":" not in device:
            devices = [f"cuda:{index}" for index in range(torch.cuda.device_count())]
        workers = min(workers, RUNS_A_GPU * len(devices))
    spawn = multiprocessing.get_context("spawn")  # a fork would inherit torch's threads, dead, and a broken CUDA
    with ProcessPoolExecutor(workers, mp_context=spawn, initializer=_begin, initargs=(workers,)) as pool:
        jobs = [
            pool.submit(train, config, runs=runs, device=devices[n % len(devices)], progress=False)
            for n, config in enumerate(configs)
        ]
        watched = [_Watched(config, runs, progress) for config in configs]
        unfinished = set(jobs)
        while unfinished:
            _, unfinished = wait(unfinished, LOOK_SECONDS, return_when=FIRST_COMPLETED)
            for run in watched:
                run.look()
        for run in watched:
            run.close()
        return [job.result() for job in jobs]


def _begin(runs: int) -> None:
    """One thread; and no longer than the process that asked for the runs, however that one ends."""
    torch.set_num_threads(1)
    os.environ["DMT_JOBS"] = str(runs)  # that share the cores: how many processes may prepare batches
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    multiprocessing.parent_process().join()
    os._exit(1)


class _Watched:
    """A bar over the phases of one run, and the newest line of its metrics log beside it."""

    def __init__(self, config: Config, runs: str | Path, enabled: bool) -> None:
        self._directory, self._phases = RunDirectory.of(config, runs), config.phases
        title = f"{config.preset} {config.method} seed {config.seed}"
        self._bar = tqdm(total=config.phases, desc=title, unit="phase", disable=not enabled, mininterval=0)

    def look(self) -> None:
        line = _last_line(self._directory.path / "metrics.jsonl")
        if line is None:
            return
        finished = self._phases if self._directory.record is not None else line["phase"]
        model = f"model {line['model']}, " if "model" in line else ""
        self._bar.set_postfix_str(model + describe_window(line["step"], line), refresh=False)
        self._bar.update(finished - self._bar.n)
        self._bar.refresh()

    def close(self) -> None:
        self.look()
        self._bar.close()


def _last_line(file: Path) -> dict[str, Any] | None:
    """The newest line of a metrics log, None before the first. Safe while another process writes."""
    try:
        lines = file.read_bytes().split(b"\n")[:-1]
    except FileNotFoundError:
        return None
    return json.loads(lines[-1]) if lines else None
