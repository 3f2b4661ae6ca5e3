"""What a phase remembers of its steps: running sums on the device, means for people."""

from typing import Any

import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor

from ..data.images.packed import UNKNOWN
from ..data.pixels.masks import VOID

STATISTICS = ("steps", "loss", "right", "weight_right", "wrong", "weight_wrong", "pseudo", "weight", "1", "2", "3")
"""What a step adds to the running sums; "1", "2", "3" count the cases of Eq. 3."""


def batch_sums(
    labels: Int64[Tensor, " p"],
    truth: Int64[Tensor, " p"],
    weights: Float[Tensor, " p"],
    cases: UInt8[Tensor, " p"] | None,
) -> Float[Tensor, " statistics"]:
    """The pseudo-labeled part of a batch, summed up in the order of :data:`STATISTICS`. Nothing waits for the device.
    Whether the ``labels`` y_A are right is asked of ``truth``, for the record only; −1 there is neither. ``weights``
    are what the rule gave them, ``cases`` those of Eq. 3; None for a rule that doesn't look at the model."""
    wrong = (labels != truth) & (truth != UNKNOWN)
    return torch.stack(_summands(labels == truth, wrong, torch.ones_like(weights), weights, cases)).sum(dim=1)


def pixel_sums(
    learned: UInt8[Tensor, "P h w"],
    truth: UInt8[Tensor, "P h w"],
    weights: Float[Tensor, "P h w"],
    cases: UInt8[Tensor, "P h w"] | None,
) -> Float[Tensor, " statistics"]:
    """The same of the pseudo-labeled pixels of a batch, divided by their number, ignored ones included: 20 steps of
    Cityscapes would count beyond the whole numbers of float32. ``learned`` are the targets that the rule made; 255 is
    not counted. Pixels that are 255 in ``truth`` are neither right nor wrong. ``weights`` are 0 where ignored,
    ``cases`` None for a method without stored pseudo labels, too. Without any pixels all are 0."""
    if not len(learned):
        return torch.zeros(len(STATISTICS), device=learned.device)
    counted = learned != VOID
    known = counted & (truth != VOID)
    summands = _summands(known & (learned == truth), known & (learned != truth), counted.float(), weights, cases)
    return torch.stack([values.mean() for values in summands])


def _summands(right: Tensor, wrong: Tensor, counted: Tensor, weights: Tensor, cases: Tensor | None) -> list[Tensor]:
    """By element, in the order of :data:`STATISTICS`; steps and loss are added elsewhere."""
    nothing = torch.zeros_like(weights)
    right, wrong = right.float(), wrong.float()
    summands = [nothing, nothing, right, right * weights, wrong, wrong * weights, counted, weights]
    return summands + [nothing if cases is None else (cases == case).float() for case in (1, 2, 3)]


def summarise(sums: list[float]) -> dict[str, Any]:
    """From the sums named in :data:`STATISTICS` to means; None where there was nothing to take the mean of."""
    s = dict(zip(STATISTICS, sums, strict=True))
    cases = [s["1"], s["2"], s["3"]]
    return {
        "loss": s["loss"] / s["steps"],
        "mean_weight": s["weight"] / s["pseudo"] if s["pseudo"] else None,
        "mean_weight_right": s["weight_right"] / s["right"] if s["right"] else None,
        "mean_weight_wrong": s["weight_wrong"] / s["wrong"] if s["wrong"] else None,
        "case_shares": [n / s["pseudo"] for n in cases] if sum(cases) else None,
    }
