"""Several runs at once, a process each: a small network gains little from a second core, a second run all of it."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import torch

from .config import RunConfig
from .curriculum import train


def train_together(
    configs: Sequence[RunConfig], *, runs: str | Path = "runs", device: str = "auto"
) -> list[dict[str, Any]]:
    """:func:`~dmtlib.training.curriculum.train` for every config, one core each; their records in the order given.

    What takes longest should stand first. Without progress bars, which would write over each other.
    """
    workers = max(1, min(len(configs), os.cpu_count() or 1))
    spawn = multiprocessing.get_context("spawn")  # a fork would inherit torch's threads, dead, and a broken CUDA
    with ProcessPoolExecutor(workers, mp_context=spawn, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        return list(pool.map(partial(train, runs=runs, device=device, progress=False), configs))
