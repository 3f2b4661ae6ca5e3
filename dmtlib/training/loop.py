"""The steps of a phase, one after the other, with the log lines and checkpoints between them."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Protocol, runtime_checkable

from .journal import Journal

CHECKPOINT_SHARE = 0.01  # of a run's time that goes into checkpoints, at most
CHECKPOINT_SECONDS = 2.0  # never more often than this


@runtime_checkable
class Trainer(Protocol):
    """:class:`~dmtlib.training.images.phase.PhaseTrainer`, or the one of pixels."""

    task: Any
    state: Any

    def step(self) -> None: ...

    def close_window(self) -> dict[str, Any]: ...


def run_steps(
    trainer: Trainer,
    steps_before: int,
    journal: Journal,
    checkpoint: Callable[[], None],
    after_step: Callable[[int], None] | None = None,
) -> None:
    """Run what is left of the phase; ``steps_before`` counts the steps of the phases before it.

    When a checkpoint is due is a question of time, and has no influence on any result. ``after_step`` is called with
    the number of steps taken, before a checkpoint may follow.
    """
    config, total = trainer.task.config, trainer.task.total_steps
    saved_at, cost = time.monotonic(), 0.0
    while trainer.state.step < total:
        trainer.step()
        journal.progress.advance(config.batch_size)
        step = trainer.state.step
        if step % config.log_every == 0 or step == total:
            line = trainer.close_window()
            journal.log.append(steps_before + step, line)
            journal.progress.show(step, line)
        if after_step is not None:
            after_step(step)
        now = time.monotonic()
        if now - saved_at > max(CHECKPOINT_SECONDS, cost / CHECKPOINT_SHARE) and step < total:
            checkpoint()
            saved_at = time.monotonic()
            cost = saved_at - now
