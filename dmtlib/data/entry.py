"""Every file is read to its end on entry, before anything is trained: several at a time, and once for all starts.

What was found is remembered in ``$XDG_CACHE_HOME/dmtlib`` or ``~/.cache/dmtlib``, by files' sizes, times and inodes.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import PIL
from PIL import Image
from tqdm.auto import tqdm

from ..files import whole_file
from ..words import counted, printable

THREADS = min(8, os.cpu_count() or 1)
DARK = 32  # of 255
KEPT = 50  # folders, those that were read last
SETTLED = 0.1  # seconds after which a change of a file must also change its times
MADE_BY = f"2 {PIL.__version__}"  # another number where pictures are decoded otherwise

FACTS = [("key", "S64"), ("width", "i4"), ("height", "i4"), ("same", "S32"), ("brightest", "u1")]
"""Of every picture: its state on the disk, its size, a hash of its pixels, its largest value."""


def facts(image: Image.Image) -> tuple[Any, ...]:
    """A row of :data:`FACTS` but for the key, of an image in RGB."""
    digest = hashlib.blake2b(np.asarray(image), digest_size=16, key=repr(image.size).encode())
    return image.width, image.height, digest.hexdigest().encode(), max(high for _, high in image.getextrema())


def remarks(rows: Mapping[str, np.void], places: Mapping[str, tuple[str, str]]) -> list[str]:
    """What to know of pictures by name, if ``places`` has their parts and classes ("" is none): sizes, dark ones, and
    the same pixels in two places."""
    sizes = sorted({(int(row["width"]), int(row["height"])) for row in rows.values()}, key=np.prod)
    told = [f"sizes: {'…'.join(f'{width}×{height}' for width, height in {sizes[0]: 0, sizes[-1]: 0})} pixels"]
    if dark := [name for name, row in rows.items() if row["brightest"] < DARK]:
        black = f"nearly black, with no value above {DARK - 1} of 255"
        told.append(f"warning: {black}: {counted(len(dark), 'picture')}, as {dark[0]!r}")
    same: dict[bytes, list[str]] = {}
    for name, row in rows.items():
        same.setdefault(bytes(row["same"]), []).append(name)
    for kind, where in enumerate(("parts", "classes")):
        groups = ({places[name][kind]: name for name in names if places[name][kind]} for names in same.values())
        if twice := [[*group.values()] for group in groups if len(group) > 1]:
            first, second, *_ = twice[0]
            told.append(f"warning: in two {where}: {counted(len(twice), 'picture')}, as {first!r} and {second!r}")
    return told


def side_by_side(read: Callable[[Any], Any], items: Iterable[Any]) -> Iterator[Any]:
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
    """A row of ``dtype`` for each source, the files and all else that it is made of: only of what is new, or changed
    since the last time. ``read`` gets the source's index, and raises a ValueError if it is broken; what was read by
    then is remembered. ``name`` is the folder's, for the bar and for the place in the cache."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "dmtlib")
    place = cache / f"{_hash(os.path.realpath(name), dtype, MADE_BY).decode()[:32]}.npy"
    before: dict[bytes, np.void] = {}
    with suppress(Exception):  # there is none, or garbage: then everything is read anew
        stored = np.load(place, allow_pickle=False)
        before = {bytes(row["key"]): row for row in stored} if stored.dtype == dtype else {}
    keys = [_hash(*map(_state, source)) for source in sources]
    rows = np.array([before.get(key, np.zeros((), dtype)) for key in keys], dtype)
    new = [i for i, key in enumerate(keys) if key not in before]
    try:
        made = side_by_side(read, new)
        bar = tqdm(made, desc=printable(f"{Path(name).name}: reading"), total=len(new), disable=not progress or None)
        for i, row in zip(new, bar, strict=True):
            rows[i] = (keys[i], *row)
    finally:
        if new and cache.is_absolute():  # "~" stays where nobody knows a home
            with suppress(OSError):  # then the next start takes as long
                cache.mkdir(mode=0o700, parents=True, exist_ok=True)  # for small copies of somebody's pictures
                with whole_file(place) as file:
                    np.save(file, rows[rows["key"] != b""], allow_pickle=False)
                for old in sorted(cache.glob("[0-9a-f]" * 32 + ".npy"), key=os.path.getmtime)[:-KEPT]:
                    old.unlink()
    return rows


def _hash(*parts: Any) -> bytes:
    return hashlib.sha256(repr(parts).encode("utf-8", "backslashreplace")).hexdigest().encode()


def _state(part: Any) -> Any:
    """Of a file on the disk: another one after each change. One that has changed only now is like no other."""
    with suppress(OSError):
        if isinstance(part, Path):
            status = part.stat()
            settled = time.time() - max(status.st_mtime, status.st_ctime) > SETTLED or time.time_ns()
            return str(part), status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino, settled
    return part
