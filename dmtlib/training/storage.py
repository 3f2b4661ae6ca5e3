"""Tensors in files that are whole or absent, and checked when they are read. A file is damaged only if that is proven:
what cannot be read now, for want of a right, of memory or of a free descriptor, can be read another time."""

import errno
import os
import pickle
import re
import warnings
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from ..files import load_whole, open_regular, tensors_in, whole_file
from ..words import told

NO_MEMORY = re.compile(r"allocate memory|out of memory|not enough memory", re.IGNORECASE)
MACHINE = re.compile(r"CUDA|cuDNN|HIP|MPS|Too many open files")  # in errors that say nothing about a file

MADE_AGAIN = "the command that trained the run makes its last phase again"


class RunError(Exception):
    """A run directory that cannot be used as asked. One line: what is wrong, where, what is allowed."""


class Damaged(RunError):
    """A file of a run is proven to hold something else than the run wrote."""

    def __init__(self, file: Path, reason: str) -> None:
        self.file, self.what = file, f"{file} is damaged ({reason})"
        super().__init__(file, reason)  # of which other processes make the same

    def __str__(self) -> str:
        return f"{self.what}; {MADE_AGAIN}"

    def set_aside(self) -> None:
        """Give the file another name, with a warning; an OSError, if that cannot be. Only for the lock's holder."""
        n = 1
        while os.path.lexists(aside := self.file.with_name(f"{self.file.name}.damaged-{n}")):
            n += 1
        os.replace(self.file, aside)
        warnings.warn(f"{self.what}; set aside as {aside.name}", stacklevel=2)


def save_tensors(path: Path, state: dict) -> None:
    """torch.save, whole or not at all. Only tensors and plain values, so that :func:`load_tensors` can read them. A
    RunError for numbers that are not finite; an OSError, if it cannot be written."""
    if not _finite(state):
        raise RunError(f"{path} is not written: its numbers are not finite; a smaller learning rate may help")
    with whole_file(path) as file:
        torch.save(state, file)


def load_tensors(path: Path) -> dict | None:
    """Read what :func:`save_tensors` wrote, with ``weights_only=True``; None where there is no such file. Onto the
    CPU, whatever the run's device: one that is full, or gone, says nothing about a file. Damaged is raised, if it is
    not what was written, or not finite; an OSError, MemoryError or RuntimeError, if it cannot be read now."""
    try:
        file = open_regular(path)  # once: torch would open a name again, and hide why it can't
    except FileNotFoundError:
        return None
    with file, restoring(path, "its content is garbage"):
        try:
            state = load_whole(file)
        except zipfile.BadZipFile as error:
            raise Damaged(path, str(error)) from None
        if not isinstance(state, dict):
            raise Damaged(path, f"it holds a {type(state).__name__}")
        if not _finite(state):
            raise Damaged(path, "it holds numbers that are not finite")
        return state


def _finite(state: dict) -> bool:
    return all(tensor.isfinite().all() for tensor in tensors_in(state))


@contextmanager
def restoring(path: Path, reason: str = "it does not fit this run") -> Iterator[None]:
    """Whatever fails in the block is the fault of what stands in ``path``, unless the system or the device refused:
    Damaged is raised in place of any other error."""
    try:
        yield
    except pickle.UnpicklingError:
        raise Damaged(path, "it holds code, or what is neither tensor nor plain value") from None
    except (RunError, OSError, MemoryError) as error:
        if getattr(error, "errno", None) != errno.EINVAL:  # a seek to a place before the file's begin
            raise
        raise Damaged(path, reason) from None
    except Exception as error:
        if _no_memory(error) or MACHINE.search(str(error)):
            raise
        raise Damaged(path, reason) from None


@contextmanager
def telling(path: Path, then: str = "", memory_for: str = "") -> Iterator[None]:
    """What the system refuses in the block, an OSError or memory, is a RunError of one line. It begins with ``path``
    where the error itself names no file, says ``memory_for`` what is too little, and what to do ``then``."""
    try:
        yield
    except OSError as error:
        raise RunError(f"{'' if error.filename else f'{path}: '}{told(error)}{then}") from None
    except (MemoryError, RuntimeError) as error:
        if not _no_memory(error):
            raise
        line = (str(error).splitlines() or ["MemoryError"])[0].split(" Including")[0]  # CUDA: the GPU, what is free
        raise RunError(f"{path}: there is not enough memory{memory_for} ({line[:200]}){then}") from None


def _no_memory(error: Exception) -> bool:
    """PyTorch on the CPU and on some devices has no class of its own for it."""
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or bool(NO_MEMORY.search(str(error)))
