"""Clean predictions, and what they are worth (Appendix C)."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor, nn

from ...data.images.augment import normalise, shift_and_flip
from ...data.images.datasets import ClassificationData
from ...data.images.operations import Variant
from ...data.images.packed import UNKNOWN, ImageFile, read_ahead
from ...method.pseudo_labels import pseudo_label, select_top_images
from ..processes import gathered, shared
from ..seeding import derive_seed
from .phase import PseudoLabels

PREDICTION_BATCH = 250  # of 32×32 images; on a CPU, 1000 leave the cache and are half as fast
KEPT_SHARES = range(5, 101, 5)
"""Of the pseudo labels, the most confident first, in percent: the points of Fig. 1 and three between each two."""


class Views(NamedTuple):
    """How many views of an image a model is asked about, the clean one and weak ones; how these are ``like`` those of
    training, see :data:`~dmtlib.data.images.augment.WEAK`; and the ``seed`` of what is drawn."""

    count: int
    like: Variant
    seed: int

    def of(self, images: UInt8[Tensor, "B C H W"], number: int) -> Iterator[UInt8[Tensor, "B C H W"]]:
        """Those of the images in batch ``number``."""
        yield images
        generator = torch.Generator(images.device).manual_seed(derive_seed(self.seed, number))
        for _ in range(1, self.count):
            yield shift_and_flip(images, generator, self.like)


@torch.no_grad()
def predict(
    model: nn.Module,
    images: UInt8[Tensor, "N C H W"] | ImageFile,
    mean: Sequence[float],
    std: Sequence[float],
    views: Views | None = None,
) -> Float[Tensor, "N classes"]:
    """Probabilities on clean images, or their mean over some ``views``: evaluation mode, float32. The model's mode is
    left as it was. Several processes share the batches, and have all of them afterwards, on the CPU."""
    training = model.training
    model.eval()
    device = next(model.parameters()).device
    batches, found = images.split(PREDICTION_BATCH), []
    for number, batch in zip(shared(range(len(batches))), read_ahead(shared(batches)), strict=True):
        clean = batch.to(device)
        seen = [clean] if views is None else views.of(clean, number)
        said = [model(normalise(view, mean, std)).float().softmax(dim=1) for view in seen]
        found.append(sum(said) / len(said))
    model.train(training)
    return torch.cat(gathered(found))


def accuracy(probabilities: Float[Tensor, "N C"], labels: Int64[Tensor, " N"]) -> float:
    """Share of images whose most probable class is the true one, in percent."""
    return round(100 * (probabilities.argmax(dim=1) == labels).double().mean().item(), 4)


def fine_grained_accuracy(probabilities: Float[Tensor, "N C"], labels: Int64[Tensor, " N"]) -> float:
    """A right decision counts as the probability given to it, a wrong one as 0; mean in percent (Appendix C)."""
    confidence, predicted = probabilities.max(dim=1)
    return round(100 * torch.where(predicted == labels, confidence.double(), 0.0).mean().item(), 4)


def error_by_confidence(
    probabilities: Float[Tensor, "N C"], truth: Int64[Tensor, " N"], kept: Sequence[int] = KEPT_SHARES
) -> dict[str, float] | None:
    """How many of the most confident pseudo labels are wrong (Fig. 1): share ``kept`` of the images (text, because the
    dict becomes JSON) → error among them, both in percent; without the shares that keep no image. None where no class
    is known. ``probabilities`` are of clean images, whose classes are ``truth``; those of
    :data:`~dmtlib.data.images.packed.UNKNOWN` class are left out."""
    known = truth != UNKNOWN
    if not known.any():
        return None
    labels, confidence = pseudo_label(probabilities[known])
    wrong = (labels != truth[known]).double()
    tops = {share: wrong[select_top_images(confidence, share / 100)] for share in kept}
    return {str(share): round(100 * top.mean().item(), 4) for share, top in tops.items() if len(top)}


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


def pseudo_label_error(pseudo: PseudoLabels) -> float | None:
    """Share of wrong labels among those whose truth is known, in percent; None where none is known."""
    known = pseudo.truth != UNKNOWN
    wrong = (pseudo.labels != pseudo.truth) & known
    return 100 * wrong.sum().item() / known.sum().item() if known.any() else None
