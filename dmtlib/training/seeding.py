"""One seed, many independent streams: a draw is a function of (seed, what for, where), and so are a step's images."""

import hashlib

import torch
from jaxtyping import Int64
from torch import Tensor


def derive_seed(seed: int, *place: str | int) -> int:
    """A 63-bit seed for one place in a run, e.g. ``derive_seed(seed, "augment", phase, step)``. As no draw depends on
    those before it, a run that was killed needs no generator state to go on: it asks for the next step's seed."""
    return int.from_bytes(hashlib.sha256("/".join(map(str, (seed, *place))).encode()).digest()[:8], "big") >> 1


class ShuffledStream:
    """Endless passes over 0…n−1, each shuffled anew and none cut short: batch t takes up where batch t−1 ended. Batch
    t is a function of (seed, t) alone, so a resumed run asks for the batch that it needs."""

    def __init__(self, n: int, batch_size: int, seed: int, device: torch.device) -> None:
        self._n, self._batch_size, self._seed, self._device = n, batch_size, seed, device
        self._passes: dict[int, Tensor] = {}

    def on_cpu(self) -> "ShuffledStream":
        """The same draws, for another thread."""
        return ShuffledStream(self._n, self._batch_size, self._seed, torch.device("cpu"))

    def batch(self, step: int) -> Int64[Tensor, " b"]:
        start = step * self._batch_size
        stop = start + self._batch_size
        first, last = start // self._n, (stop - 1) // self._n
        self._passes = {e: self._passes[e] if e in self._passes else self._shuffle(e) for e in range(first, last + 1)}
        return torch.cat([*self._passes.values()])[start - first * self._n : stop - first * self._n]

    def _shuffle(self, turn: int) -> Tensor:
        order = torch.randperm(self._n, generator=torch.Generator().manual_seed(derive_seed(self._seed, "pass", turn)))
        if self._device.type == "cuda":  # from pinned memory the copy does not wait for the device
            return order.pin_memory().to(self._device, non_blocking=True)
        return order.to(self._device)
