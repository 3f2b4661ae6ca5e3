"""What is measured when a phase ends, and written down of all phases at the end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ...data.images.datasets import ClassificationData
from ...data.images.packed import UNKNOWN
from ..provenance import circumstances
from .config import RunConfig
from .evaluation import accuracy, fine_grained_accuracy, predict
from .phase import PseudoLabels


def measure(model: nn.Module, data: ClassificationData, validation: Tensor) -> dict[str, float]:
    """Plain and fine-grained accuracy on the test images, and on the validation images where there are any;
    ``validation`` are indices into the training images (Appendix C)."""
    probabilities = predict(model, data.test_images, data.mean, data.std).cpu()
    found = {
        "test_accuracy": accuracy(probabilities, data.test_labels),
        "fine_grained_accuracy": fine_grained_accuracy(probabilities, data.test_labels),
    }
    if len(validation):
        labels = data.train_labels[validation]
        probabilities = predict(model, data.train_images[validation], data.mean, data.std).cpu()
        found["validation_accuracy"] = accuracy(probabilities, labels)
        found["validation_fine_grained_accuracy"] = fine_grained_accuracy(probabilities, labels)
    return found


def run_record(
    config: RunConfig, phases: Sequence[dict[str, Any]], split: dict[str, Any], seconds: float, device: torch.device
) -> dict[str, Any]:
    """A finished run: the last model's accuracy (line 8 of Alg. 1), and all that the number depends on. Of ``split``
    and ``seconds`` see :func:`.provenance.circumstances`."""
    last = phases[-1]
    steps = sum(phase["steps"] for phase in phases)
    return {
        "preset": config.preset,
        "method": config.method,
        "seed": config.seed,
        "test_accuracy": last["test_accuracy"],
        "fine_grained_accuracy": last["fine_grained_accuracy"],
        "phases": phases,
        **circumstances(config, split, steps, seconds, device),
    }


def pseudo_label_error(pseudo: PseudoLabels) -> float | None:
    """Share of wrong labels among those whose truth is known, in percent; None where none is known."""
    known = pseudo.truth != UNKNOWN
    wrong = (pseudo.labels != pseudo.truth) & known
    return 100 * wrong.sum().item() / known.sum().item() if known.any() else None
