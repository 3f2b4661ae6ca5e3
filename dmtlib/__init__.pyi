"""What :mod:`dmtlib` hands on, for editors and type checkers."""

from .method.difference_sampling import difference_maximized_subsets
from .method.dynamic_loss import disagreement_cases, dynamic_loss, dynamic_weights, weighted_cross_entropy
from .method.mixup import mixup, mixup_loss
from .method.pixel_selection import select_top_pixels
from .method.pseudo_labels import entropy, pseudo_label, select_top_images
from .method.rules import RULES
from .method.schedules import gamma_ramp
from .models.deeplab import DeepLabV2
from .models.wideresnet import WideResNet

__version__: str

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
