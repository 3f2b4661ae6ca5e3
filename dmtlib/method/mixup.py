"""Mixup with dynamic weights (Sec. 5.2.2): images, targets and weights are interpolated together."""

from typing import NamedTuple

import torch.nn.functional as F
from jaxtyping import Float, Int64, Integer
from torch import Tensor


class MixedBatch(NamedTuple):
    """A batch in which sample i is λ of itself and 1 − λ of sample partner[i]."""

    images: Float[Tensor, "B *I"]
    targets: Integer[Tensor, " B"]
    partner_targets: Integer[Tensor, " B"]
    weights: Float[Tensor, " B"]
    lam: Float[Tensor, ""]


def mixup(
    images: Float[Tensor, "B *I"],
    targets: Integer[Tensor, " B"],
    weights: Float[Tensor, " B"],
    partner: Int64[Tensor, " B"],
    lam: Float[Tensor, ""],
) -> MixedBatch:
    """x ← λx + (1 − λ)x′ and ω ← λω + (1 − λ)ω′; both targets are kept (Sec. 5.2.2).

    Args:
        images: the un-mixed batch, on which the weights were found.
        targets: labels and pseudo labels.
        weights: 1 for labeled samples, a rule's weight for the others.
        partner: a permutation of 0…B−1, the index of each sample's partner.
        lam: λ in [0, 1], a 0-dimensional tensor on the batch's device.
    """
    lam = lam.to(images.dtype)
    images, weights = (lam * values + (1 - lam) * values[partner] for values in (images, weights))
    return MixedBatch(images, targets, targets[partner], weights, lam)


def mixup_loss(logits: Float[Tensor, "B C"], batch: MixedBatch) -> Float[Tensor, ""]:
    """Mean over the batch of [λω + (1 − λ)ω′] · [λ·CE(y) + (1 − λ)·CE(y′)], in float32 (Eq. 4–6 under mixup).

    >>> images, y, weights = torch.rand(2, 3), torch.tensor([0, 1]), torch.tensor([1.0, 0.0])
    >>> batch = mixup(images, y, weights, partner=torch.tensor([1, 0]), lam=torch.tensor(0.8))
    >>> mixup_loss(torch.zeros(2, 2), batch)  # log 2 each, weighed 0.8 and 0.2
    tensor(0.3466)
    """
    log_probabilities = F.log_softmax(logits.float(), dim=1)
    own = F.nll_loss(log_probabilities, batch.targets.long(), reduction="none")
    partner = F.nll_loss(log_probabilities, batch.partner_targets.long(), reduction="none")
    lam = batch.lam.float()
    return (batch.weights.float() * (lam * own + (1 - lam) * partner)).mean()
