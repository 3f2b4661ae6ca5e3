"""Segmentation data sets by name: what may be trained on, and what is scored."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import yaml
from PIL import Image
from tqdm.auto import tqdm

from ...words import counted
from ..entry import FACTS, facts, read_all, remarks
from ..finding import perhaps, prepared, written_out
from ..images.datasets import load_digits
from ..pictures import read_bytes, turned_unseen
from .folder import OwnFolder, find_masks, find_pictures, read_names, read_own_folder, require
from .images import ListedImages, StoredImages, shrink
from .masks import VOID
from .scenes import KINDS, generate_scenes

SCENES = {"scenes": {"train": 600, "val": 150}, "scenes-300": {"train": 300, "val": 75}}
SCENES_SEED = 2022  # the scenes never change with a run's seed
CAMVID_SHRINKS_BY = {"camvid-quarter": 4, "camvid-half": 2}  # 360×480 pixels to 90×120, to 180×240


@dataclass(frozen=True)
class SegmentationData:
    """A data set. Its ``parts`` are "train" and "val", perhaps "test"; part p has ``parts[p].names``, ``.image(i)``,
    ``.mask(i)``, and ``parts[p][i]``, which is both. Where the data prescribe a labeled subset, ``labeled`` are the
    names of training images in it: VOC's own 1,464, or those of a user's images that have a mask. To height and width
    of ``evaluation_size``, if not None, images are padded before they are scored; ``remarks`` are the reader's."""

    name: str
    classes: tuple[str, ...]
    parts: dict[str, ListedImages | StoredImages]
    labeled: tuple[str, ...] | None = None
    evaluation_size: tuple[int, int] | None = None
    remarks: tuple[str, ...] = ()

    @property
    def summary(self) -> list[str]:
        """Images, masks, classes, and what their reader met, in lines with which a run begins."""
        train = self.parts["train"]
        height, width = train.mask(0).shape
        counts = ", ".join(f"{len(part):,} in {name}" for name, part in list(self.parts.items())[1:])
        return [
            f"{self.name}: {len(train):,} images to train on, {len(train) - len(train.without_mask):,} of them with a "
            f"mask; {counts}; the first has {width}×{height} pixels",
            f"{len(self.classes)} classes: {', '.join(self.classes)}",
            *self.remarks,
        ]

    def absent(self, labeled: Sequence[str]) -> list[str]:
        """Classes without a pixel in the masks of these training images. Few are read, if every class is there."""
        train, absent, chosen = self.parts["train"], dict(enumerate(self.classes)), set(labeled)
        for place, name in enumerate(train.names):
            for label in train.mask(place).unique().tolist() if absent and name in chosen else ():
                absent.pop(label, None)
        return list(absent.values())

    @property
    def fingerprint(self) -> str:
        """SHA-256 over classes, names, images and masks, so that a run can refuse to resume on other data."""
        digest = hashlib.sha256(repr(self.classes).encode())
        for part, images in self.parts.items():
            digest.update(part.encode() + images.digest())
        return digest.hexdigest()


@dataclass(frozen=True)
class Row:
    """A data set of data_prep/, in ``data/<name>/``, and its lists' lengths: ``labeled`` is a part of ``train``."""

    classes: tuple[str, ...]
    counts: dict[str, int]
    evaluation_size: tuple[int, int] | None = None


ROWS = {
    name: Row(**{key: tuple(value) if isinstance(value, list) else value for key, value in told.items()})
    for name, told in yaml.safe_load(Path(__file__).with_name("prepared.yml").read_text(encoding="utf-8")).items()
}
"""By their names, from ``prepared.yml`` beside this file."""

PREPARED = (*SCENES, *ROWS, *CAMVID_SHRINKS_BY)


def check_segmentation(name: str) -> None:
    """Raises a ValueError where :func:`load_segmentation` knows no data set of that name."""
    kind, _, path = str(name).partition(":")
    if name not in PREPARED and not (kind == "folder" and path):
        raise ValueError(f"data must be {', '.join(PREPARED)} or folder:PATH, got {name!r}{perhaps(name)}")


def load_segmentation(name: str, progress: bool = False) -> SegmentationData:
    """A data set by its name in a preset: `scenes`, `scenes-300`; `voc`, `cityscapes`, `camvid`, which data_prep/
    brings into the folder ``data``; `camvid-quarter` and `camvid-half`, made from `camvid`; or `folder:PATH`. A
    ValueError says what is wrong, if there is no such data set, or its files cannot be used."""
    check_segmentation(name)
    if name in SCENES:
        return load_scenes(name)
    if name in ROWS:
        return load_prepared(name, prepared(name))
    if name in CAMVID_SHRINKS_BY:
        return load_small_camvid(name, progress)
    return load_folder(written_out(name).removeprefix("folder:"), progress)


def load_scenes(name: str = "scenes") -> SegmentationData:
    """600 scenes to train on, and 150 to score, whose digits are on no training scene; see :mod:`.scenes`. For pages
    that have a minute, `scenes-300` are 300 and 75 others."""
    digits = load_digits()
    scans = {"train": (digits.train_images, digits.train_labels), "val": (digits.test_images, digits.test_labels)}
    parts = {}
    for offset, (part, count) in enumerate(SCENES[name].items()):
        images, labels = scans[part]
        scenes = generate_scenes(count, images[:, 0], labels, SCENES_SEED + offset)
        parts[part] = StoredImages([f"{part}-{i:03d}" for i in range(count)], *scenes)
    return SegmentationData(name, ("background", *(str(digit) for digit in KINDS)), parts)


