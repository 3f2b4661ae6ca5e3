"""Files and folders that are either whole or absent: written beside their place under another name, then renamed.

What a killed process was writing lies beside its place as ``.<name>.<random>.tmp``. Nobody can guess such a name, and
nothing opens one that is there already. A link is written through: what it leads to is replaced, the link stays.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO


@contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """A file to fill; folders that its name asks for are made. When the block ends well it is brought to the disk, and
    takes the place and the mode of ``path``; otherwise nothing is left of it.
    """
    with _replacing(path) as (unfinished, mode), open(unfinished, "xb") as file:
        if mode is not None:
            os.chmod(unfinished, mode)
        yield file
        to_disk(file)


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """The same for a folder and all that the block puts in it."""
    with _replacing(path) as (unfinished, mode):
        unfinished.mkdir()
        yield unfinished
        for file in filter(Path.is_file, unfinished.rglob("*")):
            with open(file, "rb") as there:
                to_disk(there)
        if mode is not None:
            unfinished.chmod(mode)


@contextmanager
def _replacing(path: Path) -> Iterator[tuple[Path, int | None]]:
    """The name to write under, and the mode of what is at ``path``: None where nothing is, and the umask decides."""
    path = Path(os.path.realpath(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = _hidden(path)
    try:
        yield unfinished, path.stat().st_mode & 0o7777 if path.exists() else None
        if path.is_dir() and unfinished.is_dir():  # a folder does not replace one that has something in it
            old = _hidden(path)
            os.replace(path, old)
            os.replace(unfinished, path)
            shutil.rmtree(old)
        else:
            os.replace(unfinished, path)
    except BaseException:
        _remove(unfinished)
        raise


def _hidden(path: Path) -> Path:
    return path.with_name(f".{path.name}.{secrets.token_hex(8)}.tmp")


def remove_unfinished(folder: Path) -> None:
    """Remove what killed processes were writing in a folder that nobody else writes to."""
    for rest in folder.glob(".*.tmp"):
        _remove(rest)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def to_disk(file: BinaryIO) -> None:
    """A name must never stand for half the bytes, whatever happens next."""
    file.flush()
    os.fsync(file.fileno())


def write_json(path: Path, value: Any) -> None:
    """JSON for people, whole or absent: indented, keys in the order given."""
    with whole_file(path) as file:
        file.write((json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode())


# Into a folder that is not in its place yet


def write_file(file: Path, content: bytes) -> None:
    """Make the folders that its name asks for, then write."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)


def write_lines(file: Path, lines: Sequence[str]) -> None:
    """One a line."""
    write_file(file, "".join(f"{line}\n" for line in lines).encode())
