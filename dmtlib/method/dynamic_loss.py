"""The dynamic loss (Sec. 4.1.1): where two models disagree, the pseudo label counts less.

Model A labeled an unlabeled image before training began: pseudo label y_A, confidence c_A. Model B now learns
from it. At every step B's own prediction y_B, its confidence c_B and the probability p_B that B gives to y_A
decide what the pseudo label weighs. Nothing here knows about files, devices or training loops: lift it as it is.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Integer, UInt8
from torch import Tensor

AGREEMENT, NEGATIVE_DISAGREEMENT, POSITIVE_DISAGREEMENT = 1, 2, 3
"""The three cases of Eq. 3, numbered as in Sec. 4.1.1. Case 0 marks ignored elements."""


def disagreement_cases(
    probabilities: Float[Tensor, "B C *S"],
    pseudo_labels: Integer[Tensor, "B *S"],
    pseudo_confidence: Float[Tensor, "B *S"],
    *,
    ignore_index: int = 255,
) -> UInt8[Tensor, "B *S"]:
    """Tell for each element which of the three cases of Eq. 3 it is.

    1 agreement (y_A = y_B); 2 negative disagreement (y_A ≠ y_B, c_A ≥ c_B: a tie belongs here);
    3 positive disagreement (y_A ≠ y_B, c_A < c_B); 0 where the pseudo label is ``ignore_index``.
    The arguments are those of :func:`dynamic_weights`, and refused as there."""
    names = "probabilities", "pseudo_labels", "pseudo_confidence"
    _check_pseudo_labels(names, probabilities, pseudo_labels, pseudo_confidence)
    labels = pseudo_labels.long()  # a narrow dtype may not hold ignore_index
    c_b, y_b = probabilities.detach().float().max(dim=1)
    agree = y_b == labels
    bolder = pseudo_confidence.float() < c_b
    disputed = torch.where(bolder, POSITIVE_DISAGREEMENT, NEGATIVE_DISAGREEMENT)
    cases = torch.where(agree, AGREEMENT, disputed)
    return torch.where(labels == ignore_index, 0, cases).to(torch.uint8)


def probability_of(
    probabilities: Float[Tensor, "B C *S"], labels: Integer[Tensor, "B *S"], *, ignore_index: int = 255
) -> Float[Tensor, "B *S"]:
    """p_B of Eq. 3: the probability that each element's label has; 0 where it is ignored. float32, no gradient."""
    labels = labels.long()
    ignored = labels == ignore_index
    index = torch.where(ignored, 0, labels).unsqueeze(1)  # (B, 1, *S)
    picked = probabilities.detach().float().gather(1, index).squeeze(1)  # (B, *S)
    return torch.where(ignored, 0.0, picked)


@torch.no_grad()
def dynamic_weights(
    probabilities: Float[Tensor, "B C *S"],
    pseudo_labels: Integer[Tensor, "B *S"],
    pseudo_confidence: Float[Tensor, "B *S"],
    gamma1: float | Tensor,
    gamma2: float | Tensor,
    *,
    ignore_index: int = 255,
) -> Float[Tensor, "B *S"]:
    """Weigh pseudo labels by how far two models disagree about them (Eq. 3).

    ω = p_B^γ1 where the models agree, p_B^γ2 where they disagree and A was at least as confident, and 0 where
    B disagrees with more confidence than A had. γ = 0 does not switch the third case off. The three cases in turn:

    >>> p = torch.tensor([[0.9, 0.1], [0.4, 0.6], [0.4, 0.6]])
    >>> dynamic_weights(p, torch.tensor([0, 0, 0]), torch.tensor([0.7, 0.7, 0.5]), gamma1=2, gamma2=1)
    tensor([0.8100, 0.4000, 0.0000])

    Args:
        probabilities: softmax output of B, the model in training. ``*S`` is empty for images, ``(H, W)`` for pixels.
        pseudo_labels: y_A, any integer dtype; ``ignore_index`` marks elements that take no part.
        pseudo_confidence: c_A in [0, 1], recorded when the pseudo label was made.
        gamma1: exponent in case 1, ≥ 0; a number, or a 0-dimensional tensor on the same device.
        gamma2: exponent in case 2, likewise.
        ignore_index: weighs 0 wherever it stands in ``pseudo_labels``.

    Returns:
        Weights in [0, 1], float32, constants to autograd. Nothing waits for the device.

    Raises:
        ValueError: a wrong shape or dtype, or a negative gamma; the message names the argument.
    """
    check_gamma("gamma1", gamma1)
    check_gamma("gamma2", gamma2)
    cases = disagreement_cases(probabilities, pseudo_labels, pseudo_confidence, ignore_index=ignore_index)
    p_b = probability_of(probabilities, pseudo_labels, ignore_index=ignore_index)
    zero = torch.zeros_like(p_b)
    weights = torch.where(cases == AGREEMENT, p_b**gamma1, zero)
    return torch.where(cases == NEGATIVE_DISAGREEMENT, p_b**gamma2, weights)


