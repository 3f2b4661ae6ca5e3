"""What changes while a phase trains, and from phase to phase (Sec. 4.2)."""

import math

CURRICULUM_ALPHAS = (0.2, 0.4, 0.6, 0.8, 1.0)
"""The share of pseudo labels that each iteration keeps: easy ones first (Alg. 1, line 3; Alg. 2, line 10)."""


def gamma_ramp(step: int, total_steps: int, gamma_max: float) -> float:
    """γ(t) = γ_max · exp(−5 (1 − t/t_max)²): from nearly 0 up to γ_max (Sec. 4.2.1).

    A new model has nothing to say about a pseudo label yet, so early on every weight is about 1. The minus sign is
    missing from the paper's text; the ramp that it cites rises, as this does. A ValueError for values out of range.

    >>> [round(gamma_ramp(step, 800, gamma_max=4), 2) for step in (0, 400, 800)]
    [0.03, 1.15, 4.0]

    Args:
        step: t, in 0…total_steps.
        total_steps: t_max, the number of training steps of the phase.
        gamma_max: the value at the end, ≥ 0.
    """
    if total_steps < 1:
        raise ValueError(f"total_steps must be at least 1, got {total_steps}")
    if not 0 <= step <= total_steps:
        raise ValueError(f"step must lie in 0…total_steps = {total_steps}, got {step}")
    if not gamma_max >= 0:
        raise ValueError(f"gamma_max must be at least 0, got {gamma_max}")
    return gamma_max * math.exp(-5.0 * (1.0 - step / total_steps) ** 2)
