"""Every file is read to its end on entry, before anything is trained: several at a time, and once for all starts.

What was found is remembered in ``$XDG_CACHE_HOME/dmtlib`` or ``~/.cache/dmtlib``, by files' sizes, times and inodes.
"""

import hashlib
import os
import re
import shutil
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import PIL
import torch
from filelock import FileLock
from PIL import Image
from tqdm.auto import tqdm

from ..files import whole_file
from ..words import counted, printable, tell

THREADS = min(8, os.cpu_count() or 1)
DARK = 32  # of 255
KEPT = 50  # folders, those that were read last
SETTLED = 0.1  # seconds after which a change of a file must also change its times
MADE_BY = f"3 {PIL.__version__}"  # another number where pictures are decoded otherwise

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


def side_by_side(read: Callable[[Any], Any], items: Iterable[Any], ahead: int = 2 * THREADS) -> Iterator[Any]:
    """What ``read`` makes of each item, in order, so many ``ahead``; an error comes when its item's turn has come."""
    with ThreadPoolExecutor(THREADS) as pool:
        waiting: deque = deque()
        for item in items:
            waiting.append(pool.submit(read, item))
            if len(waiting) > ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def read_all(
    read: Callable[[int], Any], sources: Sequence[Sequence[Any]], dtype: np.dtype, name: str, progress: bool
) -> np.ndarray:
    """A row of ``dtype`` for each source, the files and all else that it is made of: only of what is new, or changed
    since the last time. ``read`` gets the source's index, and raises a ValueError if it is broken; what was read by
    then is remembered. ``name`` is the folder's, for the bar and for the place in the cache."""
    cache, place = _place(name, dtype, ".npy")
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


def fits_in_memory(size: int) -> bool:
    """Whether so many bytes of images are held in memory: up to an eighth of what the machine has, and its GPU, if
    there is one. ``DMT_MEMORY`` in the environment is another limit, in GB; a ValueError, if it is none. Each of
    several processes, as torchrun starts them, has the images: they share the limit."""
    if (given := os.environ.get("DMT_MEMORY")) and not re.fullmatch(r"\d+(\.\d+)?", given):
        raise ValueError(f"DMT_MEMORY must be a number of GB, 0 or more, got {given!r}")
    if not hasattr(os, "preadv"):  # on Windows, where there is no ImageFile
        return True
    copies = int(os.environ.get("LOCAL_WORLD_SIZE", 1))
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // copies
    memory = min(machine, torch.cuda.mem_get_info()[1] if torch.cuda.is_available() else machine)
    return size <= (float(given) * 1e9 / copies if given else memory / 8)


def pack_all(
    read: Callable[[int], Any], sources: Sequence[Sequence[Any]], dtype: np.dtype, name: str, progress: bool
) -> tuple[np.ndarray, BinaryIO]:
    """As :func:`read_all` where memory doesn't hold the rows: their :data:`FACTS`, and a file in the cache that begins
    with their ``pixels``, row after row. It is there whole or not at all: what Ctrl-C or an unreadable picture cut
    short is a whole one of fewer rows. A ValueError, if the disk has too little room."""
    (cache, place), facts, size = _place(name, dtype, ".pixels"), np.dtype(FACTS), dtype["pixels"].itemsize
    keys = [_hash(*map(_state, source)) for source in sources]
    cache.mkdir(mode=0o700, parents=True, exist_ok=True)
    with FileLock(f"{place}.lock"):  # another start on the same folder waits, and finds the file
        for rest in cache.glob(f".{place.name}.*.tmp"):
            rest.unlink()
            tell(f"{name}: the last packing was killed, and nothing of it is left: it begins anew")
        old = open(place, "a+b")  # noqa: SIM115 - whoever reads the images keeps it open
        count = old.seek(0, os.SEEK_END) // (size + facts.itemsize)
        old.seek(count * size)
        before = np.fromfile(old, facts, count)
        at = {key: i for i, key in enumerate(before["key"].tolist())}
        if [*at] == keys:
            return before, old
        if (needed := len(keys) * (size + facts.itemsize)) > (room := shutil.disk_usage(cache).free):
            what = f"{needed / 1e9:.1f} GB of images, and {room / 1e9:.1f} GB free in {cache}"
            raise ValueError(f"{name}: {what}: set XDG_CACHE_HOME to a folder with more, or choose a smaller side")

        def row(i: int) -> tuple[tuple[Any, ...], Any]:
            if keys[i] in at:
                return before[at[keys[i]]].item(), os.pread(old.fileno(), size, at[keys[i]] * size)
            *told, pixels = read(i)
            return (keys[i], *told), np.ascontiguousarray(pixels)

        made, stopped, rows = [], None, side_by_side(row, range(len(keys)))
        bar = tqdm(rows, f"{printable(Path(name).name)}: packing", len(keys), disable=not progress or None)
        with whole_file(place) as file:
            try:
                for known, pixels in bar:
                    file.write(pixels)
                    made.append(known)
            except (ValueError, KeyboardInterrupt) as error:
                if len(made) <= len(before):  # what is there is worth more
                    raise
                stopped = error
            file.write(np.array(made, facts))
        if stopped:
            raise stopped
        return np.array(made, facts), open(place, "rb")


def _place(name: str, dtype: np.dtype, ending: str) -> tuple[Path, Path]:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "dmtlib")
    return cache, cache / f"{_hash(os.path.realpath(name), dtype, MADE_BY).decode()[:32]}{ending}"


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
