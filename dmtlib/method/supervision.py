"""What a batch teaches: its labels as they are, and of its pseudo labels what a rule makes of them (Eq. 4–6)."""

from __future__ import annotations

import torch
from jaxtyping import Float, Integer
from torch import Tensor

from .rules import Rule, Supervision


@torch.no_grad()
def supervise(
    targets: Integer[Tensor, "B *S"],
    rule: Rule | None = None,
    probabilities: Float[Tensor, "P C *S"] | None = None,
    confidence: Float[Tensor, "P *S"] | None = None,
    gamma1: float | Tensor = 0.0,
    gamma2: float | Tensor = 0.0,
    *,
    ignore_index: int = 255,
) -> Supervision:
    """Targets and weights of a batch whose labeled elements stand first: 1 there, the rule's on the P others.

    One labeled image of class 2. Of two with the pseudo label 0, the model agrees with the first, and is surer of
    something else than the labeler was of the second:

    >>> from dmtlib import RULES
    >>> p, c_a = torch.tensor([[0.5, 0.3, 0.2], [0.1, 0.8, 0.1]]), torch.tensor([0.9, 0.6])
    >>> supervise(torch.tensor([2, 0, 0]), RULES["dmt"], p, c_a, gamma1=2, gamma2=2)
    Supervision(targets=tensor([2, 0, 0]), weights=tensor([1.0000, 0.2500, 0.0000]))

    Args:
        targets: true labels, then pseudo labels y_A, any integer dtype.
        rule: one of :data:`~dmtlib.method.rules.RULES`; None where all elements are labeled.
        probabilities: softmax output of the model in training on the others; None for a rule that does not look.
        confidence: c_A of the others.
        gamma1, gamma2, ignore_index: see :func:`~dmtlib.method.dynamic_loss.dynamic_weights`.

    Returns:
        Both of the shape of ``targets``, the weights float32. Nothing waits for the device.

    Raises:
        ValueError: more confidences than targets, or what the rule refuses.
    """
    weights = torch.ones(targets.shape, device=targets.device)
    if rule is None:
        return Supervision(targets, weights)
    labeled = len(targets) - len(confidence)
    if labeled < 0:
        raise ValueError(f"confidence must be of at most {len(targets)} elements, got {len(confidence)}")
    learned, weights[labeled:] = rule(
        probabilities, targets[labeled:], confidence, gamma1, gamma2, ignore_index=ignore_index
    )
    return Supervision(torch.cat([targets[:labeled], learned]), weights)
