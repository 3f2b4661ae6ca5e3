"""Files and folders that are either whole or absent: written beside their place under another name, then renamed.

What a killed process was writing lies beside its place as ``.<name>.<random>.tmp``. Nobody can guess such a name, and
nothing opens one that is there already. A link is written through: what it leads to is replaced, the link stays.
Nothing but a regular file is read or replaced by a file, and nothing but a folder of our own by a folder.
"""

import ctypes
import errno
import hashlib
import io
import json
import math
import os
import re
import secrets
import shutil
import stat
import warnings
import zipfile
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

MADE = ".made-by-dmtlib.json"  # in a folder: names and hashes of all files that were put there
RUN_FILES = r"checkpoint|phase-\d+|pseudo-labels-\d+|config|split|result"
UNFINISHED = re.compile(rf"\..+\.[0-9a-f]{{16}}\.tmp|\.({RUN_FILES})\.(pt|json)\.tmp")  # the second: of older versions
MAX_JSON_BYTES = 64 * 2**20


@contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """A file to fill; folders that its name asks for are made. When the block ends well it is brought to the disk, and
    takes the place and the mode of ``path``; otherwise nothing is left of it. An OSError, if it cannot be written, or
    what is there is no regular file. The system's error, or Ctrl-C, is told, though torch.save makes others of it."""
    if os.path.exists(path) and not os.path.isfile(path):
        raise OSError(errno.EEXIST, "is there, and is no regular file", str(path))
    with _replacing(path) as (unfinished, mode), _Remembering(unfinished, "x") as raw:
        try:
            with io.BufferedWriter(raw) as file:
                if mode is not None:
                    os.chmod(unfinished, mode)
                yield file
                to_disk(file)
        except Exception as error:
            stopped = error.__context__ if isinstance(error.__context__, KeyboardInterrupt) else None
            raise raw.error or stopped or error from None


class _Remembering(io.FileIO):
    """The first error of the system stays known."""

    error: OSError | None = None

    def write(self, content: Any) -> int | None:
        try:
            return super().write(content)
        except OSError as error:
            self.error = self.error or error
            raise


@contextmanager
def whole_folder(path: Path, names: Collection[str] = ()) -> Iterator[Path]:
    """The same for a folder and all that the block puts in it. ``names`` are those of all files that it can have; else
    a hidden file in it lists them. An OSError, if it cannot be written, or isn't ours: see :func:`check_folder`."""
    check_folder(path, names)
    with _replacing(path) as (unfinished, mode):
        unfinished.mkdir()
        yield unfinished
        check_folder(path, names)  # once more, for what came meanwhile
        if not names:
            write_json(unfinished / MADE, {name: _hash(unfinished / name) for name in _files(unfinished)})
        for file in filter(Path.is_file, unfinished.rglob("*")):
            with open(file, "rb") as there:
                to_disk(there)
        if mode is not None:
            unfinished.chmod(mode)


def check_folder(path: Path, names: Collection[str] = (), sources: Sequence[Path] = ()) -> None:
    """Replacing ``path`` loses nobody a file: nothing is there, or a folder of our own, apart from what it is made of.
    A FileExistsError, if something is there that is no folder, or has a file that no :func:`whole_folder` put there,
    or that was changed since; or if one of the ``sources`` lies in it, or it in one of them."""
    for source in (s for s in sources if inside(path, s) or inside(s, path)):
        raise FileExistsError(errno.EEXIST, f"must be apart from {source}, which it is made of", str(path))
    if not os.path.exists(path):
        return
    if not os.path.isdir(path):
        raise FileExistsError(errno.EEXIST, "is there, and is no folder", str(path))
    made: dict[str, str] = {}
    if not names and os.path.lexists(path / MADE):
        made = read_json(path / MADE, dict | list, "list of files")
        made = made if isinstance(made, dict) else dict.fromkeys(map(str, made))  # older ones have no hashes
    for name in (n for n in made.keys() & {*_files(path)} if made[n] not in (None, _hash(path / n))):
        raise FileExistsError(errno.EEXIST, f"has a file that was changed, {name!r}; move it", str(path))
    if others := sorted({*_files(path)} - {*names, MADE, *made}):
        what = f"has files that were not made here, as {others[0]!r}; move it"
        if not names and not os.path.lexists(path / MADE):
            what += f", or delete it, if it was made before there was a {MADE} in such a folder"
        raise FileExistsError(errno.EEXIST, what, str(path))


