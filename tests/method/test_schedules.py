"""The gamma ramp and the curriculum (Sec. 4.2)."""

from __future__ import annotations

import math

import pytest

from dmtlib import gamma_ramp
from dmtlib.method.schedules import CURRICULUM_ALPHAS


@pytest.mark.parametrize(
    ("step", "total_steps", "gamma_max", "expected"),
    [
        (0, 100, 4.0, 4 * math.exp(-5)),
        (50, 100, 4.0, 4 * math.exp(-1.25)),
        (75, 100, 8.0, 8 * math.exp(-0.3125)),
        (100, 100, 4.0, 4.0),
        (1, 1, 4, 4.0),
        (30, 100, 0.0, 0.0),
    ],
)
def test_values(step, total_steps, gamma_max, expected):
    gamma = gamma_ramp(step, total_steps, gamma_max)
    assert isinstance(gamma, float) and gamma == pytest.approx(expected, rel=1e-12)


def test_it_rises():
    ramp = [gamma_ramp(step, 200, 4.0) for step in range(201)]
    assert all(a < b for a, b in zip(ramp, ramp[1:], strict=False))
    assert ramp[0] < 0.03 and ramp[-1] == 4.0


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ((0, 0, 4.0), "total_steps"),
        ((0, -1, 4.0), "total_steps"),
        ((-1, 10, 4.0), "step"),
        ((11, 10, 4.0), "step"),
        ((math.nan, 10, 4.0), "step"),
        ((0, 10, -1.0), "gamma_max"),
        ((0, 10, math.nan), "gamma_max"),
    ],
)
def test_errors_name_the_argument(arguments, name):
    with pytest.raises(ValueError, match=rf"^{name} must "):
        gamma_ramp(*arguments)


def test_the_curriculum_of_algorithm_1():
    assert CURRICULUM_ALPHAS == (0.2, 0.4, 0.6, 0.8, 1.0)
