"""The models of Alg. 2: where their first weights come from, and a model again from weights that were kept."""

from __future__ import annotations

import sys
from typing import Any

import torch
from torch import Tensor
from tqdm.auto import tqdm

from ...models.deeplab import DeepLabV2
from ...models.pretrained import pretrained
from ..seeding import derive_seed
from .config import SegmentationConfig


def initialise(config: SegmentationConfig, architecture: dict[str, Any], name: str) -> DeepLabV2:
    """Model A or B before it has learned anything (Alg. 2, lines 2 and 6), of an ``architecture`` in the arguments of
    :class:`~dmtlib.models.deeplab.DeepLabV2`; what is not loaded is random, and told. A ValueError for weights that
    cannot be loaded."""
    weights, _, path = config.initialisations["AB".index(name)].partition(":")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(config.seed, "initialise", name))
        if weights == "random":
            return DeepLabV2(**architecture)
        model, report = pretrained(**architecture, initialisation=weights, path=path or None)
    tqdm.write(f"model {name} starts from {config.initialisations['AB'.index(name)]}: {report}", file=sys.stderr)
    return model


def restore(architecture: dict[str, Any], weights: dict[str, Tensor], device: torch.device | str) -> DeepLabV2:
    """A model with a copy of ``weights``, on ``device``; its normalisation is among them."""
    with torch.device("meta"):  # draws no random weights that would be overwritten at once
        model = DeepLabV2(**architecture)
    model.to_empty(device=device).load_state_dict(weights)
    return model.to(memory_format=torch.channels_last)
