"""Runs of Alg. 2 that kill themselves, each at another point: python killed_mutual_run.py RUNS tells how they died.

One process imports everything and forks one for each point, whose run is RUNS/<point>. Checkpoints are written every
third step, so that a kill loses some steps that the next start must repeat.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
import os
import sys
from pathlib import Path

from dying import die, patch
from tiny_scenes import CONFIG, scenes
from torch.utils import tensorboard  # noqa: F401 - runs import it late; here, once for all of them

from dmtlib.training import directory as runs
from dmtlib.training import loop
from dmtlib.training.pixels import mutual, pixel_labels

RUN = dataclasses.replace(CONFIG, alphas=(0.4, 1.0), phase_steps=7, baseline_steps=8, log_every=2)


def die_before_step(phase: int, model: str, step: int) -> None:
    def watch(original):
        def run(trainer):
            if (trainer.task.phase, trainer.task.model, trainer.state.step) == (phase, model, step):
                die()
            original(trainer)

        return run

    patch(mutual.SegmentationTrainer, "step", watch)


def die_around_the_checkpoint_between_models(when: str) -> None:
    def watch(save):
        def run(self, state):
            between = state["state"] is None and state["phase"] == 1
            if between and when == "before":
                die()
            save(self, state)
            if between:
                die()

        return run

    patch(runs.RunDirectory, "save_checkpoint", watch)


def die_at_call(owner: object, name: str, count: int, when: str) -> None:
    calls = itertools.count(1)

    def watch(original):
        def run(*arguments):
            last = next(calls) == count
            if last and when == "before":
                die()
            result = original(*arguments)
            return die() if last else result

        return run

    patch(owner, name, watch)


POINTS = {
    "before the first checkpoint": lambda: die_before_step(0, "A", 2),
    "in A's training": lambda: die_before_step(1, "A", 5),
    "after A, before that is written": lambda: die_around_the_checkpoint_between_models("before"),
    "between A and B": lambda: die_around_the_checkpoint_between_models("after"),
    "in B's training": lambda: die_before_step(2, "B", 4),
    "while pseudo labels are written": lambda: die_at_call(pixel_labels, "_keep", 3, "after"),  # for A in phase 2
    "after pseudo labels were written": lambda: die_at_call(mutual, "write_pixel_labels", 4, "after"),
    "between a phase's file and the removal of its checkpoint": lambda: die_at_call(
        runs.RunDirectory, "drop_checkpoint", 2, "before"
    ),
    "after the last phase": lambda: die_at_call(runs.RunDirectory, "finish", 1, "before"),
}


def every_third(save):
    saves = itertools.count(1)
    return lambda self, state: save(self, state) if state["state"] is None or next(saves) % 3 == 0 else None


def main(folder: Path) -> None:
    loop.CHECKPOINT_SECONDS, loop.CHECKPOINT_SHARE = 0.0, float("inf")
    patch(runs.RunDirectory, "save_checkpoint", every_third)
    data, died = scenes(), {}
    for point, prepare in POINTS.items():
        if child := os.fork():
            died[point] = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            continue
        prepare()
        mutual.train_segmentation(RUN, runs=folder / point, device="cpu", progress=False, data=data)
        os._exit(0)  # it was to die, and didn't
    print(json.dumps(died))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
