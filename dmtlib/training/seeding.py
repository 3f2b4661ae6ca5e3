"""One seed, many independent streams: every random draw is a function of (seed, what for, where)."""

from __future__ import annotations

import hashlib


def derive_seed(seed: int, *place: str | int) -> int:
    """A 63-bit seed for one place in a run, e.g. ``derive_seed(seed, "augment", phase, step)``.

    Since no draw depends on the draws before it, a run that was killed needs no generator state to go on: it
    asks for the seed of the next step.
    """
    digest = hashlib.sha256("/".join(map(str, (seed, *place))).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1
