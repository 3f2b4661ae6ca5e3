"""The models of Alg. 2: where their first weights come from, and what a run leaves in its run directory of them and
their pseudo labels, beside the files of :mod:`~dmtlib.training.directory`.

split.json               names of the labeled images, and a hash
checkpoint.pt            the phase in training: the models that are through with it, and the state of the one at work
phase-<i>.pt             a finished phase: the weights of both models, and the records of all phases so far
pseudo-labels-<i>-<M>/   what model M learned in phase i, at three bytes a pixel
"""

import sys
import warnings
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from tqdm.auto import tqdm

from ...models.backbones import TIMM
from ...models.deeplab import DeepLabV2
from ...models.pretrained import pretrained
from ...words import printable
from ..directory import RunDirectory, RunError
from ..seeding import derive_seed
from ..storage import restoring
from .config import SegmentationConfig
from .pixel_labels import PixelLabels, read_pixel_labels


def initialise(config: SegmentationConfig, architecture: dict[str, Any], name: str) -> DeepLabV2:
    """Model A or B before it has learned anything (Alg. 2, lines 2 and 6), of an ``architecture`` as in
    :func:`of_model`; what is not loaded is random, and told. A ValueError for weights that cannot be loaded."""
    architecture = of_model(architecture, name)
    weights, _, path = config.initialisations["AB".index(name)].partition(":")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(config.seed, "initialise", name))
        if weights == "random":
            return DeepLabV2(**architecture)
        model, report = pretrained(**architecture, initialisation=weights, path=path or None)
    told = f"model {name} starts from {config.initialisations['AB'.index(name)]}: {report}"
    tqdm.write(printable(told), file=sys.stderr)
    return model


def restore(architecture: dict, weights: dict[str, Tensor], device: torch.device | str, name: str = "A") -> DeepLabV2:
    """Model A or B with a copy of ``weights``, on ``device``; its normalisation is among them."""
    architecture = of_model(architecture, name)
    whole = architecture["backbone"].startswith(TIMM)  # such networks may hold tensors that no state dict has
    with torch.random.fork_rng(devices=[]), torch.device("cpu" if whole else "meta"):  # where nothing is drawn in vain
        model = DeepLabV2(**architecture)
    model = model.to(device) if whole else model.to_empty(device=device)
    model.load_state_dict(weights)
    return model.to(memory_format=torch.channels_last)


def of_model(architecture: dict[str, Any], name: str) -> dict[str, Any]:
    """The arguments of :class:`~dmtlib.models.deeplab.DeepLabV2` for model A or B; each may have its own backbone."""
    backbone = architecture["backbone"]
    return architecture | {"backbone": backbone if isinstance(backbone, str) else backbone["AB".index(name)]}


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
    """What ``model`` learns in ``phase``: unlabeled images by name. None before, or, with a warning, if damaged."""
    if not (folder := pixel_label_folder(run, phase, model)).exists():
        return None
    try:
        stored = read_pixel_labels(folder)
    except ValueError as error:
        warnings.warn(f"{error}; they are made again", stacklevel=2)
        return None
    run.check_mark(stored.run, folder)
    return stored
