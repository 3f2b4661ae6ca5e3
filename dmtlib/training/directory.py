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

import errno
import json
import math
import os
import re
import shutil
from pathlib import Path
from typing import Any

import filelock

from ..files import RUN_FILES, alone, json_hash, plain, read_json, write_json
from ..words import told
from .processes import by_first
from .provenance import read_record
from .settings import Config
from .storage import MADE_AGAIN, RunError, load_tensors, restoring, save_tensors

OTHER_RUNS = "choose another --runs"

_LABELS = r"/(labels\.npy|confidence\.npy|manifest\.json)"
_EVENTS = r"tensorboard(/events\.out\.tfevents\.[^/]+)?"
OURS = re.compile(rf"({RUN_FILES})(-[AB]({_LABELS})?)?(\.pt|\.json)?|metrics\.jsonl|lock|{_EVENTS}")
"""The names of what a run writes into its directory."""


def is_run_directory(folder: Path) -> bool:
    """Whether a run was begun there."""
    return all(os.path.lexists(folder / name) for name in ("config.json", "split.json"))


class RunDirectory:
    """The files of one run. Reading needs nothing more; writing needs :meth:`lock` first."""

    def __init__(self, path: Path) -> None:
        self.path, self.checkpoint_file = path, path / "checkpoint.pt"

    @classmethod
    def of(cls, config: Config, runs: str | Path) -> "RunDirectory":
        """Where the run of ``config`` lives below ``runs``. Touches no file."""
        return cls(Path(runs) / config.preset / config.method / f"seed-{config.seed}")

    def lock(self, wait: float = 0) -> filelock.BaseFileLock:
        """Create the directory and take it for this process, until the lock is released or the process dies; ``wait``
        seconds for another process to leave. A RunError, if it cannot be written, or another process holds it."""
        lock = filelock.FileLock(self.path / "lock")
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            place = alone(self.path / "lock")
            if place.exists() and place.stat().st_size:  # which older filelocks would empty
                raise OSError(errno.EEXIST, "is there, and is no lock", str(place))
            lock.acquire(timeout=wait)
        except filelock.Timeout:
            raise RunError(f"{self.path} is in use by another process; wait for it, or {OTHER_RUNS}") from None
        except OSError as error:
            raise RunError(f"cannot use {self.path} as a run directory: {told(error)}; {OTHER_RUNS}") from None
        return lock

    def claim(self, settings: dict[str, Any]) -> None:
        """Write the settings of a new run, or make sure that an old one has the same. A RunError for other settings
        names each that differs, with both values; one for files without any settings: nobody knows whose they are."""
        others = sorted(file.name for file in self.path.iterdir() if file.name != "lock")
        if others and not os.path.lexists(self.path / "config.json"):
            what = f"has no config.json, but other files, as {others[0]}"
            raise RunError(f"{self.path} {what}; {OTHER_RUNS}, or move them")
        if differing := _claim(self.path / "config.json", settings):
            told = "; ".join(f"{key} is {old!r} there and {new!r} now" for key, (old, new) in differing.items())
            raise RunError(f"{self.path} holds a run with other settings: {told}; {OTHER_RUNS}")

    def claim_split(self, split: dict[str, Any]) -> None:
        """Write the split of a new run, or make sure that an old one has the same; see :meth:`.splits.Split.to_json`.
        A RunError, if the file was changed, or the split that is drawn now is another."""
        file = self.path / "split.json"
        if differing := _claim(file, split):
            what = f"is not the split that these settings draw ({', '.join(differing)} differ)"
            raise RunError(f"{file} {what}; restore it, or {OTHER_RUNS}")

    def give_up(self) -> None:
        """Of a run that was refused before its first step nothing is left: others may take its place."""
        if self.only_ours() and not any(self.path.glob("*.pt")):
            shutil.rmtree(self.path / "tensorboard", ignore_errors=True)
            for name in ("config.json", "split.json", "metrics.jsonl"):
                (self.path / name).unlink(missing_ok=True)

    def only_ours(self) -> bool:
        """Whether nothing but what a run wrote lies here."""
        return all(OURS.fullmatch(file.relative_to(self.path).as_posix()) for file in self.path.rglob("*"))

    @property
    def split(self) -> dict[str, Any]:
        """The contents of split.json; a RunError, if it cannot be read, or is something else."""
        return _read_json(self.path / "split.json")

    @property
    def record(self) -> dict[str, Any] | None:
        """The finished run's record, None if unfinished; a RunError, if it cannot be read, or is no record."""
        file = self.path / "result.json"
        try:
            return read_record(file, "seconds", "phases") if os.path.lexists(file) else None
        except ValueError as error:
            raise RunError(f"{error}; without it, {MADE_AGAIN}") from None

    def check_record(self, made: dict[str, Any]) -> None:
        """The record is what the phases' files make now; a RunError, if it was changed."""
        there, made = self.record, json.loads(json.dumps(plain(made)))
        others = {"device", "processes", "commit", "versions", "images_per_second"}  # of other machines or versions
        if changed := [k for k in made if k not in {*there, "processes"} or (k not in others and there[k] != made[k])]:
            what = f"is not what the run's phases say ({', '.join(changed)} differ)"
            raise RunError(f"{self.path / 'result.json'} {what}; delete it, and the same command writes it again")

    def finish(self, record: dict[str, Any]) -> None:
        """Write the record; the last checkpoint has done its work."""
        write_json(self.path / "result.json", record)
        self.drop_checkpoint()

    def mark(self) -> str | None:
        """A hash over settings and split, which stored files bear; None where there are none yet."""
        files = [self.path / name for name in ("config.json", "split.json")]
        if not all(map(os.path.lexists, files)):
            return None
        return json_hash([*map(_read_json, files)], sort_keys=True)

    def check_mark(self, mark: str | None, file: Path) -> None:
        """A RunError, if ``file``, which bears ``mark``, is another run's. Older versions wrote none."""
        if mark is not None and mark != self.mark():
            raise RunError(f"{file} is another run's, of other settings or another split: move it away")

    def save(self, file: Path, state: dict[str, Any]) -> None:
        """As :func:`.storage.save_tensors`, with the run's mark."""
        save_tensors(file, {**state, "run": self.mark()})

    def load(self, file: Path) -> dict[str, Any] | None:
        """What :meth:`save` was given, read by the first process; see :func:`.storage.load_tensors`. A RunError, if it
        is another run's."""
        if (state := by_first(lambda: load_tensors(file))) is not None:
            self.check_mark(state.pop("run", None), file)
        return state

    # The phase in training
    def save_checkpoint(self, state: dict[str, Any]) -> None:
        self.save(self.checkpoint_file, state)

    def load_checkpoint(self) -> dict[str, Any] | None:
        """None where there is none; Damaged is raised, if it is not what a run wrote."""
        return self._load(self.checkpoint_file)

    def drop_checkpoint(self) -> None:
        self.checkpoint_file.unlink(missing_ok=True)

    # Finished phases
    def save_phase(self, phase: int, state: dict[str, Any]) -> None:
        self.save(self.phase_file(phase), state)
        self.drop_checkpoint()

    def load_last_phase(self, phases: int) -> dict[str, Any] | None:
        """The last finished phase, None before the first; Damaged is raised, if its file is not what a run wrote."""
        states = (self._load(self.phase_file(phase), phase + 1) for phase in reversed(range(phases)))
        return next((state for state in states if state is not None), None)

    def load_phase(self, phase: int) -> dict[str, Any]:
        """What phase ``phase`` ended with, on the CPU; a RunError, if it is not finished, or damaged."""
        if (state := self.load(self.phase_file(phase))) is None:
            raise RunError(f"{self.path} has no finished phase {phase}; {MADE_AGAIN}")
        return state

    def phase_file(self, phase: int) -> Path:
        return self.path / f"phase-{phase}.pt"

    def _load(self, file: Path, finished: int | None = None) -> dict[str, Any] | None:
        """Damaged is raised, unless it knows where the metrics log and the clock were, and either the phase in
        training or the records of all ``finished`` ones."""
        if (state := self.load(file)) is not None:
            with restoring(file):
                place, seconds = state["metrics_bytes"], state["seconds"]
                whole = "phase" in state if finished is None else len([{**r} for r in state["records"]]) == finished
                if not (whole and isinstance(place, int) and place >= 0 and 0 <= seconds < math.inf):
                    raise ValueError("another phase's, or no place in the metrics log")
        return state


def _claim(file: Path, values: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Write a file of a new run; of an old one return what differs, by key, as it is there and as it is now."""
    if not os.path.lexists(file):
        write_json(file, values)
        return {}
    there = _read_json(file)
    pairs = {key: (there.get(key), values.get(key)) for key in {**there, **values}}
    return {key: (old, new) for key, (old, new) in pairs.items() if old != new}


def _read_json(file: Path) -> dict[str, Any]:
    try:
        return read_json(file)
    except (ValueError, OSError) as error:
        raise RunError(f"{told(error)}; restore it, or {OTHER_RUNS}") from None
