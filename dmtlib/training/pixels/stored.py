"""What a run on pixels leaves in its run directory beside the files of :mod:`~dmtlib.training.directory`.

split.json               names of the labeled images, and a hash
checkpoint.pt            the phase in training: the models that are through with it, and the state of the one at work
phase-<i>.pt             a finished phase: the weights of both models, and the records of all phases so far
pseudo-labels-<i>-<M>/   what model M learned in phase i, at three bytes a pixel
"""

from __future__ import annotations

import warnings
from pathlib import Path

from ...models.deeplab import DeepLabV2
from ..directory import RunDirectory, RunError
from ..storage import restoring
from .models import restore
from .pixel_labels import PixelLabels, read_pixel_labels


def phase_segmenter(run: RunDirectory, phase: int, model: str = "A") -> DeepLabV2:
    """Model ``model`` as it was at the end of phase ``phase``, in evaluation mode, on the CPU. A RunError, if the
    phase is not finished, or damaged, or the run has no such model."""
    state = run.load_phase(phase)
    with restoring(run.phase_file(phase)):
        if model not in state["models"]:
            raise RunError(f"{run.path} has the models {', '.join(state['models'])}, not {model!r}")
        return restore(state["architecture"], state["models"][model], "cpu", model).eval()


def pixel_label_folder(run: RunDirectory, phase: int, model: str) -> Path:
    """Where the pseudo labels lie that ``model`` learns in ``phase``."""
    return run.path / f"pseudo-labels-{phase}-{model}"


def stored_pixel_labels(run: RunDirectory, phase: int, model: str) -> PixelLabels | None:
    """What ``model`` learns in ``phase``: unlabeled images in the order of their names. None before it is made.

    Damaged ones count as absent, with a warning.
    """
    folder = pixel_label_folder(run, phase, model)
    if not folder.exists():
        return None
    try:
        return read_pixel_labels(folder)
    except ValueError as error:
        warnings.warn(f"{error}; they are made again", stacklevel=2)
        return None
