"""Reading the files of a folder, a tar or a zip one after the other; an archive is never unpacked to disk."""

import bz2
import gzip
import lzma
import os
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from functools import partial
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from .finding import MAX_FOLDERS, Found, find, nfc
from .pictures import MAX_FILE_BYTES, read_bytes

MAX_HEADER_BYTES = 2**20  # of all that stands between two files of a tar: long names, and what else is said of a file
MAX_PATH = 1024  # characters of a file's way: each folder on it is remembered
MAX_UNPACKING_BYTES = 128 * 2**20  # xz -9 takes half of it

NO_END = "the mark of its end is missing: it was cut, or packed without one"
DAMAGE = (tarfile.TarError, zipfile.BadZipFile, lzma.LZMAError, zlib.error, EOFError, OSError, RuntimeError)


class Refused(ValueError):
    """An archive that is not read, damaged or not."""


def read_files(path: str | Path, suffixes: tuple[str, ...], found: Found | None = None) -> Iterator[tuple[str, bytes]]:
    """Yield name and content of every file whose name has one of the endings ``suffixes``, by the rule of
    :mod:`.finding`; what is to know of all the others is in ``found`` then. ``path`` is a folder, or a .tar (plain,
    .gz, .bz2, .xz) or .zip archive. A ValueError says in a line what is wrong with it, or names a member that is a
    link, a device, larger than 64 MiB or named to land outside the archive."""
    path = Path(path)
    found = Found(str(path)) if found is None else found
    if path.is_dir():
        there = find(path, suffixes).require_whole().images.items()
        files = ((name, 0, partial(read_bytes, file)) for name, file in there)
    elif not path.exists():
        raise ValueError(f"{path}: no such file or folder")
    elif path.is_file() and _is_tar(path):  # first: the last file in a tar may be a zip
        files = _tar_files(path)
    elif path.is_file() and zipfile.is_zipfile(path):
        files = _zip_files(path)
    else:
        raise ValueError(f"{path}: neither a folder nor a readable .tar, .tar.gz, .tar.xz or .zip archive")

    last = None
    try:
        for number, (member, size, read) in enumerate(files):
            name = "/".join(PurePosixPath(member).parts)
            if number - len(found.images) > MAX_FOLDERS:
                raise ValueError(f"{path}: there are more than {MAX_FOLDERS:,} folders and other files in it")
            if read is None:
                found.add_folder(name)
            elif found.add(name, suffixes=suffixes):
                if size > MAX_FILE_BYTES:
                    raise ValueError(f"{path}: {name!r} is larger than {MAX_FILE_BYTES // 2**20} MiB: refused")
                yield nfc(name), read()
                last = name
        found.require_whole()
    except DAMAGE as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        where = f" after {last!r}" if last else ""
        what = "incomplete" if reason == NO_END else "damaged"
        raise ValueError(f"{path}: {what}{where}: {reason}") from None


def _zip_files(path: Path):
    try:
        archive = zipfile.ZipFile(path)
        for member in archive.infolist():  # macOS packs UTF-8 without its flag, and zipfile takes it for cp437
            if not (member.flag_bits & 0x800 or member.filename.isascii()):
                member.filename = member.orig_filename.encode("cp437").decode()
    except UnicodeDecodeError as error:
        raise Refused(f"{path}: the name {error.object!r} in it is not UTF-8") from None
    except (ValueError, struct.error) as error:
        raise zipfile.BadZipFile(str(error)) from None
    with archive:
        first = min((member.header_offset for member in archive.infolist()), default=0)
        archive.fp.seek(-22 - len(archive.comment), os.SEEK_END)
        if first or archive.fp.read(4) != b"PK\5\6":  # a reader that begins at the other end would find other files
            raise Refused(f"{path}: there is more before or after the zip archive: refused")
        for member in archive.infolist():
            kind = stat.S_IFMT(member.external_attr >> 16)
            _refuse_unsafe(path, member.filename, is_plain=kind in (0, stat.S_IFREG, stat.S_IFDIR))
            if member.flag_bits & 1:
                raise Refused(f"{path}: {member.filename!r} has a password: pack it without one")
            if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2):
                raise Refused(f"{path}: {member.filename!r} is packed in a rare way: only deflate and bzip2 are read")
            yield member.filename, member.file_size, None if member.is_dir() else partial(archive.read, member)


def _is_tar(path: Path) -> bool:
    try:
        with open(path, "rb") as file:
            tarfile.TarInfo.frombuf(_Unpacked(path, file).read(tarfile.BLOCKSIZE), "utf-8", "surrogateescape")
    except (tarfile.EOFHeaderError, Refused):
        return True
    except DAMAGE:
        return False
    return True


