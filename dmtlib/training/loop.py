"""The steps of a phase, one after the other, with the log lines and checkpoints between them."""

from __future__ import annotations

import time
from collections.abc import Callable

from .phase import PhaseTrainer
from .progress import Progress
from .runs import MetricsLog

CHECKPOINT_SHARE = 0.01  # of a run's time that goes into checkpoints, at most
CHECKPOINT_SECONDS = 2.0  # never more often than this


def run_steps(
    trainer: PhaseTrainer,
    steps_before: int,
    log: MetricsLog,
    progress: Progress,
    checkpoint: Callable[[PhaseTrainer], None],
) -> None:
    """Run what is left of the phase; ``steps_before`` counts the steps of the phases before it.

    When a checkpoint is due is a question of time, and has no influence on any result.
    """
    config, total = trainer.task.config, trainer.task.total_steps
    saved_at, cost = time.monotonic(), 0.0
    while trainer.state.step < total:
        trainer.step()
        progress.advance(config.batch_size)
        step = trainer.state.step
        if step % config.log_every == 0 or step == total:
            line = trainer.close_window()
            log.append(steps_before + step, line)
            progress.show(step, line)
        now = time.monotonic()
        if now - saved_at > max(CHECKPOINT_SECONDS, cost / CHECKPOINT_SHARE) and step < total:
            checkpoint(trainer)
            saved_at = time.monotonic()
            cost = saved_at - now
