"""Making pseudo labels and choosing among them (Eq. 1, Eq. 2, Sec. 4.2)."""

from fractions import Fraction

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from .dynamic_loss import describe


def entropy(probabilities: Float[Tensor, "B C *S"]) -> Float[Tensor, "B *S"]:
    """H = −Σ p log p over the classes, in nats (Eq. 1). 0 for a one-hot prediction, log C for a uniform one."""
    return torch.special.entr(probabilities.float()).sum(dim=1)


def pseudo_label(
    probabilities: Float[Tensor, "B C *S"], threshold: float = 0.0, *, ignore_index: int = 255
) -> tuple[Int64[Tensor, "B *S"], Float[Tensor, "B *S"]]:
    """The most probable class where its probability exceeds ``threshold``, else ``ignore_index`` (Eq. 2), and its
    confidence c_A (float32, given for ignored elements too). A ValueError for a ``threshold`` outside [0, 1)."""
    if not 0 <= threshold < 1:
        raise ValueError(f"threshold must lie in [0, 1), got {threshold}")
    confidence, labels = probabilities.float().max(dim=1)
    return torch.where(confidence > threshold, labels, ignore_index), confidence


def count_selected(alpha: float, n: int) -> int:
    """⌊α·n⌋ in exact decimals: 0.29 of 100 is 29, and not the floats' 28.999… A ValueError for α outside (0, 1]."""
    if not 0 < alpha <= 1:
        raise ValueError(f"alpha must lie in (0, 1], got {alpha}")
    return int(Fraction(str(float(alpha))) * n)


def select_top_images(confidence: Float[Tensor, " n"], alpha: float) -> Int64[Tensor, " k"]:
    """Indices of the ⌊α·n⌋ most confident images, most confident first (Alg. 1, line 5).

    All classes are ranked together. Equal confidences are taken in the order of their index, so the count is
    exact however many confidences are 1.0. A ValueError for a ``confidence`` that is not a one-dimensional
    floating-point tensor, or has NaN, or an ``alpha`` outside (0, 1].

    >>> select_top_images(torch.tensor([0.5, 1.0, 0.9, 1.0]), alpha=0.75)
    tensor([1, 3, 2])

    Args:
        confidence: c_A of every unlabeled image.
        alpha: the share to keep, in (0, 1].
    """
    if confidence.dim() != 1 or not confidence.is_floating_point():
        raise ValueError(f"confidence must be a floating-point tensor of shape (n,), got {describe(confidence)}")
    if confidence.isnan().any():  # a sort would put NaN first
        raise ValueError("confidence must be free of NaN")
    keep = count_selected(alpha, confidence.shape[0])
    return torch.argsort(confidence, descending=True, stable=True)[:keep]