def load_small_camvid(name: str = "camvid-quarter", progress: bool = False) -> SegmentationData:
    """CamVid for runs on a CPU: 90×120 pixels an image, or 180×240 as `camvid-half`, in memory; see
    :func:`.images.shrink`. The val images are scored, and not the test images: `results/trials.md` says why."""
    whole = load_prepared("camvid", prepared("camvid"))
    parts = {}
    for part in ("train", "val"):
        images = whole.parts[part]
        every = tqdm(range(len(images)), desc=f"{name} {part}", disable=not progress or None)
        pictures, masks = zip(*(shrink(*images[i], CAMVID_SHRINKS_BY[name]) for i in every), strict=True)
        parts[part] = StoredImages(images.names, torch.stack(pictures), torch.stack(masks))
    return SegmentationData(name, whole.classes, parts)


def load_prepared(name: str, folder: Path) -> SegmentationData:
    """One of :data:`ROWS`. Its masks were checked when its script wrote them, its counts are checked here: a
    ValueError, if it is not there, or not complete."""
    row = ROWS[name]
    if not folder.is_dir():
        raise ValueError(f"{folder}: no such folder; data_prep/{name}.py makes it")
    (images, found), masks = find_pictures(folder / "images"), find_masks(folder / "masks")
    lists = {}
    for part, count in row.counts.items():
        file = folder / f"{part}.txt"
        lists[part] = read_names(file)
        if len(lists[part]) != count:
            raise ValueError(f"{file}: {counted(len(lists[part]), 'name')}, expected {count:,}")
        require(lists[part], images, file, "image")
        require(lists[part], masks, file, "mask")
    labeled = lists.pop("labeled", None)
    require(labeled or (), set(lists["train"]), folder / "labeled.txt", "training image")
    parts = {part: ListedImages(names, images, masks, len(row.classes)) for part, names in lists.items()}
    return SegmentationData(name, row.classes, parts, labeled, row.evaluation_size, tuple(found.passed_over()))


def load_folder(path: str | Path, progress: bool = False) -> SegmentationData:
    """Someone's own images and masks; see :mod:`.folder` for the layout. All are read to their end. A ValueError of
    one line names the file of the first thing that is wrong, or a class without a pixel."""
    own = read_own_folder(Path(path))
    parts = {part: ListedImages(names, own.images, own.masks, len(own.classes)) for part, names in own.lists.items()}
    part_of = {name: part for part, names in own.lists.items() for name in names}
    places = [(part, index) for part in parts.values() for index in range(len(part))]

    def row(place: int) -> tuple:
        part, index = places[place]
        ids = torch.bincount(part.mask(index).flatten(), minlength=256)
        image, mask = part.files[index]
        turned = mask is not None and turned_unseen(read_bytes(image), str(image))
        return *facts(Image.fromarray(part.image(index).permute(1, 2, 0).numpy())), ids.numpy(), turned

    sources = [(*part.files[index], len(own.classes)) for part, index in places]
    made = read_all(row, sources, np.dtype([*FACTS, ("ids", "i8", 256), ("turned", "?")]), str(path), progress)
    rows = dict(zip(part_of, made, strict=True))
    for part in parts.values():
        part.hashes = {name: rows[name]["same"].decode() for name in part.names}
    told = remarks(rows, {name: (part, "") for name, part in part_of.items()})
    if turned := [name for name in part_of if rows[name]["turned"]]:
        images = f"{counted(len(turned), 'image')}, as {turned[0]!r}"
        told.append(f"warning: upright by EXIF, and no size tells whether masks are: {images}")
    told += _check_classes({name: rows[name]["ids"] for name in part_of if name in own.masks}, own, Path(path))
    return SegmentationData(Path(path).name, own.classes, parts, own.labeled, remarks=(*told, *own.remarks))


def _check_classes(ids: dict[str, np.ndarray], own: OwnFolder, folder: Path) -> list[str]:
    """What to know of masks, from their pixels of each id; a ValueError, if no training mask has one of some class."""

    def total(part: str) -> np.ndarray:
        return sum((ids[name] for name in own.lists[part] if name in ids), np.zeros(256, np.int64))

    def absent(counts: np.ndarray) -> str:
        return ", ".join(f"{label!r} (id {i})" for i, label in enumerate(own.classes) if not counts[i])

    train, flat = total("train"), [name for name in ids if ids[name][VOID] and not ids[name][1:VOID].any()]
    alone = f"warning: 0 and {VOID} alone: {counted(len(flat), 'mask')}, as "
    told = [f"{alone}{first!r}; {VOID} means ignore" for first in flat[:1]]
    if missing := absent(train):
        hint = f"; where masks are 0 and {VOID} alone, write the object's id: {VOID} means ignore" if flat else ""
        raise ValueError(f"{folder / 'masks'}: no training mask has a pixel of {missing}{hint}")
    if missing := absent(total("val")):
        told.append(f"warning: no pixel of {missing} in val")
    shares = 100 * train / train.sum()
    named = ", ".join(f"{label} {shares[i]:.1f}%" for i, label in enumerate(own.classes))
    return [f"pixels of training masks: {named}, ignored {shares[VOID]:.1f}%", *told]
