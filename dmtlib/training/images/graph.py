"""A step as one CUDA graph: recorded once, then replayed, which spares the host a thousand launches a step."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Generator
from torch.utils._pytree import tree_flatten, tree_unflatten

WARM_UP = 3
"""Steps that run as they are before one is recorded: libraries choose their kernels and constants reach the device."""


class Replayed:
    """``compute(batch)``, from some call on without Python: the same kernels read where batches are copied to.

    The first calls, which are steps like others, run eagerly on a stream of their own, as recording asks for. So a
    phase that is resumed records anew, after its state was loaded. ``compute`` is kernels alone, on tensors whose
    shapes and memory don't change: nothing in it waits for the device, no number of Python's in it depends on the
    call, or CUDA raises a RuntimeError. What it draws comes from ``generator``, of a CUDA device, which may be seeded
    before each call: a replay takes the seed up, so its draws are the eager ones."""

    def __init__(self, compute: Callable[[Any], None], generator: Generator) -> None:
        self._compute, self._generator = compute, generator
        self._stream = torch.cuda.Stream(generator.device)
        self._graph: torch.cuda.CUDAGraph | None = None
        self._calls, self._read = 0, []

    def __call__(self, batch: Any) -> None:
        leaves, tree = tree_flatten(batch)
        if self._graph is None and self._calls < WARM_UP:
            self._calls += 1
            self._stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(self._stream):
                self._compute(batch)
            torch.cuda.current_stream().wait_stream(self._stream)
            return
        if self._graph is None:
            self._read = [leaf if leaf is None else leaf.clone() for leaf in leaves]
            self._graph = torch.cuda.CUDAGraph()
            self._graph.register_generator_state(self._generator)
            with torch.cuda.graph(self._graph, stream=self._stream):  # executes nothing
                self._compute(tree_unflatten(self._read, tree))
        for read, leaf in zip(self._read, leaves, strict=True):
            if leaf is not None:
                read.copy_(leaf)
        self._graph.replay()
