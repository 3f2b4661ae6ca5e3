"""What a run keeps of its way, on images and on pixels: finished phases, a checkpoint, the metrics log, the time."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from .directory import RunDirectory
from .metrics_log import MetricsLog
from .progress import Progress
from .settings import Config


class Journal:
    """Opened on a run directory, it knows where the run was left; while :meth:`writing`, it keeps what comes.

    Attributes:
        last: what :meth:`end_phase` kept of the last finished phase; None before the first, or if it ended just now.
        records: those of all finished phases.
        checkpoint: what :meth:`save_checkpoint` kept of the phase after them, None at its start.
        log, progress: while writing.
    """

    log: MetricsLog
    progress: Progress

    def __init__(self, config: Config, directory: RunDirectory, show_progress: bool) -> None:
        self._config, self._directory, self._show_progress = config, directory, show_progress
        self.last = directory.load_last_phase(config.phases)
        self.records: list[dict[str, Any]] = self.last["records"] if self.last else []
        self.checkpoint = directory.load_checkpoint()
        if self.checkpoint is not None and self.checkpoint["phase"] != len(self.records):
            # Left over from a kill between the end of a phase and the removal of its checkpoint.
            self.checkpoint = None

    @contextmanager
    def writing(self, total_steps: int, done_steps: int) -> Iterator[None]:
        """Open the metrics log where the run was left, and show a bar over all its steps."""
        config, left = self._config, self.checkpoint or self.last or {"metrics_bytes": 0, "seconds": 0.0}
        self._start = time.monotonic() - left["seconds"]
        self.log = MetricsLog(self._directory.path, left, done_steps)
        self.progress = Progress(
            f"{config.preset} {config.method} seed {config.seed}",
            config.phases,
            config.batch_size * total_steps,
            config.batch_size * done_steps,
            self._show_progress,
        )
        try:
            yield
        finally:
            self.progress.close()
            self.log.close()

    @property
    def seconds(self) -> float:
        """Spent on this run, by all processes that had a part in it."""
        return time.monotonic() - self._start

    def take_checkpoint(self) -> dict[str, Any] | None:
        """The checkpoint, once: the phases after the one that it is of have none."""
        checkpoint, self.checkpoint = self.checkpoint, None
        return checkpoint

    def save_checkpoint(self, phase: int, **state: Any) -> None:
        """Write down the phase in training, and where the metrics log and the clock are."""
        self._directory.save_checkpoint({"phase": phase, **state, **self._place()})

    def end_phase(self, phase: int, record: dict[str, Any], **state: Any) -> None:
        """Write down a finished phase: its record, those before, and the ``state`` that the next one needs."""
        self.last = None  # whose weights would only take memory from now on
        self.records.append(record)
        self._directory.save_phase(phase, {**state, "records": self.records, **self._place()})

    def _place(self) -> dict[str, Any]:
        return {**self.log.place(), "seconds": self.seconds}
