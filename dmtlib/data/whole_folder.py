"""Writing a data set's folder whole or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """A folder to fill. It takes the place of ``path`` when the block ends well; otherwise nothing is left of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(dir=path.parent, prefix=f"{path.name}.", suffix=".tmp"))
    try:
        yield unfinished
        unfinished.chmod(0o755)
        if path.exists():  # a folder does not replace one that has something in it
            old = tempfile.mkdtemp(dir=path.parent, prefix=f"{path.name}.", suffix=".tmp")
            os.replace(path, old)
            os.replace(unfinished, path)
            shutil.rmtree(old)
        else:
            os.replace(unfinished, path)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise


def write_file(file: Path, content: bytes) -> None:
    """Make the folders that its name asks for, then write."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)


def write_lines(file: Path, lines: Sequence[str]) -> None:
    """One a line."""
    write_file(file, "".join(f"{line}\n" for line in lines).encode())


def link_file(source: Path, target: Path) -> None:
    """The same bytes under a second name; a copy where the file system cannot do that."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
