"""Reading the files of a folder, a tar or a zip one after the other; an archive is never unpacked to disk."""

from __future__ import annotations

import lzma
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from functools import partial
from pathlib import Path, PurePosixPath

from .finding import Found, find, nfc

MAX_FILE_BYTES = 64 * 2**20  # a picture of 64 MiB is none: refused before it is read

DAMAGE = (tarfile.TarError, zipfile.BadZipFile, lzma.LZMAError, zlib.error, EOFError, OSError, RuntimeError)


def read_files(path: str | Path, suffixes: tuple[str, ...], found: Found | None = None) -> Iterator[tuple[str, bytes]]:
    """Yield name and content of every file whose name has one of the endings ``suffixes``, by the rule of
    :mod:`.finding`.

    Args:
        path: a folder, or a .tar (plain, .gz, .bz2, .xz) or .zip archive.
        suffixes: in lower case; upper-case names match too.
        found: what is to know of all the others.

    Raises:
        ValueError: no such path, not an archive, a damaged one, or a member that is a link, a device, larger than
            64 MiB or named to land outside the archive. One line, naming it.
    """
    path = Path(path)
    found = Found(str(path)) if found is None else found
    if path.is_dir():
        files = _folder_files(path, suffixes)
    elif not path.is_file():
        raise ValueError(f"{path}: no such file or folder")
    elif zipfile.is_zipfile(path):
        files = _zip_files(path)
    elif _is_tar(path):
        files = _tar_files(path)
    else:
        raise ValueError(f"{path}: neither a folder nor a readable .tar, .tar.gz, .tar.xz or .zip archive")

    last = None
    try:
        for name, size, read in files:
            parts = PurePosixPath(name).parts
            if read is None:
                found.add_folder("/".join(parts))
                continue
            if not found.add("/".join(parts), suffixes=suffixes):
                continue
            if size > MAX_FILE_BYTES:
                raise ValueError(f"{path}: {name!r} is larger than {MAX_FILE_BYTES // 2**20} MiB: refused")
            yield nfc("/".join(parts)), read()
            last = name
        found.require_whole()
    except DAMAGE as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        where = f" after {last!r}" if last else ""
        raise ValueError(f"{path}: damaged{where}: {reason}") from None


def _folder_files(path: Path, suffixes: tuple[str, ...]):
    for name, file in find(path, suffixes).require_whole().images.items():
        yield name, file.stat().st_size, file.read_bytes


def _zip_files(path: Path):
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            kind = stat.S_IFMT(member.external_attr >> 16)
            _refuse_unsafe(path, member.filename, is_plain=kind in (0, stat.S_IFREG, stat.S_IFDIR))
            yield member.filename, member.file_size, None if member.is_dir() else partial(archive.read, member)


def _tar_files(path: Path):
    with tarfile.open(path, "r|*") as archive:  # a stream: forwards only, nothing kept
        for member in archive:
            _refuse_unsafe(path, member.name, is_plain=member.isfile() or member.isdir())
            read = None if member.isdir() else lambda member=member: archive.extractfile(member).read()
            yield member.name, member.size, read


def _is_tar(path: Path) -> bool:
    try:
        return tarfile.is_tarfile(path)
    except DAMAGE:
        return False


def _refuse_unsafe(path: Path, name: str, is_plain: bool) -> None:
    """Nothing here writes to a member's name; but an archive that tries this is not one to trust the images of."""
    if not is_plain:
        raise ValueError(f"{path}: {name!r} is a link or a device, not a file: refused")
    if name.startswith("/") or "\\" in name or ":" in name.split("/")[0] or ".." in name.split("/"):
        raise ValueError(f"{path}: {name!r} leads outside the archive: refused")
