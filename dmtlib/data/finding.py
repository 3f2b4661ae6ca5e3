"""Which files are images: one rule for folders of classes, for masks, for new images, and for archives.

An image is a file whose name has one of the endings of :data:`FORMATS`, in small letters or capitals, however deep it
lies. Links are followed, and a circle of them ends. Hidden files are passed over; they and what else is left out are
counted, and told. A picture of another format, and a link that leads nowhere, are refused by name.
"""

import os
import re
import sys
import unicodedata
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from pathlib import Path, PurePosixPath

from ..files import MADE, inside

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
    r"\.\w+",
    ".heic .heif .hif .avif .jxl .jp2 .j2k .jpx .svg .psd .xcf .ico .tga .pcx .ppm .pgm .pbm .pnm .exr .hdr .dcm .eps"
    " .raw .dng .cr2 .cr3 .nef .arw .orf .rw2 .raf",
)
"""Endings of pictures that aren't read, and are refused by name."""

SYSTEM = ("__macosx", "thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r")  # made by file managers: hidden as well
UNLABELED = "unlabeled"
"""The folder beside the classes of the training images whose images have no label."""

KINDS = r"(packed|folder(@[0-9]{1,18})?):"
"""What stands before the path of data that are somebody's own."""

MAX_FOLDERS = 100_000
MAX_NAME = 255  # characters of a name, as of file systems: archives and lists could have more
TOO_LONG = f"has a name of more than {MAX_NAME} characters: shorten it"
NOT_UTF8 = "has a name that is not UTF-8: rename it"
if sys.getfilesystemencoding() != "utf-8":
    NOT_UTF8 = f"has a name that is not {sys.getfilesystemencoding()}, as which it is read here: set PYTHONUTF8=1"


def nfc(name: str) -> str:
    """One form of letters with accents, of which file systems know two."""
    return unicodedata.normalize("NFC", name)


def is_hidden(name: str) -> bool:
    """Of a path with "/", whether any part of it is."""
    return any(part.startswith(".") or part.casefold() in SYSTEM for part in name.split("/"))


def is_utf8(name: str) -> bool:
    """Whether a table or a run's files can hold the name."""
    return name == name.encode("utf-8", "replace").decode()


def is_almost_unlabeled(name: str) -> bool:
    """Whether a folder's name may be meant for :data:`UNLABELED`, and is written otherwise."""
    letters = re.sub("[^a-z]", "", name.casefold())
    close = max(SequenceMatcher(None, letters, right).ratio() for right in (UNLABELED, "unlabelled")) > 0.85
    return name != UNLABELED and (letters.startswith("unlabel") or (close and letters.startswith("u")))


def written_out(data: str) -> str:
    """`KIND:PATH` with the user's folder for `~`, and without a "/" at its end; a ValueError if it is not UTF-8."""
    kind, _, path = str(data).partition(":")
    if not is_utf8(str(data)):
        raise ValueError(f"data {data!r} {NOT_UTF8}")
    return f"{kind}:{Path(path).expanduser()}" if path else str(data)


def in_data(place: Path, data: str) -> bool:
    """Whether something that is written there would lie in the folder of ``data``, and be read with them."""
    kind, _, path = data.partition(":")
    return kind.startswith("folder") and inside(place, Path(path).expanduser())


def perhaps(name: str) -> str:
    """What may have been meant by a name that no data have: the path of a folder, or of a file."""
    if not name or re.match(KINDS, str(name)) or not (path := Path(name).expanduser()).exists():
        return "" if not name or ":" in str(name) else "; here is no folder or file of that name"
    return f"; did you mean {'packed' if path.suffix == '.pt' else 'folder'}:{name}?"


def prepared(name: str) -> Path:
    """``data/<name>`` of the working directory; if it isn't there, of the clone that this package lies in."""
    here = Path("data") / name
    clone = Path(__file__).resolve().parents[2] / here
    return clone if clone.exists() and not here.exists() else here


