"""What a run on images leaves in its run directory beside the files of :mod:`~dmtlib.training.directory`.

phase-<i>.pt             a finished phase: its averaged weights
pseudo-labels-<i>.pt     what phase i learned from
"""

from pathlib import Path

from torch import nn

from ...data.images.packed import hash_of
from ...models.whitened import classifier
from ..directory import RunDirectory
from ..storage import restoring
from .phase import PseudoLabels


def phase_model(run: RunDirectory, phase: int) -> nn.Module:
    """A phase's averaged model, in evaluation mode, on the CPU. A RunError, if the phase is unfinished or damaged."""
    state = run.load_phase(phase)
    with restoring(run.phase_file(phase)):
        model = classifier(**state["architecture"])
        model.load_state_dict(state["model"])
    return model.eval()


def save_pseudo_labels(run: RunDirectory, phase: int, pseudo: PseudoLabels) -> None:
    """What :func:`stored_pseudo_labels` reads."""
    run.save(pseudo_label_file(run, phase), {**pseudo._asdict(), "sha256": hash_of(pseudo._asdict())})


def stored_pseudo_labels(run: RunDirectory, phase: int) -> PseudoLabels | None:
    """What phase ``phase`` learns from; None where that phase has not begun. Damaged is raised for anything else."""
    file = pseudo_label_file(run, phase)
    if (stored := run.load(file)) is None:
        return None
    with restoring(file):
        written = stored.pop("sha256", None)  # older versions wrote none
        pseudo = PseudoLabels(**stored)
        if written not in (None, hash_of(pseudo._asdict())):
            raise ValueError("other pseudo labels")
        return pseudo


def pseudo_label_file(run: RunDirectory, phase: int) -> Path:
    """Where the pseudo labels lie that a phase learns from."""
    return run.path / f"pseudo-labels-{phase}.pt"
