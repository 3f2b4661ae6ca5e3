"""Runs that are killed at random moments, again and again: python random_kills.py FOLDER tells what became of them.

One process imports everything and forks one for each start. Each start works for a random while and is killed; a run
that ends before is left there, and a new one begins. Beside them an undisturbed run of the same settings.
"""

from __future__ import annotations

import importlib
import json
import os
import random
import signal
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import tiny_scenes
from killed_mutual_run import RUN as PIXELS
from killed_run import RUN as IMAGES
from torch.utils import tensorboard  # noqa: F401 - runs import it late; here, once for all of them

from dmtlib.data.images.datasets import load_digits
from dmtlib.records import launch, reproduction
from dmtlib.training import loop, train

KILLS = {"images": 24, "pixels": 20, "reproduce": 6}
TABLE = "digits"


class Forked:
    """What ``launch`` needs of a subprocess.Popen, from a fork of this process: importing torch anew takes seconds."""

    def __init__(self, arguments: list[str], log: Path) -> None:
        self.returncode: int | None = None
        log.parent.mkdir(parents=True, exist_ok=True)
        self.pid = os.fork()
        if not self.pid:
            os.dup2(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 1)
            os.dup2(1, 2)
            from dmtlib.cli import main

            os._exit(main(arguments))

    def poll(self) -> int | None:
        if self.returncode is None and os.waitpid(self.pid, os.WNOHANG)[0]:
            self.returncode = 0
        return self.returncode


def reproduce(folder: Path) -> None:
    """Three short runs of a table, two at a time."""
    launch._start = lambda arguments, log, _: Forked(arguments, log)
    runs = reproduction.runs_of([TABLE], seeds=[0], budget=0.002)[:3]
    while missing := reproduction.missing_runs(runs, folder / "results"):  # a killed run may hold its lock a moment
        launch.launch(missing, jobs=2, device="cpu", runs=folder, results=folder / "results")


def begin(work: Callable[[], object]) -> int:
    """In a process of its own, which leads a group: who kills the group kills all that it has begun."""
    if child := os.fork():
        os.setpgid(child, child)
        return child
    os.setpgid(0, 0)
    work()
    os._exit(0)


def kill_at_random(name: str, work: Callable[[Path], object], folder: Path, moments: random.Random) -> int:
    """Returns how many runs there are, the last of them finished after its kills."""
    started = time.monotonic()
    os.waitpid(begin(lambda: work(folder / name / "undisturbed")), 0)
    whole, kills, number = time.monotonic() - started, 0, 0
    while True:
        child = begin(partial(work, folder / name / str(number)))
        left = moments.uniform(0, whole / 2) if kills < KILLS[name] else float("inf")
        ended = 0
        while not ended and left > 0:
            time.sleep(0.005)
            left -= 0.005
            ended, _ = os.waitpid(child, os.WNOHANG)
        if not ended:
            os.killpg(child, signal.SIGKILL)
            os.waitpid(child, 0)
            kills += 1
        else:
            number += 1
            if kills == KILLS[name]:
                return number


def main(folder: Path) -> None:
    loop.CHECKPOINT_SECONDS, loop.CHECKPOINT_SHARE = 0.0, float("inf")
    importlib.import_module("torch._dynamo")
    load_digits()
    scenes, moments = tiny_scenes.scenes(), random.Random(0)
    ways = {
        "images": lambda runs: train(IMAGES, runs=runs, device="cpu", progress=False),
        "pixels": lambda runs: train(PIXELS, runs=runs, device="cpu", progress=False, data=scenes),
        "reproduce": reproduce,
    }
    print(json.dumps({name: kill_at_random(name, work, folder, moments) for name, work in ways.items()}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
