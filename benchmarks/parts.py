"""Where the time of a run goes: how long its parts take, and how large a share of the whole each of them is."""

from __future__ import annotations

import tempfile
import time
from collections import defaultdict
from collections.abc import Iterable
from functools import wraps
from typing import Any

import torch

from dmtlib.presets import preset
from dmtlib.training import RunDirectory, train
from dmtlib.training.metrics_log import MetricsLog

EVERY_RUN = (
    (torch.Tensor, "backward", "backward"),
    (torch.amp.GradScaler, "step", "optimiser"),
    (MetricsLog, "append", "log"),
    (RunDirectory, "save_checkpoint", "checkpoints"),
)
"""Parts that runs on images and on pixels both have: whose function, its name, and what it is counted to."""


def timed_run(name: str, budget: float, device: str, own: Iterable[tuple[Any, str, str]]) -> dict[str, Any]:
    """The record of a DMT run of a preset, and the ``shares`` of its time: ``own`` parts and those of every run."""
    parts = Parts()
    for owner, function, part in (*own, *EVERY_RUN):
        parts.time(owner, function, part)
    with tempfile.TemporaryDirectory() as folder:
        record = train(preset(name, "dmt", budget=budget), runs=folder, device=device)
    return record | {"shares": parts.shares(record["seconds"])}


class Parts:
    """Seconds by part. What runs inside a part belongs to that part: predictions made in order to label are labeling.

    On an accelerator these are the host's seconds, which say little: it does not wait for the device.
    """

    def __init__(self) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self._inside = False

    def time(self, owner: Any, name: str, part: str) -> None:
        """From now on, count ``owner.name(…)`` to ``part``; ``owner`` is a module or a class."""
        function = getattr(owner, name)

        @wraps(function)
        def timed(*args: Any, **kwargs: Any) -> Any:
            if self._inside:
                return function(*args, **kwargs)
            self._inside, start = True, time.perf_counter()
            try:
                return function(*args, **kwargs)
            finally:
                self.seconds[part] += time.perf_counter() - start
                self._inside = False

        setattr(owner, name, timed)

    def shares(self, total: float) -> dict[str, float]:
        """Of ``total`` seconds, the largest first; `rest` is what no part covers."""
        seconds = {**self.seconds, "rest": total - sum(self.seconds.values())}
        return {part: round(seconds[part] / total, 4) for part in sorted(seconds, key=seconds.get, reverse=True)}
