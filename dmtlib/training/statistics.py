"""What a phase remembers of its steps: running sums on the device, means for people."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor

from ..data.images.packed import UNKNOWN

STATISTICS = ("steps", "loss", "right", "weight_right", "wrong", "weight_wrong", "pseudo", "weight", "1", "2", "3")
"""What a step adds to the running sums; "1", "2", "3" count the cases of Eq. 3."""


def batch_sums(
    labels: Int64[Tensor, " p"],
    truth: Int64[Tensor, " p"],
    weights: Float[Tensor, " p"],
    cases: UInt8[Tensor, " p"] | None,
) -> Float[Tensor, " statistics"]:
    """The pseudo-labeled part of a batch, summed up in the order of :data:`STATISTICS`. Nothing waits for the device.

    Args:
        labels: y_A. Whether they are right is asked of ``truth``, for the record only; −1 there is neither.
        weights: what the rule gave them.
        cases: of Eq. 3; None for a rule that does not look at the model in training.
    """
    right = (labels == truth).float()
    wrong = ((labels != truth) & (truth != UNKNOWN)).float()
    nothing = torch.zeros_like(weights)
    sums = [nothing, nothing, right, right * weights, wrong, wrong * weights, torch.ones_like(weights), weights]
    sums += [nothing if cases is None else (cases == case).float() for case in (1, 2, 3)]
    return torch.stack(sums).sum(dim=1)


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
