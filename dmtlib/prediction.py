"""A finished run asked about images that are new to it: a class and a confidence for each, or a mask.

    dmtlib predict RUN IMAGES --out OUT

does what :func:`predict_folder` does. Only weights and plain values are read from a run, never code.
"""

import csv
import io
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn
from tqdm.auto import tqdm

from .data.entry import side_by_side
from .data.finding import NAMES, NOT_UTF8, Found, find, is_utf8
from .data.images.folders import square
from .data.pictures import picture, read_bytes
from .data.pixels.images import ListedImages
from .data.pixels.masks import encode_palette
from .files import inside, whole_file, whole_folder, write_file
from .method.pseudo_labels import pseudo_label
from .training.directory import RunDirectory, RunError, is_run_directory
from .training.images.evaluation import PREDICTION_BATCH, predict
from .training.images.stored import phase_model
from .training.pixels.evaluation import predict_images
from .training.pixels.stored import phase_segmenter
from .training.precision import choose_device
from .training.storage import restoring, telling
from .words import tell

COLUMNS = ("file", "class", "confidence")


def grey(pixels: UInt8[Tensor, "*B 3 H W"]) -> UInt8[Tensor, "*B 1 H W"]:
    """As bright as RGB pixels are to the eye (ITU-R 601-2)."""
    red, green, blue = pixels.int().split(1, dim=-3)
    return ((299 * red + 587 * green + 114 * blue + 500) // 1000).to(torch.uint8)


@dataclass(frozen=True)
class Classifier:
    """The last model of a run on images, and what it must know of an image: its shorter side is brought to ``side``
    pixels, and the middle is kept; ``mean`` and ``std`` are per channel, of pixels scaled to [0, 1], and of one
    channel, if it has learned grey images."""

    model: nn.Module
    classes: tuple[str, ...]
    side: int
    mean: tuple[float, ...]
    std: tuple[float, ...]

    def read(self, file: Path) -> UInt8[Tensor, "C side side"]:
        """Raises a ValueError of one line that names the file, where it is unreadable."""
        pixels = torch.from_numpy(square(picture(read_bytes(file), str(file)), self.side).copy())
        return pixels if len(self.mean) == 3 else grey(pixels)

    def probabilities(self, images: UInt8[Tensor, "N C side side"]) -> Float[Tensor, "N classes"]:
        """Of clean images, on the CPU."""
        return predict(self.model, images, self.mean, self.std).cpu()


@dataclass(frozen=True)
class Segmenter:
    """The better of the last models of a run on pixels (Alg. 2, line 16), or both, whose probabilities are averaged.
    Their normalisation is among their weights."""

    model: nn.Module | list[nn.Module]
    classes: tuple[str, ...]

    def labels(self, files: Sequence[Path]) -> Iterator[UInt8[Tensor, "H W"]]:
        """The class of every pixel of one image after the other, each in its own size, on the CPU; an
        unreadable image is a ValueError of one line that names the file."""
        images = ListedImages([str(file) for file in files], {str(f): f for f in files}, {}, len(self.classes))
        predictions = predict_images(self.model, images, range(len(images)))
        for _ in files:  # no name holds one image's probabilities while the next one's are made
            yield next(predictions).argmax(dim=0).to(torch.uint8).cpu()


def load_run(path: str | Path, device: str = "auto", both: bool = False) -> Classifier | Segmenter:
    """The model that a finished run ended with, such as that in ``runs/digits-40/dmt/seed-0``, on ``device``: `auto`,
    `cuda`, `mps` or `cpu`; of a run on pixels ``both``, if it has two. A ValueError for an unknown or absent device; a
    RunError, if there is no run, an unfinished one, one without two models, or one of damaged or too old files."""
    where = choose_device(device)
    run = RunDirectory(Path(path))
    if not ((settings := run.path / "config.json").is_file() or os.path.lexists(settings)):
        raise RunError(f"{path} is no run directory: there is no config.json in it")
    if (record := run.record) is None:
        raise RunError(f"{path} holds an unfinished run; the command that began it goes on with it")
    last = len(record["phases"]) - 1
    with telling(run.path), restoring(run.phase_file(last)):
        state = run.load_phase(last)
        run.check_record({"phases": state["records"]})
        if "best" in record and "classes" in state:
            if both and len(state["models"]) < 2:
                raise RunError(f"{path} has one model, so there are no two to average")
            models = [phase_segmenter(run, last, name).to(where) for name in (state["models"] if both else "")]
            best = models or phase_segmenter(run, last, record["best"]).to(where)
            return Segmenter(best, tuple(state["classes"]))
        if both:
            raise RunError(f"{path} is a run on images; two models are averaged on pixels alone")
        if seen := state.get("data"):
            classes, mean, std = (tuple(seen[name]) for name in ("classes", "mean", "std"))
            return Classifier(phase_model(run, last).to(where), classes, seen["side"], mean, std)
    raise RunError(f"{path} was made by an older version, which did not keep the classes' names; run it anew")


def predict_folder(
    run: str | Path,
    images: str | Path,
    out: str | Path,
    *,
    device: str = "auto",
    skip_unreadable: bool = False,
    both: bool = False,
) -> int:
    """Ask a finished run about every image below a folder, write its answers, and return how many. What was left out
    is told, and a bar is shown on a terminal. A RunError, as of :func:`load_run`, or if the answers cannot be written,
    or memory is short; a ValueError of one line names the file, if there are no images, or an unreadable one, or
    ``out`` holds something else.

    Args:
        run: a run directory; see :func:`load_run`.
        images: a folder, or one image; :mod:`.data.finding` says which files are images.
        out: of a run on images, a new CSV file with the columns file, class and confidence. Of a run on pixels, a new
            folder, whole or absent: for each image a palette PNG of its size and name, a pixel's value its class.
        both: of a run on pixels, the mean of its two models' probabilities decides, not the better one alone.
        skip_unreadable: leave out what cannot be read, and name it. All images are read twice then.
    """
    images, out = Path(images), Path(out)
    model = load_run(run, device, both)
    check_place(out, Path(run), images)
    found = find_images(images, skip_unreadable)
    for line in found.passed_over():
        tell(line)
    files = list(found.images.values())
    write = write_masks if isinstance(model, Segmenter) else write_classes
    with telling(out, "; nothing was written"):
        write(model, files, images if images.is_dir() else images.parent, out)
    return len(files)


def check_place(out: Path, run: Path, images: Path) -> None:
    """Answers go where nothing of a run's, and nothing that is asked about, can be lost: a ValueError, if ``out`` is,
    lies in or holds a run directory, or the images, or lies beside anyone's images and masks; or is a mount point."""
    if os.path.ismount(out):
        raise ValueError(f"{out} is where something is mounted: choose a new --out in it")
    for what, there in (("the run", run), ("the images", images)):
        if inside(out, there) or inside(there, out):
            raise ValueError(f"{out} must be apart from {what}, {there}: choose another --out")
    for folder in Path(os.path.realpath(out)).parents:
        if is_run_directory(folder):
            raise ValueError(f"{out} lies in the run directory {folder}: choose another --out")
        if (folder / "images").is_dir() and (folder / "masks").is_dir():
            raise ValueError(f"{out} lies in the data {folder}: choose another --out")


def find_images(path: Path, skip_unreadable: bool = False) -> Found:
    """Every image below a folder, or the one that ``path`` is. What is refused or cannot be read is left out and named
    with ``skip_unreadable``; else a ValueError for the first that is refused. A ValueError, if there is none."""
    if path.is_file():
        if not is_utf8(path.name):
            raise ValueError(f"{path}: {NOT_UTF8}")
        return Found(str(path.parent), {path.name: path})
    if not path.is_dir():
        raise ValueError(f"{path}: {'no file and no folder' if path.exists() else 'no such file or folder'}")
    found = find(path)
    if skip_unreadable:
        told = [f"{path}: {name!r} {why}" for name, why in sorted(found.refused.items())]
        errors = dict(zip(found.images, side_by_side(_unreadable, found.images.values()), strict=True))
        found.images = {name: file for name, file in found.images.items() if not errors[name]}
        for line in [*told, *filter(None, errors.values())]:
            tell(f"skipped: {line}")
    else:
        found.require_whole()
    if not found.images:
        none = "no image left: all were skipped" if skip_unreadable and (told or errors) else f"no {NAMES} image in it"
        raise ValueError(f"{path}: {none}; in it: {found.others()}")
    return found


def _unreadable(file: Path) -> str | None:
    try:
        picture(read_bytes(file), str(file))
    except ValueError as error:
        return str(error)


def write_classes(model: Classifier, files: Sequence[Path], folder: Path, out: Path) -> None:
    """A line for each image. A name that begins as a formula does, with one of ``= + - @``, has a quote mark before
    it, or behind its comma or semicolon; control characters are escaped. A ValueError, if a folder is there, or a file
    that has something in it; an OSError, if it cannot be written."""
    if out.is_dir():
        raise ValueError(f"{out} is a folder; the classes of images go into one CSV file")
    if out.is_file() and out.stat().st_size:  # perhaps corrected by hand
        raise ValueError(f"{out} is there already; choose another --out, or move it away")
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(COLUMNS)
    left = iter(files)
    with whole_file(out) as table_file, _bar(files) as bar:
        while batch := list(islice(left, PREDICTION_BATCH)):
            labels, confidence = pseudo_label(model.probabilities(torch.stack([model.read(file) for file in batch])))
            for file, label, sure in zip(batch, labels.tolist(), confidence.tolist(), strict=True):
                name = file.relative_to(folder).as_posix()
                table.writerow((_as_text(name), _as_text(model.classes[label]), f"{sure:.6f}"))
            bar.update(len(batch))
        table_file.write(text.getvalue().encode())


def _as_text(name: str) -> str:
    """Excel and its kin would compute what begins like a formula, behind a ; as well: a quote mark makes it a word."""
    plain = re.sub("[\0-\x1f\x7f-\x9f]", lambda control: ascii(control[0])[1:-1], name)
    return re.sub(r"(^|[;,])(?=\s*[=+\-@＝＋－＠])", r"\1'", plain)


def write_masks(model: Segmenter, files: Sequence[Path], folder: Path, out: Path) -> None:
    """A mask for each image, which :mod:`.data.pixels.masks` can read again: corrected by hand, it is a label."""
    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        raise ValueError(f"{out} is there already; masks go into a new folder")
    names = [file.relative_to(folder).with_suffix(".png") for file in files]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"{folder}: two images are named {twice.with_suffix('')}, and would have the same mask")
    if within := next((name for name in names if {*name.parents} & {*names}), None):
        raise ValueError(f"{folder / within}: the folder that it is in bears the name of another image's mask")
    with whole_folder(out) as unfinished, _bar(files) as bar:
        for name, labels in zip(names, model.labels(files), strict=True):
            write_file(unfinished / name, encode_palette(labels.numpy()))
            bar.update()


def _bar(files: Sequence[Path]) -> tqdm:
    return tqdm(total=len(files), desc="predict", unit=" images", disable=None)