def dynamic_loss(
    logits: Float[Tensor, "B C *S"],
    targets: Integer[Tensor, "B *S"],
    confidence: Float[Tensor, "B *S"],
    labeled: Bool[Tensor, " B"],
    gamma1: float | Tensor,
    gamma2: float | Tensor,
    *,
    ignore_index: int = 255,
) -> Float[Tensor, ""]:
    """Cross-entropy over a batch of labeled and pseudo-labeled elements, the latter weighed by Eq. 3 (Eq. 4–6).

    Labeled elements weigh 1. The sum is divided by N, the number of non-ignored elements of the whole batch
    (for pixels: all pixels of all images). The gradient flows through the cross-entropy alone, not the weights.

    >>> logits = torch.tensor([[2.0, 0.0], [0.0, 2.0]], requires_grad=True)
    >>> labels, c_a, labeled = torch.tensor([0, 0]), torch.tensor([1.0, 0.6]), torch.tensor([True, False])
    >>> dynamic_loss(logits, labels, c_a, labeled, gamma1=5, gamma2=5)  # B is surer of another class than A was
    tensor(0.0635, grad_fn=<DivBackward0>)

    Args:
        logits: output of the model in training, before the softmax; any floating dtype, computed in float32 here.
        targets: true labels where ``labeled``, pseudo labels y_A elsewhere; any integer dtype.
        confidence: c_A; read only where not ``labeled``.
        labeled: True for each image whose targets are true labels.
        gamma1: exponent in case 1 (agreement), ≥ 0; see :func:`dynamic_weights`.
        gamma2: exponent in case 2 (negative disagreement), ≥ 0.
        ignore_index: targets that take no part. A batch of nothing else gives 0, with zero gradients.

    Raises:
        ValueError: a wrong shape or dtype, or a negative gamma; the message names the argument.
    """
    _check_pseudo_labels(("logits", "targets", "confidence"), logits, targets, confidence)
    if labeled.shape != (len(logits),) or labeled.dtype != torch.bool:
        wanted = f"a bool tensor of shape ({len(logits)},)"
        raise ValueError(f"labeled must be {wanted}, got {describe(labeled)}")
    probabilities = logits.detach().float().softmax(dim=1)
    weights = dynamic_weights(probabilities, targets, confidence, gamma1, gamma2, ignore_index=ignore_index)
    return weighted_cross_entropy(logits, targets, full_weight_where(labeled, weights), ignore_index=ignore_index)


def full_weight_where(labeled: Bool[Tensor, " B"], weights: Float[Tensor, "B *S"]) -> Float[Tensor, "B *S"]:
    """The weights of a whole batch: 1 for each element of a labeled image, as given elsewhere (Eq. 5 beside Eq. 4)."""
    return torch.where(labeled.reshape(-1, *[1] * (weights.dim() - 1)), 1.0, weights)


def weighted_cross_entropy(
    logits: Float[Tensor, "B C *S"],
    targets: Integer[Tensor, "B *S"],
    weights: Float[Tensor, "B *S"],
    *,
    ignore_index: int = 255,
) -> Float[Tensor, ""]:
    """Σ ω·CE / N, N the count of non-ignored elements (Eq. 4–6 with the weights already known). float32.

    >>> weighted_cross_entropy(torch.zeros(3, 2), torch.tensor([0, 1, 255]), torch.tensor([1.0, 0.5, 1.0]))
    tensor(0.5199)
    """
    targets = targets.long()
    per_element = F.cross_entropy(logits.float(), targets, ignore_index=ignore_index, reduction="none")
    weighted = torch.where(weights == 0, 0.0, weights * per_element)  # 0 · ∞ is 0 here, not NaN
    counted = (targets != ignore_index).sum()
    return weighted.sum() / counted.clamp(min=1)


def _check_pseudo_labels(names: tuple[str, str, str], scores: Tensor, labels: Tensor, confidence: Tensor) -> None:
    """``names`` are those of the others, as errors call them."""
    of_scores, of_labels, of_confidence = names
    if scores.dim() < 2 or not scores.is_floating_point():
        raise ValueError(f"{of_scores} must be a floating-point tensor of shape (B, C, *S), got {describe(scores)}")
    expected = (scores.shape[0], *scores.shape[2:])
    if labels.shape != expected or labels.is_floating_point() or labels.is_complex() or labels.dtype == torch.bool:
        raise ValueError(f"{of_labels} must be an integer tensor of shape {expected}, got {describe(labels)}")
    if confidence.shape != expected or not confidence.is_floating_point():
        got = describe(confidence)
        raise ValueError(f"{of_confidence} must be a floating-point tensor of shape {expected}, got {got}")


def check_gamma(name: str, gamma: float | Tensor) -> None:
    """ValueError, naming the argument, unless γ is a number ≥ 0 or a 0-dimensional tensor."""
    if isinstance(gamma, Tensor):  # its value is not read: that would wait for the device
        if gamma.dim() != 0:
            raise ValueError(f"{name} must be a number or a 0-dimensional tensor, got {describe(gamma)}")
    elif not gamma >= 0:
        raise ValueError(f"{name} must be at least 0, got {gamma}")


def describe(tensor: Tensor) -> str:
    """Dtype and shape, as error messages tell them."""
    return f"{str(tensor.dtype).removeprefix('torch.')} of shape {tuple(tensor.shape)}"
