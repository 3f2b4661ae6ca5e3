"""A run that kills itself, as hard as the system can, at a chosen point: python killed_run.py POINT RUNS.

Checkpoints are written every seventh step, so that a kill loses some steps that the next start must repeat.
"""

import itertools
import os
import sys
from pathlib import Path

from dying import die, patch

from dmtlib.presets import preset
from dmtlib.training import curriculum, loop, runs, storage

point, folder = sys.argv[1], sys.argv[2]
loop.CHECKPOINT_SECONDS, loop.CHECKPOINT_SHARE = 0.0, float("inf")
calls = itertools.count()


def every_seventh(save):
    saves = itertools.count()
    return lambda self, state: save(self, state) if next(saves) % 7 == 6 else None


patch(runs.RunDirectory, "save_checkpoint", every_seventh)

if point == "between two checkpoints":
    patch(curriculum.PhaseTrainer, "step", lambda step: lambda self: die() if next(calls) == 75 else step(self))
elif point == "before the first checkpoint":
    patch(curriculum.PhaseTrainer, "step", lambda step: lambda self: die() if next(calls) == 3 else step(self))
elif point == "while writing a checkpoint":

    def half_written(replace):
        def rename(source, target):
            if Path(target).name == "checkpoint.pt" and next(calls) == 4:
                os.truncate(source, os.path.getsize(source) // 2)
                die()
            replace(source, target)

        return rename

    patch(storage.os, "replace", half_written)
elif point == "between a phase's file and the removal of its checkpoint":
    patch(runs.RunDirectory, "drop_checkpoint", lambda drop: lambda self: die() if next(calls) == 2 else drop(self))
elif point == "after labeling":
    patch(
        runs.RunDirectory,
        "save_pseudo_labels",
        lambda save: lambda self, phase, pseudo: (save(self, phase, pseudo), die() if phase == 2 else None),
    )
elif point == "while writing the metrics":

    def half_a_line(append):
        def write(self, step, line):
            append(self, step, line)
            if next(calls) == 5:
                self._file.write(b'{"phase": 2, "st')
                self._file.flush()
                die()

        return write

    patch(runs.MetricsLog, "append", half_a_line)
elif point == "before the record":
    patch(runs.RunDirectory, "finish", lambda finish: lambda self, record: die())
else:
    sys.exit(f"no such point: {point}")

curriculum.train(preset("digits-40", "dmt", seed=3, budget=0.0375), runs=folder, device="cpu", progress=False)
sys.exit("the run was to die, and didn't")
