"""Difference-maximised sampling (Sec. 4.1.2, Fig. 6): two different models from one labeled subset."""

import random
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


def difference_maximized_subsets(items: Sequence[T], size: int, seed: int) -> tuple[list[T], list[T]]:
    """Shuffle ``items``, then draw the first and the last ``size`` of them: the fewest possible are in both.

    The overlap is max(0, 2·size − len(items)) items (Fig. 6). A ValueError, if ``size`` is negative or exceeds the
    number of items.

    Args:
        items: the labeled subset (names, indices, …).
        size: how many items each subset gets, in 0…len(items).
        seed: the same seed gives the same two subsets.
    """
    if not 0 <= size <= len(items):
        raise ValueError(f"size must lie in 0…{len(items)}, the number of items, got {size}")
    shuffled = list(items)
    random.Random(seed).shuffle(shuffled)
    return shuffled[:size], shuffled[len(shuffled) - size :]