def inside(path: str | Path, folder: str | Path) -> bool:
    """Whether ``path`` is ``folder`` or lies in it, by whatever names: links, `..`, other capitals."""
    real = Path(os.path.realpath(path))
    above = (real, *real.parents)
    return any(os.path.exists(p) and os.path.exists(folder) and os.path.samefile(p, folder) for p in above)


def _files(folder: Path) -> list[str]:
    """Everything but folders, links to folders being none."""
    every = (file for file in folder.rglob("*") if file.is_symlink() or not file.is_dir())
    return sorted(file.relative_to(folder).as_posix() for file in every)


def _hash(file: Path) -> str:
    """Of the content; empty for what is no regular file any more."""
    try:
        with open_regular(file) as there:
            return hashlib.sha256(there.read()).hexdigest()
    except OSError:
        return ""


@contextmanager
def _replacing(path: Path) -> Iterator[tuple[Path, int | None]]:
    """The name to write under, and the mode of what is at ``path``: None where nothing is, and the umask decides."""
    path = Path(os.path.realpath(path))
    if path.is_symlink():
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path))
    if os.path.ismount(path):  # whose name stays
        raise OSError(errno.EBUSY, "is where something is mounted: name a new folder in it", str(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished, before = _hidden(path), _state(path)
    try:
        yield unfinished, before[0] & 0o7777 if before else None
        if _state(path) != before:
            raise FileExistsError(errno.EEXIST, "was made or changed by somebody else meanwhile: move it", str(path))
        if path.is_dir() and unfinished.is_dir():  # a folder does not replace one that has something in it
            old = unfinished
            if not _exchange(unfinished, path):  # then for a moment neither is in its place
                old = _hidden(path)
                os.replace(path, old)
                os.replace(unfinished, path)
            shutil.rmtree(old)
        else:
            os.replace(unfinished, path)
    except BaseException as error:
        _remove(unfinished)
        if isinstance(error, OSError) and error.errno and str(error.filename or unfinished) == str(unfinished):
            raise OSError(error.errno, error.strerror, str(path)) from None  # not the name of what is gone
        raise


def _state(path: Path) -> tuple[int, ...] | None:
    there = path.stat() if path.exists() else None
    return there and (there.st_mode, there.st_ino, there.st_size, there.st_mtime_ns)


def _exchange(first: Path, second: Path) -> bool:
    """Whether two folders have taken each other's names, in one step: Linux can do that, on most file systems."""
    try:
        rename = ctypes.CDLL(None).renameat2
    except (OSError, TypeError, AttributeError):
        return False
    here, exchange = -100, 2  # AT_FDCWD, RENAME_EXCHANGE
    return rename(here, os.fsencode(first), here, os.fsencode(second), exchange) == 0


def _hidden(path: Path) -> Path:
    return path.parent / f".{os.fsdecode(os.fsencode(path.name)[:200])}.{secrets.token_hex(8)}.tmp"  # up to 255 bytes


def remove_unfinished(folder: Path) -> None:
    """Remove what killed processes were writing in a folder that nobody else writes to."""
    for rest in folder.glob(".*.tmp"):
        if UNFINISHED.fullmatch(rest.name):  # and no file of somebody else's
            _remove(rest)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink()


def to_disk(file: BinaryIO) -> None:
    """A name must never stand for half the bytes, whatever happens next."""
    file.flush()
    os.fsync(file.fileno())


def write_json(path: Path, value: Any) -> None:
    """JSON for people, whole or absent: indented, keys in the order given. It knows no NaN: see :func:`plain`."""
    with whole_file(path) as file:
        file.write((json.dumps(plain(value), indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode())


def plain(value: Any) -> Any:
    """null for every number that JSON can't write: NaN and the infinities."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


# Reading: what somebody else may have put there
def read_regular(path: str | Path, limit: int) -> bytes:
    """The content of a regular file, which a FIFO that never ends, or a device, is not. An OSError, if it cannot be
    read, is something else, or larger than ``limit`` bytes."""
    with open_regular(path) as file:
        content = file.read(limit + 1)
    if len(content) > limit:
        raise OSError(errno.EFBIG, f"is larger than {limit / 2**20:g} MiB", str(path))
    return content


def open_regular(path: str | Path) -> BinaryIO:
    """A regular file to read; the caller closes it. An OSError, if it cannot be read, or is something else; a
    FileNotFoundError only where nothing is, not even a link."""
    try:
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.ELOOP) or not os.path.islink(path):
            raise
        raise OSError(errno.ELOOP, "is a link that leads nowhere: move it away", str(path)) from None
    if not stat.S_ISREG(mode := os.fstat(handle).st_mode):
        os.close(handle)
        what = "a folder" if stat.S_ISDIR(mode) else "a pipe or a device"
        raise OSError(errno.ENXIO, f"is no regular file, but {what}", str(path))
    return open(handle, "rb")


def alone(path: Path) -> Path:
    """``path``, to be appended to: an OSError, if a link stands there, which may lead to somebody's file."""
    if os.path.islink(path) or (path.exists() and not path.is_dir() and path.stat().st_nlink > 1):
        raise OSError(errno.EMLINK, "is a link: move it away", str(path))
    return path


def read_json(path: Path, kind: type = dict, what: str = "JSON object") -> Any:
    """Strict JSON of a ``kind``, which errors call ``what``. An OSError, as of :func:`read_regular`; a ValueError of
    one line names the file, if it is not JSON of that kind, or has a number that is not finite."""

    def finite(text: str) -> float:
        if not math.isfinite(float(text)):
            raise ValueError(f"{text} is no finite number")
        return float(text)

    try:
        value = json.loads(read_regular(path, MAX_JSON_BYTES), parse_constant=finite, parse_float=finite)
    except (RecursionError, ValueError) as error:
        why = "it is nested too deep" if isinstance(error, RecursionError) else error
        raise ValueError(f"{path} is no {what}: {why}") from None
    if not isinstance(value, kind):
        raise ValueError(f"{path} is no {what}: it is {json.dumps(value)[:40]}")
    return value


def json_hash(value: Any, sort_keys: bool = False) -> str:
    """SHA-256 of a value as JSON."""
    return hashlib.sha256(json.dumps(value, sort_keys=sort_keys).encode()).hexdigest()


def load_whole(file: BinaryIO) -> Any:
    """What torch.save wrote, onto the CPU: tensors and plain values, never code. torch.load looks at no checksum. A
    zipfile.BadZipFile of one line, if the file is proven to be another; whatever comes up for a pickle of garbage."""
    import torch

    size = check_zip(file)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's advice on how to run the code in it
        value = torch.load(file, map_location="cpu", weights_only=True)
    for tensor in tensors_in(value):
        if tensor.numel() * tensor.element_size() > tensor.untyped_storage().nbytes() or tensor.nbytes > size:
            raise zipfile.BadZipFile("its tensors are larger than the file")
    return value


def check_zip(file: BinaryIO) -> int:
    """The size in bytes of what torch.save wrote, which is then to be read from its begin. A zipfile.BadZipFile of one
    line, if a checksum is wrong, or it is something else."""
    size = file.seek(0, os.SEEK_END)
    try:
        with zipfile.ZipFile(file) as archive:
            members = archive.infolist()
            if sum(member.file_size for member in members) > size or any(member.compress_type for member in members):
                raise zipfile.BadZipFile  # torch.save doesn't compress
            broken = archive.testzip()
    except (zipfile.BadZipFile, EOFError):
        raise zipfile.BadZipFile("it is no whole zip archive") from None
    if broken is not None:
        raise zipfile.BadZipFile(f"the checksum of {broken} is wrong")
    file.seek(0)
    return size


def tensors_in(value: Any) -> Iterator[Any]:
    """All tensors in nested dicts, lists and tuples."""
    if isinstance(value, dict | list | tuple):
        for item in value.values() if isinstance(value, dict) else value:
            yield from tensors_in(item)
    elif hasattr(value, "untyped_storage"):
        yield value


def write_file(file: Path, content: bytes) -> None:
    """Make the folders that its name asks for, then write: into a folder that is not in its place yet."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)


def write_lines(file: Path, lines: Sequence[str]) -> None:
    """One a line."""
    write_file(file, "".join(f"{line}\n" for line in lines).encode())
