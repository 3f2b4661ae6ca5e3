"""Difference-maximised sampling (Fig. 6)."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dmtlib import difference_maximized_subsets


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.data(), st.integers(0, 40), st.integers(0, 2**32))
def test_equal_sizes_and_the_fewest_possible_common_items(data, n, seed):
    size = data.draw(st.integers(0, n))
    items = [f"image-{i}" for i in range(n)]
    a, b = difference_maximized_subsets(items, size, seed)
    assert items == [f"image-{i}" for i in range(n)]  # not shuffled in place
    assert len(a) == len(b) == size == len(set(a)) == len(set(b))
    assert set(a) | set(b) <= set(items)
    assert len(set(a) & set(b)) == max(0, 2 * size - n)


def test_two_subsets_of_80_percent_share_60():
    a, b = difference_maximized_subsets(range(100), 80, seed=0)
    assert len(set(a) & set(b)) == 60 and len(set(a) | set(b)) == 100


def test_seeded():
    first, again, other = (difference_maximized_subsets(range(50), 30, seed) for seed in (1, 1, 2))
    assert first == again != other
    assert first[0] != list(range(30)) and sorted(first[0]) != list(range(30))  # shuffled first


@pytest.mark.parametrize("size", [-1, 6])
def test_size_errors(size):
    with pytest.raises(ValueError, match=r"^size must lie in 0…5"):
        difference_maximized_subsets("abcde", size, seed=0)