def _tar_files(path: Path):
    """A stream: forwards only, nothing kept."""
    with open(path, "rb") as file:
        unpacked = _Unpacked(path, file)
        with tarfile.open(fileobj=unpacked, mode="r|", tarinfo=_Member) as archive:
            while (member := archive.next()) is not None:
                is_file = member.isfile() and not member.issparse()
                _refuse_unsafe(path, member.name, is_plain=is_file or member.isdir())
                unpacked.left = MAX_HEADER_BYTES + (member.size if is_file else 0)
                read = (lambda member=member: archive.extractfile(member).read()) if is_file else None
                yield member.name, member.size, read
                archive.members.clear()
                archive.pax_headers.clear()
            while rest := archive.fileobj.read(tarfile.RECORDSIZE):  # to the last checksum
                if rest.strip(b"\0"):
                    raise Refused(f"{path}: there is more after the end of the archive: refused")


class _Member(tarfile.TarInfo):
    """tarfile takes whatever is no header for the end of the archive, a file that was cut short too."""

    @classmethod
    def fromtarfile(cls, archive: tarfile.TarFile) -> tarfile.TarInfo:
        try:
            return super().fromtarfile(archive)
        except (tarfile.EOFHeaderError, Refused):  # the first: a block of zeros
            raise
        except tarfile.EmptyHeaderError:
            raise tarfile.ReadError(NO_END) from None
        except tarfile.TruncatedHeaderError:
            raise tarfile.ReadError("it ends too early") from None
        except (tarfile.HeaderError, ValueError) as error:
            raise tarfile.ReadError(f"a header is broken: {error}") from None


class _Unpacked:
    """What is packed in a .tar.gz, .tar.bz2 or .tar.xz, or the .tar itself, for :class:`tarfile.TarFile` to read: as
    many bytes as are ``left``, before the next file of the archive must be reached."""

    def __init__(self, path: Path, file: BinaryIO) -> None:
        begin = file.read(6)
        file.seek(0)
        self._path, self._ends, self.left = path, 0, MAX_HEADER_BYTES
        kinds = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\0": partial(_Xz, path)}
        self._read = next((kind(file) for mark, kind in kinds.items() if begin.startswith(mark)), file).read

    def read(self, size: int) -> bytes:
        block = self._read(size)
        self._ends += not block
        if self._ends > 8:  # tarfile would go on for as long as a header says that there is more
            raise EOFError("it ends too early")
        self.left -= len(block)
        if self.left < -tarfile.RECORDSIZE:  # it reads whole records
            raise Refused(f"{self._path}: a header in it is larger than {MAX_HEADER_BYTES // 2**20} MiB: refused")
        return block


class _Xz:
    """An .xz file within a limit of memory, which lzma.LZMAFile doesn't know."""

    def __init__(self, path: Path, file: BinaryIO) -> None:
        self._new = partial(lzma.LZMADecompressor, lzma.FORMAT_XZ, memlimit=MAX_UNPACKING_BYTES)
        self._path, self._file, self._stream = path, file, self._new()

    def read(self, size: int) -> bytes:
        while True:
            packed = b""
            if self._stream.eof:  # another one may follow
                if not (packed := (self._stream.unused_data or self._file.read(size)).lstrip(b"\0")):
                    return b""
                self._stream = self._new()
            elif self._stream.needs_input and not (packed := self._file.read(size)):
                raise EOFError("it ends too early")
            try:
                if block := self._stream.decompress(packed, size):
                    return block
            except lzma.LZMAError as error:
                if "emory" not in str(error):
                    raise
                limit = MAX_UNPACKING_BYTES // 2**20
                raise Refused(f"{self._path}: unpacking it takes more than {limit} MiB of memory: refused") from None


def _refuse_unsafe(path: Path, name: str, is_plain: bool) -> None:
    """Nothing here writes to a member's name; but an archive that tries this is not one to trust the images of."""
    if not is_plain:
        raise Refused(f"{path}: {name!r} is a link or a device, or sparse, not a plain file: refused")
    if len(name) > MAX_PATH:
        raise Refused(f"{path}: {name[:20]!r} … has a path of more than {MAX_PATH:,} characters: shorten it")
    if "\\" in name:
        raise Refused(f"{path}: {name!r} has a backslash in its name, where / belongs: refused")
    if name.startswith("/") or ":" in name.split("/")[0] or ".." in name.split("/"):
        raise Refused(f"{path}: {name!r} leads outside the archive: refused")
