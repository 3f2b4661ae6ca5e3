"""Runs by several processes, as torchrun would start them: python several.py RUNS WHAT… [double].

Each WHAT is METHOD:KIND:PROCESSES, KIND being mixup, plain or pixels; its run is below RUNS/<WHAT>. One process imports
everything and forks all others. With `double` everything is computed in float64.
"""

from __future__ import annotations

import dataclasses
import os
import socket
import sys
from collections.abc import Callable
from pathlib import Path

import torch
import torch.distributed.nn.functional
from tiny_scenes import CONFIG, scenes
from torch.nn.parallel import DistributedDataParallel  # noqa: F401 - here, once for all of them
from torch.utils import tensorboard  # noqa: F401

from dmtlib.data.images.datasets import load_digits
from dmtlib.presets import preset
from dmtlib.training import train
from dmtlib.training.processes import joined
from dmtlib.training.settings import Config

IMAGES = dict(
    depth=10, widen_factor=1, batch_size=24, labeled_per_batch=9, precision="fp32", log_every=1, alphas=(0.5, 1.0)
) | dict(baseline_steps=14, phase_steps=18, learning_rate=0.02, supervised_learning_rate=0.02)
PIXELS = dict(alphas=(0.5, 1.0), baseline_steps=10, phase_steps=8)


def config_of(what: str) -> Config:
    method, kind = what.split(":")[:2]
    if kind == "pixels":
        return dataclasses.replace(CONFIG, method=method, **PIXELS)
    config = preset("digits-40", method)
    return dataclasses.replace(config, **IMAGES, mixup_alpha=0.75 if kind == "mixup" else 0.0)


def fork(count: int, work: Callable[[], None]) -> list[int]:
    """How the processes ended that did the work together."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    children = []
    for rank in range(count):
        if child := os.fork():
            children.append(child)
            continue
        os.environ |= {"TORCHELASTIC_RUN_ID": "test", "TORCHELASTIC_RESTART_COUNT": "0"}
        os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "RANK": str(rank), "LOCAL_RANK": str(rank)}
        os.environ |= {"WORLD_SIZE": str(count), "LOCAL_WORLD_SIZE": str(count)}
        with joined():
            work()
        os._exit(0)
    return [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]


def main(runs: Path, *whats: str) -> None:
    if "double" in whats:
        torch.set_default_dtype(torch.float64)
        torch.Tensor.float = torch.Tensor.double
    digits, tiny = load_digits(), scenes()
    for what in whats:
        if what == "double":
            continue
        config, data = config_of(what), tiny if ":pixels:" in what else digits
        codes = fork(
            int(what.split(":")[2]),
            lambda: train(config, runs=runs / what, device="cpu", progress=False, data=data),
        )
        print(what, *codes, flush=True)
        if any(codes):
            sys.exit(1)


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(Path(sys.argv[1]), *sys.argv[2:])
