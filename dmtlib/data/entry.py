"""Every file is read to its end on entry, before anything is trained: several at a time, and once for all starts.

What was found is remembered in the user's cache (``$XDG_CACHE_HOME`` or ``~/.cache``, folder ``dmtlib``), by each
file's size, times and inode. The folder can be deleted at any time.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import PIL
from PIL import Image
from tqdm.auto import tqdm

from ..files import whole_file

Item = TypeVar("Item")
THREADS = min(8, os.cpu_count() or 1)
DARK = 32
KEPT = 50  # folders, those that were read last
SETTLED = 0.1  # seconds after which a change of a file must also change its times
MADE_BY = f"1 {PIL.__version__}"  # another number where pictures are decoded otherwise

FACTS = [("key", "S64"), ("width", "i4"), ("height", "i4"), ("same", "S32"), ("brightest", "u1")]
"""Of every picture: its state on the disk, its size, a hash of its pixels, its largest value."""


def facts(image: Image.Image) -> tuple[Any, ...]:
    """A row of :data:`FACTS`, of an image in RGB."""
    digest = hashlib.blake2b(np.asarray(image), digest_size=16, key=repr(image.size).encode())
    brightest = max(high for _, high in image.getextrema())
    return b"", image.width, image.height, digest.hexdigest().encode(), brightest


def remarks(rows: dict[str, np.void], places: dict[str, tuple[str, str]]) -> list[str]:
    """What to know of pictures by name: sizes, dark ones, and the same pixels in two places.

    Args:
        places: part and class of each; a class of "" is none.
    """
    by_area = sorted(
        (int(row["width"]) * int(row["height"]), f"{row['width']}×{row['height']}") for row in rows.values()
    )
    told = [f"sizes: {'…'.join(dict.fromkeys([by_area[0][1], by_area[-1][1]]))} pixels"]
    if dark := [name for name, row in rows.items() if row["brightest"] < DARK]:
        told.append(f"warning: {len(dark)} nearly black, with no value above {DARK - 1} of 255, as {dark[0]!r}")
    first: dict[tuple[bytes, str], dict[str, str]] = {}
    twice: dict[str, list[str]] = {}
    for name, row in rows.items():
        part, label = places[name]
        for kind, where in (("in two parts", part), ("of two classes", label)):
            there = first.setdefault((bytes(row["same"]), kind), {})
            if where and there and where not in there:
                twice.setdefault(kind, []).append(f"{next(iter(there.values()))!r} and {name!r}")
            if where:
                there.setdefault(where, name)
    return told + [f"warning: the same picture is {kind}, {len(t)} times, as {t[0]}" for kind, t in twice.items()]


def side_by_side(read: Callable[[Item], Any], items: Iterable[Item]) -> Iterator[Any]:
    """What ``read`` makes of each item, in their order; an error comes when its item's turn has come."""
    with ThreadPoolExecutor(THREADS) as pool:
        waiting: deque = deque()
        for item in items:
            waiting.append(pool.submit(read, item))
            if len(waiting) > 2 * THREADS:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def read_all(
    read: Callable[[int], Any], sources: Sequence[Sequence[Any]], dtype: np.dtype, name: str, progress: bool
) -> np.ndarray:
    """A row of ``dtype`` for each source, as ``read`` makes it: only of what is new, or changed since the last time.

    Args:
        read: gets the source's index.
        sources: the files, and all else, that a row is made of.
        name: of the folder, for the bar and for the place in the cache.

    Raises:
        ValueError: what ``read`` raises for the first that is broken. What was read before it is remembered.
    """
    told = f"{os.path.realpath(name)} {dtype} {MADE_BY}".encode("utf-8", "backslashreplace")
    place = _cache() / f"{hashlib.sha256(told).hexdigest()[:32]}.npy"
    before = _remembered(place, dtype)
    keys = [_key(source) for source in sources]
    rows, done = np.zeros(len(sources), dtype), np.zeros(len(sources), bool)
    for i, key in enumerate(keys):
        if key in before:
            rows[i], done[i] = before[key], True
    new = np.flatnonzero(~done)
    try:
        made = side_by_side(read, new.tolist())
        bar = tqdm(made, desc=f"{Path(name).name}: reading", total=len(new), disable=None if progress else True)
        for i, row in zip(new, bar, strict=True):
            rows[i], done[i] = row, True
            rows[i]["key"] = keys[i]
    finally:
        if len(new):
            _remember(place, rows[done & (rows["key"] != b"")])
    return rows


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "dmtlib")


def _key(source: Sequence[Any]) -> bytes:
    """Of the files' states; nothing if one has changed only now, or isn't there."""
    digest = hashlib.sha256()
    for part in source:
        if isinstance(part, Path):
            try:
                status = part.stat()
            except OSError:
                return b""
            if time.time() - max(status.st_mtime, status.st_ctime) < SETTLED:
                return b""
            part = (str(part), status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)
        digest.update(repr(part).encode("utf-8", "backslashreplace"))
    return digest.hexdigest().encode()


def _remembered(place: Path, dtype: np.dtype) -> dict[bytes, np.void]:
    try:
        rows = np.load(place, allow_pickle=False)
        return {bytes(row["key"]): row for row in rows} if rows.dtype == dtype else {}
    except Exception:  # none, or garbage: everything is read anew
        return {}


def _remember(place: Path, rows: np.ndarray) -> None:
    try:
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)  # small copies of somebody's pictures
        with whole_file(place) as file:
            np.save(file, rows, allow_pickle=False)
        for old in sorted(place.parent.glob("*.npy"), key=os.path.getmtime)[:-KEPT]:
            old.unlink()
    except OSError:
        pass  # then the next start takes as long
