"""A run's way, on images and on pixels: its phases and their steps, one after the other, and what is kept of them."""

import time
from collections.abc import Callable, Sequence
from typing import Any

from .directory import RunDirectory
from .metrics_log import MetricsLog, describe_window, progress_bar
from .processes import rank
from .settings import Config
from .storage import restoring

CHECKPOINT_SHARE = 0.01  # of a run's time that goes into checkpoints, at most
CHECKPOINT_SECONDS = 2.0  # never more often than this


class Journal:
    """Opened on a run directory, it knows where the run was left; while :meth:`run` is at work, it keeps what comes.
    ``lengths`` are the steps of each phase, in all its models; ``records`` are those of all finished phases; ``last``
    is what :meth:`end_phase` kept of the last one, None before the first, or if it ended just now."""

    def __init__(self, config: Config, directory: RunDirectory, lengths: Sequence[int], show_progress: bool) -> None:
        self._config, self._directory, self._show_progress = config, directory, show_progress
        self.lengths = lengths
        self.last = directory.load_last_phase(config.phases)
        self.records: list[dict[str, Any]] = self.last["records"] if self.last else []
        left = directory.load_checkpoint()
        # That of an ended phase is left over from a kill between its end and the removal of its checkpoint.
        self._checkpoint = left if left and left["phase"] == len(self.records) else None

    def run(self, run_phase: Callable[[int, dict | None], None], steps_in: Callable[[dict], int]) -> float:
        """Run what is left of all phases; return the seconds that all processes spent on it. ``run_phase`` runs one to
        its end, from what :meth:`save_checkpoint` kept of it, or None; ``steps_in`` counts the steps in that."""
        config, first = self._config, len(self.records)
        done = sum(self.lengths[:first])
        checkpoint, self._checkpoint = self._checkpoint, None
        if checkpoint:
            with restoring(self._directory.checkpoint_file):
                done += steps_in(checkpoint)
        left = checkpoint or self.last or {"metrics_bytes": 0, "seconds": 0.0}
        self._start = time.monotonic() - left["seconds"]
        self._log = MetricsLog(self._directory.path, left, done) if rank() == 0 else None
        self._bar = progress_bar(config.batch_size * sum(self.lengths), config.batch_size * done, self._show_progress)
        try:
            for phase in range(first, config.phases):
                run_phase(phase, checkpoint)
                checkpoint = None
        finally:
            self._bar.close()
            if self._log:
                self._log.close()
        return self.seconds

    def run_steps(
        self, trainer: Any, checkpoint: Callable[[], None], after_step: Callable | None = None, steps_before: int = 0
    ) -> None:
        """Run what is left of a phase by its ``trainer``, a :class:`~dmtlib.training.images.phase.PhaseTrainer` or the
        one of pixels; ``steps_before`` counts the steps of its models that are through with it.

        When a checkpoint is due is a question of time, and has no influence on any result. ``after_step`` is called
        with the number of steps taken, before a checkpoint may follow."""
        config, phase, total = self._config, trainer.task.phase, trainer.task.total_steps
        steps_before += sum(self.lengths[:phase])
        run = f"{config.preset} {config.method} seed {config.seed}"
        self._bar.set_description(f"{run} phase {phase}/{config.phases - 1}", refresh=False)
        saved_at, cost = time.monotonic(), 0.0
        while trainer.state.step < total:
            trainer.step()
            self._bar.update(config.batch_size)
            step = trainer.state.step
            if step % config.log_every == 0 or step == total:
                line = trainer.close_window()
                if self._log:
                    self._log.append(steps_before + step, line)
                self._bar.set_postfix_str(describe_window(f"{step}/{total}", line), refresh=False)
            if after_step is not None:
                after_step(step)
            now = time.monotonic()
            if now - saved_at > max(CHECKPOINT_SECONDS, cost / CHECKPOINT_SHARE) and step < total:
                checkpoint()
                saved_at = time.monotonic()
                cost = saved_at - now

    @property
    def seconds(self) -> float:
        """What the run has taken so far."""
        return time.monotonic() - self._start

    def save_checkpoint(self, phase: int, **state: Any) -> None:
        """Write down the phase in training, and where the metrics log and the clock are."""
        if self._log:
            self._directory.save_checkpoint({"phase": phase, **state, **self._place()})

    def end_phase(self, phase: int, record: dict[str, Any], **state: Any) -> None:
        """Write down a finished phase: its record, those before, and the ``state`` that the next one needs."""
        self.last = None  # whose weights would only take memory from now on
        self.records.append(record)
        if self._log:
            self._directory.save_phase(phase, {**state, "records": self.records, **self._place()})

    def _place(self) -> dict[str, Any]:
        return {**self._log.place(), "seconds": self.seconds}
