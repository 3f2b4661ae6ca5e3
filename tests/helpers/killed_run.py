"""Runs of Alg. 1 that kill themselves, each at another point: python killed_run.py RUNS tells how they died.

One process imports everything and forks one for each point, whose run is RUNS/<point>; the run RUNS/again dies at
several of them. Checkpoints are written every third step, so that a kill loses some steps that the next start must
repeat.
"""

from __future__ import annotations

import dataclasses
import importlib
import itertools
import json
import os
import sys
from pathlib import Path

from dying import die, patch

from dmtlib.data.images.datasets import load_digits
from dmtlib.presets import preset
from dmtlib.training import directory as runs
from dmtlib.training import loop, metrics_log, train
from dmtlib.training.images import curriculum

RUN = dataclasses.replace(preset("digits-40", "dmt", seed=3, budget=0.0125), log_every=4)  # 10 steps a phase

AGAIN = ("between two checkpoints", "while writing the metrics", "before the record")


def die_at_step(step: int) -> None:
    calls = itertools.count(1)
    patch(curriculum.PhaseTrainer, "step", lambda run: lambda self: die() if next(calls) == step else run(self))


def die_writing_a_checkpoint() -> None:
    calls = itertools.count(1)

    def half_written(replace):
        def rename(source, target):
            if Path(target).name == "checkpoint.pt" and next(calls) == 5:
                os.truncate(source, os.path.getsize(source) // 2)
                die()
            replace(source, target)

        return rename

    patch(os, "replace", half_written)


def die_dropping_a_checkpoint() -> None:
    calls = itertools.count(1)
    patch(runs.RunDirectory, "drop_checkpoint", lambda drop: lambda self: die() if next(calls) == 3 else drop(self))


def die_after_labeling() -> None:
    def save_and_die(save):
        return lambda run, phase, pseudo: (save(run, phase, pseudo), die() if phase == 2 else None)

    patch(curriculum, "save_pseudo_labels", save_and_die)


def die_writing_the_metrics() -> None:
    calls = itertools.count(1)

    def half_a_line(append):
        def write(self, step, line):
            append(self, step, line)
            if next(calls) == 8:
                self._file.write(b'{"phase": 2, "st')
                self._file.flush()
                die()

        return write

    patch(metrics_log.MetricsLog, "append", half_a_line)


POINTS = {
    "before the first checkpoint": lambda: die_at_step(4),
    "between two checkpoints": lambda: die_at_step(26),
    "while writing a checkpoint": die_writing_a_checkpoint,
    "between a phase's file and the removal of its checkpoint": die_dropping_a_checkpoint,
    "after labeling": die_after_labeling,
    "while writing the metrics": die_writing_the_metrics,
    "before the record": lambda: patch(runs.RunDirectory, "finish", lambda finish: die),
}


def every_third(save):
    saves = itertools.count(1)
    return lambda self, state: save(self, state) if next(saves) % 3 == 0 else None


def main(folder: Path) -> None:
    loop.CHECKPOINT_SECONDS, loop.CHECKPOINT_SHARE = 0.0, float("inf")
    patch(runs.RunDirectory, "save_checkpoint", every_third)
    for late in ("torch._dynamo", "torch.utils.tensorboard"):  # imported by the first run, here once for all forks
        importlib.import_module(late)
    load_digits()
    died = []
    for place, point in [*zip(POINTS, POINTS, strict=True), *(("again", point) for point in AGAIN)]:
        if child := os.fork():
            died.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
            continue
        POINTS[point]()
        train(RUN, runs=folder / place, device="cpu", progress=False)
        os._exit(0)  # it was to die, and didn't
    print(json.dumps(died))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