@dataclass
class Found:
    """What lies below ``where``, sorted by the rule, by names: ways from there, in NFC and with "/" between."""

    where: str
    images: dict[str, Path | None] = field(default_factory=dict)  # None: in an archive
    folders: set[str] = field(default_factory=set)  # empty ones too
    left_out: list[tuple[str, str]] = field(default_factory=list)  # why, and the name
    refused: dict[str, str] = field(default_factory=dict)  # name → why
    remarks: list[str] = field(default_factory=list)  # what else is to know, for people

    def add(self, name: str, file: Path | None = None, suffixes: Iterable[str] = SUFFIXES) -> bool:
        """Sort one file in; True if it is taken: it ends in one of ``suffixes``, and is neither hidden nor refused."""
        name = nfc(name)
        ending = PurePosixPath(name.lower()).suffix
        self.add_folder(name.rpartition("/")[0])
        if is_hidden(name):
            self.left_out.append(("hidden", name))
        elif ending in OTHERS:
            self.refused[name] = f"is {ending}, which isn't read: bring it as {NAMES}, or move it away"
        elif ending not in suffixes:
            self.left_out.append((ending or "without an ending", name))
        elif max(map(len, name.split("/"))) > MAX_NAME:
            self.refused[name] = TOO_LONG
        elif name in self.images or not is_utf8(name):
            self.refused[name] = "is there twice" if name in self.images else NOT_UTF8
        else:
            self.images[name] = file
            return True
        return False

    def add_folder(self, name: str) -> None:
        """And those that it lies in. A ValueError for more than :data:`MAX_FOLDERS` of them."""
        if name and name not in self.folders and not is_hidden(name):
            if len(self.folders) >= MAX_FOLDERS:
                raise ValueError(f"{self.where}: there are more than {MAX_FOLDERS:,} folders in it")
            self.folders.add(nfc(name))
            self.add_folder(name.rpartition("/")[0])

    def require_whole(self) -> "Found":
        """Itself; a ValueError for the first file that is refused."""
        for name, why in sorted(self.refused.items()):
            raise ValueError(f"{self.where}: {name!r} {why}")
        return self

    def passed_over(self) -> list[str]:
        """A line, if anything was left out."""
        return [f"left out: {self.others()}"] if self.left_out else []

    def others(self, folder: str = "") -> str:
        """In words, what was left out below a folder: how many of each kind, and the first."""
        left = [(why, name) for why, name in self.left_out if name.startswith(folder)]
        first, counts = dict(reversed(left)), Counter(why for why, _ in left)
        return ", ".join(f"{counts[why]} {why} ({first[why]!r})" for why in sorted(counts)) or "nothing"


def find(folder: Path, suffixes: Iterable[str] = SUFFIXES) -> Found:
    """Everything below a folder; images in alphabetical order, folder by folder. A ValueError for a folder that cannot
    be read, or more than :data:`MAX_FOLDERS` of them."""
    found, waiting = Found(str(folder)), [(os.fspath(folder), "", frozenset())]
    while waiting:
        place, way, above = waiting.pop()
        try:
            names, status = os.listdir(place), os.stat(place)
        except OSError as error:
            raise ValueError(f"{place}: cannot be read: {error.strerror}") from None
        if (here := (status.st_dev, status.st_ino)) in above:
            found.left_out.append(("leading back", way.rstrip("/")))
            continue
        if way and MADE in names:  # masks of an earlier `predict`, say: nobody's photographs
            found.left_out.append(("made by dmtlib", way.rstrip("/")))
            continue
        found.add_folder(way.rstrip("/"))
        for name in names:
            if os.path.isdir(path := os.path.join(place, name)) and not is_hidden(name):
                waiting.append((path, f"{way}{name}/", above | {here}))
            elif os.path.exists(path) or is_hidden(name):
                found.add(way + name, Path(path), suffixes)
            else:
                found.refused[nfc(way + name)] = "is a link that leads nowhere: mend or remove it"
    found.images = dict(sorted(found.images.items(), key=lambda image: image[0].split("/")))
    return found
