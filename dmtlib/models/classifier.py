"""A classifier by the arguments that a run keeps of it."""

from __future__ import annotations

from typing import Any

from torch import nn

from .backbones import TimmClassifier
from .whitened import WhitenedCNN
from .wideresnet import WideResNet


def classifier(**architecture: Any) -> nn.Module:
    """:class:`.whitened.WhitenedCNN` where there are ``widths``, :class:`.backbones.TimmClassifier` where there is a
    ``network``, else :class:`.wideresnet.WideResNet`.

    Raises:
        ValueError: an argument that the network refuses.
    """
    if "network" in architecture:
        return TimmClassifier(**architecture)
    return (WhitenedCNN if "widths" in architecture else WideResNet)(**architecture)
