"""The models of Alg. 2: where their first weights come from, and a model again from weights that were kept."""

from __future__ import annotations

import sys
from typing import Any

import torch
from torch import Tensor
from tqdm.auto import tqdm

from ...models.backbones import TIMM
from ...models.deeplab import DeepLabV2
from ...models.pretrained import pretrained
from ..seeding import derive_seed
from .config import SegmentationConfig


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
    tqdm.write(f"model {name} starts from {config.initialisations['AB'.index(name)]}: {report}", file=sys.stderr)
    return model


def restore(
    architecture: dict[str, Any], weights: dict[str, Tensor], device: torch.device | str, name: str = "A"
) -> DeepLabV2:
    """Model A or B with a copy of ``weights``, on ``device``; its normalisation is among them."""
    architecture = of_model(architecture, name)
    whole = architecture["backbone"].startswith(TIMM)  # such networks may hold tensors that no state dict has
    with torch.random.fork_rng(devices=[]), torch.device("cpu" if whole else "meta"):  # where nothing is drawn in vain
        model = DeepLabV2(**architecture)
    model = model.to(device) if whole else model.to_empty(device=device)
    model.load_state_dict(weights)
    return model.to(memory_format=torch.channels_last)


def of_model(architecture: dict[str, Any], name: str) -> dict[str, Any]:
    """The arguments of :class:`~dmtlib.models.deeplab.DeepLabV2` for model A or B, where there may be a backbone of
    each."""
    backbone = architecture["backbone"]
    return architecture | {"backbone": backbone if isinstance(backbone, str) else backbone["AB".index(name)]}
