"""A run directory: everything that a run needs to go on after a kill, and that a reader needs to trust its number.

DIR/<preset>/<method>/seed-<n>/
    config.json            the settings, the data's fingerprint, the device's kind
    split.json             which images are labeled, which are for validation, and a hash over both
    metrics.jsonl          one line a window of steps; only what is equal from run to run
    tensorboard/           the same as curves
    checkpoint.pt          the phase in training
    phase-<i>.pt           a finished phase: its weights, and the records of all phases so far
    result.json            the record, once everything is done

What phase i learned from lies beside them; see :mod:`.images.stored` and :mod:`.pixels.stored`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import filelock
import torch

from ..files import write_json
from .settings import Config
from .storage import load_tensors, save_tensors


class RunError(Exception):
    """A run directory that cannot be used as asked. One line: what is wrong, where, what is allowed."""


class RunDirectory:
    """The files of one run. Reading needs nothing more; writing needs :meth:`lock` first."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def of(cls, config: Config, runs: str | Path) -> RunDirectory:
        """Where the run of ``config`` lives below ``runs``. Touches no file."""
        return cls(Path(runs) / config.preset / config.method / f"seed-{config.seed}")

    def lock(self) -> filelock.BaseFileLock:
        """Create the directory and take it for this process, until the lock is released or the process dies.

        Raises:
            RunError: it cannot be created or written, or another process holds it.
        """
        lock = filelock.FileLock(self.path / "lock")
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            lock.acquire(timeout=0)
        except filelock.Timeout:
            raise RunError(
                f"{self.path} is in use by another process; wait for it, or choose another --runs"
            ) from None
        except OSError as error:
            raise RunError(f"cannot use {self.path} as a run directory: {error.strerror or error}") from None
        return lock

    def claim(self, settings: dict[str, Any]) -> None:
        """Write the settings of a new run, or make sure that an old one has the same.

        Raises:
            RunError: other settings; the message names each that differs, with both values.
        """
        if differing := _claim(self.path / "config.json", settings):
            told = "; ".join(f"{key} is {old!r} there and {new!r} now" for key, (old, new) in differing.items())
            raise RunError(f"{self.path} holds a run with other settings: {told}; choose another --runs")

    def claim_split(self, split: dict[str, Any]) -> None:
        """Write the split of a new run, or make sure that an old one has the same; see :meth:`.splits.Split.to_json`.

        Raises:
            RunError: the file was changed, or the split that is drawn now is another.
        """
        file = self.path / "split.json"
        if differing := _claim(file, split):
            raise RunError(
                f"{file} is not the split that these settings draw ({', '.join(differing)} differ);"
                " restore it, or choose another --runs"
            )

    @property
    def split(self) -> dict[str, Any]:
        """The contents of split.json."""
        return _read_json(self.path / "split.json")

    @property
    def record(self) -> dict[str, Any] | None:
        """The finished run's record, None while it is unfinished."""
        file = self.path / "result.json"
        return _read_json(file) if file.exists() else None

    def finish(self, record: dict[str, Any]) -> None:
        """Write the record; the last checkpoint has done its work."""
        write_json(self.path / "result.json", record)
        self.drop_checkpoint()

    # The phase in training

    def save_checkpoint(self, state: dict[str, Any]) -> None:
        save_tensors(self.path / "checkpoint.pt", state)

    def load_checkpoint(self, device: torch.device) -> dict[str, Any] | None:
        return load_tensors(self.path / "checkpoint.pt", device)

    def drop_checkpoint(self) -> None:
        (self.path / "checkpoint.pt").unlink(missing_ok=True)

    # Finished phases

    def save_phase(self, phase: int, state: dict[str, Any]) -> None:
        save_tensors(self._phase_file(phase), state)
        self.drop_checkpoint()

    def load_last_phase(self, phases: int, device: torch.device) -> dict[str, Any] | None:
        """The last phase whose file is whole, None before the first."""
        for phase in reversed(range(phases)):
            state = load_tensors(self._phase_file(phase), device)
            if state is not None:
                return state
        return None

    def load_phase(self, phase: int) -> dict[str, Any]:
        """What phase ``phase`` ended with, on the CPU.

        Raises:
            RunError: it is not finished.
        """
        state = load_tensors(self._phase_file(phase))
        if state is None:
            raise RunError(f"{self.path} has no finished phase {phase}")
        return state

    def _phase_file(self, phase: int) -> Path:
        return self.path / f"phase-{phase}.pt"


def _claim(file: Path, values: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Write a file of a new run; of an old one return what differs, by key, as it is there and as it is now."""
    if not file.exists():
        write_json(file, values)
        return {}
    there = _read_json(file)
    pairs = {key: (there.get(key), values.get(key)) for key in {**there, **values}}
    return {key: (old, new) for key, (old, new) in pairs.items() if old != new}


def _read_json(file: Path) -> dict[str, Any]:
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (ValueError, OSError) as error:
        raise RunError(f"{file} cannot be read: {error}; delete it to start that run anew") from None
