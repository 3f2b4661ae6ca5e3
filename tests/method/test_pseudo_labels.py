"""Eq. 1, Eq. 2, and the choice of the most confident images."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dmtlib import entropy, pseudo_label, select_top_images
from dmtlib.method.pseudo_labels import count_selected

properties = settings(max_examples=60, deadline=None, derandomize=True)


def test_entropy_by_hand():
    p = torch.tensor([[1.0, 0.0, 0.0, 0.0], [0.25] * 4, [0.5, 0.5, 0.0, 0.0], [0.5, 0.25, 0.25, 0.0]])
    expected = torch.tensor([0.0, math.log(4), math.log(2), 1.5 * math.log(2)])
    torch.testing.assert_close(entropy(p), expected)
    torch.testing.assert_close(entropy(p.T[None]), expected[None])  # pixels
    assert entropy(p.half()).dtype == torch.float32


def test_pseudo_labels_exceed_the_threshold():
    p = torch.tensor([[0.75, 0.25], [0.5, 0.5], [0.125, 0.875]])
    labels, confidence = pseudo_label(p)
    assert labels.tolist() == [0, 0, 1] and confidence.tolist() == [0.75, 0.5, 0.875]
    labels, confidence = pseudo_label(p, 0.75)  # Eq. 2: F(c*|x) > T, so 0.75 itself is ignored
    assert labels.tolist() == [255, 255, 1] and confidence.tolist() == [0.75, 0.5, 0.875]
    pixels, _ = pseudo_label(p.T[None], 0.6, ignore_index=-1)
    assert pixels.tolist() == [[0, -1, 1]]


@pytest.mark.parametrize("threshold", [-0.1, 1.0, 1.5, math.nan])
def test_threshold_errors(threshold):
    with pytest.raises(ValueError, match=r"^threshold must lie in \[0, 1\)"):
        pseudo_label(torch.tensor([[0.5, 0.5]]), threshold)


@pytest.mark.parametrize(
    ("alpha", "n", "expected"),
    [(0.2, 1257, 251), (0.29, 100, 29), (0.57, 100, 57), (0.8, 5, 4), (1.0, 7, 7), (1, 7, 7), (0.1, 9, 0), (0.5, 0, 0)]
    + [(1e-3, 1000, 1), (0.6, 49_000, 29_400), (0.999999, 10, 9)],
)
def test_exactly_the_floor_of_alpha_n(alpha, n, expected):
    """In floats, 0.29 · 100 and 0.57 · 100 fall just below the integer."""
    assert count_selected(alpha, n) == expected
    assert select_top_images(torch.rand(n, generator=torch.Generator().manual_seed(0)), alpha).shape == (expected,)


def test_most_confident_first_and_ties_by_index():
    confidence = torch.tensor([0.5, 0.9, 0.5, 1.0, 0.9, 0.1])
    assert select_top_images(confidence, 1.0).tolist() == [3, 1, 4, 0, 2, 5]
    assert select_top_images(confidence, 0.7).tolist() == [3, 1, 4, 0]  # the tie at 0.5 is cut


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64], ids=str)
def test_all_confidences_1(dtype):
    """A strict threshold would select nothing here; a sort that is not stable, the wrong ones."""
    selected = select_top_images(torch.ones(5000, dtype=dtype), 0.4)
    assert selected.dtype == torch.int64 and torch.equal(selected, torch.arange(2000))


@pytest.mark.parametrize("alpha", [0, 0.0, -0.2, 1.0001, 20, math.nan, math.inf])
def test_alpha_errors(alpha):
    with pytest.raises(ValueError, match=r"^alpha must lie in \(0, 1\]"):
        select_top_images(torch.rand(4), alpha)


@pytest.mark.wrong_shapes
@pytest.mark.parametrize("bad", [torch.ones(4, 2), torch.ones(4, dtype=torch.long), torch.ones(())])
def test_confidence_errors(bad):
    with pytest.raises(ValueError, match=r"^confidence must "):
        select_top_images(bad, 0.5)


def test_nan_is_not_the_most_confident():
    with pytest.raises(ValueError, match=r"^confidence .*NaN"):
        select_top_images(torch.tensor([0.5, math.nan]), 0.5)


@properties
@given(st.lists(st.sampled_from([0.25, 0.5, 0.75, 1.0]), max_size=30), st.integers(1, 100))
def test_selection_against_python_s_sort(confidence, percent):
    ranked = sorted(range(len(confidence)), key=lambda i: (-confidence[i], i))
    selected = select_top_images(torch.tensor(confidence, dtype=torch.float32), percent / 100)
    assert selected.tolist() == ranked[: percent * len(confidence) // 100]
