"""Which files are images: one rule for folders of classes, for masks, for new images, and for archives.

An image is a file whose name has one of the endings of :data:`FORMATS`, in small letters or capitals, however deep it
lies. Links are followed, and a circle of them ends. Hidden files are passed over; they and what else is left out are
counted, and told. A picture of another format, and a link that leads nowhere, are refused by name.
"""

from __future__ import annotations

import os
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from pathlib import Path

FORMATS = {
    "PNG": (".png",),
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif"),
    "WebP": (".webp",),
    "BMP": (".bmp",),
    "TIFF": (".tif", ".tiff"),
    "GIF": (".gif",),
}
"""What is read, and the endings of names; of several pictures in one file, the first."""

SUFFIXES = tuple(suffix for suffixes in FORMATS.values() for suffix in suffixes)
NAMES = f"{', '.join([*FORMATS][:-1])} or {[*FORMATS][-1]}"
OTHERS = re.findall(
    r"\S+",
    ".heic .heif .hif .avif .jxl .jp2 .j2k .jpx .svg .psd .xcf .ico .tga .pcx .ppm .pgm .pbm .pnm .exr .hdr .dcm .eps"
    " .raw .dng .cr2 .cr3 .nef .arw .orf .rw2 .raf",
)
"""Endings of pictures that aren't read, and are refused by name."""

SYSTEM = ("__macosx", "thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r")  # made by file managers: hidden as well
UNLABELED = "unlabeled"
"""The folder beside the classes of the training images whose images have no label."""

MAX_FOLDERS = 100_000


def nfc(name: str) -> str:
    """One form of letters with accents, of which file systems know two."""
    return unicodedata.normalize("NFC", name)


def written_out(data: str) -> str:
    """`KIND:PATH` with the user's folder for `~`, and without a "/" at its end: one name for one place.

    Raises:
        ValueError: it is not UTF-8, which no file of a run could hold.
    """
    kind, colon, path = str(data).partition(":")
    if str(data) != str(data).encode("utf-8", "replace").decode():
        raise ValueError(f"data {data!r} is not UTF-8: rename it")
    return f"{kind}:{Path(path).expanduser()}" if path else str(data)


def is_hidden(name: str) -> bool:
    """Of one part of a path."""
    return name.startswith(".") or name.casefold() in SYSTEM


def is_almost_unlabeled(name: str) -> bool:
    """Whether a folder's name may be meant for :data:`UNLABELED`, and is written otherwise."""
    letters = re.sub("[^a-z]", "", name.casefold())
    close = max(SequenceMatcher(None, letters, right).ratio() for right in (UNLABELED, "unlabelled")) > 0.85
    return name != UNLABELED and (letters.startswith("unlabel") or (close and letters.startswith("u")))


@dataclass
class Found:
    """What lies below ``where``, sorted by the rule, by names: ways from there, in NFC and with "/" between.

    Attributes:
        images: their files; in an archive they have none.
        folders: all that are not hidden, empty ones too.
        left_out: why → names.
        refused: name → why.
    """

    where: str
    images: dict[str, Path | None] = field(default_factory=dict)
    folders: set[str] = field(default_factory=set)
    left_out: dict[str, list[str]] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)

    def add(self, name: str, file: Path | None = None, suffixes: Iterable[str] = SUFFIXES) -> bool:
        """Sort one file in; True if its ending is one of ``suffixes``, and it isn't refused or hidden."""
        name = nfc(name)
        *folders, last = name.split("/")
        ending = Path(last.lower()).suffix
        hidden = next((i for i, part in enumerate(name.split("/")) if is_hidden(part)), None)
        self.folders |= {"/".join(folders[:i]) for i in range(1, len(folders[:hidden]) + 1)}
        if hidden is not None:
            self.leave_out("hidden", name)
        elif ending in OTHERS:
            self.refused[name] = f"is {ending}, which isn't read: bring it as {NAMES}, or move it away"
        elif ending not in suffixes:
            self.leave_out(ending or "without an ending", name)
        elif name in self.images:
            self.refused[name] = "is there twice"
        elif name != name.encode("utf-8", "replace").decode():
            self.refused[name] = "has a name that is not UTF-8: rename it"
        else:
            self.images[name] = file
            return True
        return False

    def leave_out(self, why: str, name: str) -> None:
        """Count a file that is no image."""
        self.left_out.setdefault(why, []).append(name)

    def require_whole(self) -> Found:
        """Itself.

        Raises:
            ValueError: for the first file that is refused.
        """
        for name, why in sorted(self.refused.items()):
            raise ValueError(f"{self.where}: {name!r} {why}")
        return self

    def others(self, folder: str = "") -> str:
        """In words, what was left out below a folder, how many of each kind; hidden files only if it is the whole."""
        kinds = Counter({why: sum(name.startswith(folder) for name in names) for why, names in self.left_out.items()})
        return ", ".join(
            f"{count} {why}{f' ({self.left_out[why][0]!r}, …)' if why != 'hidden' and not folder else ''}"
            for why, count in sorted(kinds.items())
            if count and not (folder and why == "hidden")
        )


def find(folder: Path, suffixes: Iterable[str] = SUFFIXES) -> Found:
    """Everything below a folder; images in alphabetical order, folder by folder.

    Raises:
        ValueError: a folder cannot be read, or there are more than :data:`MAX_FOLDERS`.
    """
    found = Found(str(folder))
    waiting, visited = [(os.fspath(folder), "", frozenset())], 0
    while waiting:
        place, way, above = waiting.pop()
        visited += 1
        try:
            names, status = os.listdir(place), os.stat(place)
        except OSError as error:
            raise ValueError(f"{place}: cannot be read: {error.strerror}") from None
        here = (status.st_dev, status.st_ino)
        if here in above:
            found.leave_out("leading back", way.rstrip("/"))
            continue
        if visited > MAX_FOLDERS:
            raise ValueError(f"{folder}: there are more than {MAX_FOLDERS:,} folders in it")
        found.folders |= {nfc(way.rstrip("/"))} - {""}
        for name in names:
            path = os.path.join(place, name)
            if os.path.isdir(path) and not is_hidden(name):
                waiting.append((path, f"{way}{name}/", above | {here}))
            elif not is_hidden(name) and not os.path.exists(path):
                found.refused[nfc(way + name)] = "is a link that leads nowhere: mend or remove it"
            else:
                found.add(way + name, Path(path), suffixes)
    found.images = dict(sorted(found.images.items(), key=lambda image: image[0].split("/")))
    return found
