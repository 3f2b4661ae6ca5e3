"""Dynamic Mutual Training for semi-supervised learning (Feng et al., Pattern Recognition 2022).

The method is a handful of pure functions that can be lifted into other code: :func:`dynamic_loss` first of all.
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

# Imported when it is asked for: torch takes seconds, in which no command could be answered. Editors read __init__.pyi.
_PLACES = {
    "method.difference_sampling": ["difference_maximized_subsets"],
    "method.dynamic_loss": ["disagreement_cases", "dynamic_loss", "dynamic_weights", "weighted_cross_entropy"],
    "method.mixup": ["mixup", "mixup_loss"],
    "method.pixel_selection": ["select_top_pixels"],
    "method.pseudo_labels": ["entropy", "pseudo_label", "select_top_images"],
    "method.rules": ["RULES"],
    "method.schedules": ["gamma_ramp"],
    "models.deeplab": ["DeepLabV2"],
    "models.wideresnet": ["WideResNet"],
}
_MODULES = {name: module for module, names in _PLACES.items() for name in names}

__all__ = sorted(_MODULES)


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_MODULES[name]}", __name__), name)
