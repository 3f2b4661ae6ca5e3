"""Clean predictions, and what they are worth (Appendix C)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor, nn

from ..data.augment import normalise

PREDICTION_BATCH = 1000


@torch.no_grad()
def predict(
    model: nn.Module, images: UInt8[Tensor, "N C H W"], mean: Sequence[float], std: Sequence[float]
) -> Float[Tensor, "N classes"]:
    """Probabilities on clean images: no augmentation, evaluation mode, float32. The model's mode is left as it was."""
    training = model.training
    model.eval()
    device = next(model.parameters()).device
    batches = [
        model(normalise(batch.to(device), mean, std)).float().softmax(dim=1)
        for batch in images.split(PREDICTION_BATCH)
    ]
    model.train(training)
    return torch.cat(batches)


def accuracy(probabilities: Float[Tensor, "N C"], labels: Int64[Tensor, " N"]) -> float:
    """Share of images whose most probable class is the true one, in percent."""
    from torchmetrics.functional.classification import multiclass_accuracy  # slow to import

    classes = probabilities.shape[1]
    return round(100 * multiclass_accuracy(probabilities, labels, num_classes=classes, average="micro").item(), 4)


def fine_grained_accuracy(probabilities: Float[Tensor, "N C"], labels: Int64[Tensor, " N"]) -> float:
    """A right decision counts as the probability given to it, a wrong one as 0; mean in percent (Appendix C)."""
    confidence, predicted = probabilities.max(dim=1)
    return round(100 * torch.where(predicted == labels, confidence.double(), 0.0).mean().item(), 4)
