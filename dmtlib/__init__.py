"""Dynamic Mutual Training for semi-supervised learning (Feng et al., Pattern Recognition 2022).

The method is a handful of pure functions that can be lifted into other code: :func:`dynamic_loss` first of all.
"""

import os
import sys
from typing import Any

try:
    os.getcwd()
except OSError:  # torch's MKL would end the process, with a line about a file of its own
    print("error: the working directory is gone: change to another one", file=sys.stderr)
    raise SystemExit(2) from None

from .method.difference_sampling import difference_maximized_subsets
from .method.dynamic_loss import disagreement_cases, dynamic_loss, dynamic_weights, weighted_cross_entropy
from .method.mixup import mixup, mixup_loss
from .method.pixel_selection import select_top_pixels
from .method.pseudo_labels import entropy, pseudo_label, select_top_images
from .method.rules import RULES
from .method.schedules import gamma_ramp
from .models.wideresnet import WideResNet

__version__ = "0.1.0"

__all__ = [
    "DeepLabV2",
    "RULES",
    "WideResNet",
    "difference_maximized_subsets",
    "disagreement_cases",
    "dynamic_loss",
    "dynamic_weights",
    "entropy",
    "gamma_ramp",
    "mixup",
    "mixup_loss",
    "pseudo_label",
    "select_top_images",
    "select_top_pixels",
    "weighted_cross_entropy",
]


def __getattr__(name: str) -> Any:
    if name == "DeepLabV2":  # it needs torchvision, which takes seconds to import
        from .models.deeplab import DeepLabV2

        return DeepLabV2
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
