"""Pseudo labels of pixels on the disk: three bytes a pixel, written whole or not at all, read an image at a time.

FOLDER/
    labels.npy        uint8, all pixels of all images one after the other; 255 where a pixel was not kept
    confidence.npy    uint16, the codes of dmtlib.method.pixel_selection.encode_confidence
    manifest.json     the images' names and sizes, how many pixels of each class were kept, and hashes
"""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, UInt8, UInt16
from torch import Tensor

from ...files import json_hash, read_json, whole_folder, write_file
from ...method import pixel_selection
from ...method.pseudo_labels import count_selected

FORMAT = "dmtlib pixel labels, version 1"
LABELS, CONFIDENCE, MANIFEST = "labels.npy", "confidence.npy", "manifest.json"
TYPES = {LABELS: np.dtype("uint8"), CONFIDENCE: np.dtype("uint16")}
HEADER = 128  # bytes before the first pixel


@dataclass(frozen=True)
class PixelLabels:
    """The pseudo labels of some images: their ``names`` in the order in which they were labeled, height and width of
    each (``sizes``), how many pixels of each class were ``kept``, and the mark of their ``run``. It holds no pixels
    itself, so handing it to a worker process costs nothing."""

    folder: Path
    names: tuple[str, ...]
    sizes: tuple[tuple[int, int], ...]
    kept: tuple[int, ...]
    run: str | None = None

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> tuple[UInt8[Tensor, "H W"], Float[Tensor, "H W"]]:
        """One image's pseudo labels y_A, 255 where ignored, and confidences c_A, known for every pixel."""
        labels, codes = self.codes(index)
        return labels, pixel_selection.decode_confidence(codes)

    def codes(self, index: int) -> tuple[UInt8[Tensor, "H W"], UInt16[Tensor, "H W"]]:
        """The same as it is stored, with codes for the confidences."""
        height, width = self.sizes[index]
        labels, codes = (
            np.fromfile(self.folder / name, dtype, height * width, offset=HEADER + self.starts[index] * dtype.itemsize)
            for name, dtype in TYPES.items()
        )
        return torch.from_numpy(labels).reshape(height, width), torch.from_numpy(codes).reshape(height, width)

    @cached_property
    def starts(self) -> list[int]:
        """Where each image's pixels begin, and at last the number of all pixels."""
        return list(accumulate((height * width for height, width in self.sizes), initial=0))


Predictions = Iterable[tuple[str, UInt8[Tensor, "H W"], Float[Tensor, "H W"]]]
"""Name, predicted labels (255: takes no part) and confidences of each image, of any size, on any device."""


def write_pixel_labels(
    folder: str | Path, predictions: Predictions, num_classes: int, alpha: float, run: str | None = None
) -> PixelLabels:
    """Store predictions as they come, then ignore all but the top α of the pixels of each class (Alg. 2, line 12).
    Until everything is on the disk it stands in a folder of another name. Older pseudo labels there are replaced.

    ``predictions`` are iterated once; their labels are 0…``num_classes`` − 1; ``alpha`` is the share to keep, in
    (0, 1]; ``run`` tells whose they are, as :meth:`.directory.RunDirectory.mark` says. A ValueError of one line, if
    ``num_classes`` or ``alpha`` are out of range, there are no predictions, or an image's (named) don't fit."""
    count_selected(alpha, 0)  # refuses a bad alpha before all the predicting
    histogram = pixel_selection.empty_histogram(num_classes)
    folder = Path(folder)
    with whole_folder(folder, (LABELS, CONFIDENCE, MANIFEST)) as unfinished:
        stored, histogram = _store(unfinished, predictions, histogram)
        kept = _keep(stored, histogram, alpha)
        contents = {"format": FORMAT, "names": stored.names, "sizes": stored.sizes, "kept": kept, "run": run}
        contents["sha256"] = {name: _file_hash(unfinished / name) for name in (LABELS, CONFIDENCE)}
        write_file(unfinished / MANIFEST, json.dumps({"contents": contents, "sha256": json_hash(contents)}).encode())
    return PixelLabels(folder, stored.names, stored.sizes, kept, run)


def read_pixel_labels(folder: str | Path) -> PixelLabels:
    """Open what :func:`write_pixel_labels` wrote, after verifying the hashes: about a second a gigabyte. A ValueError
    of one line names a file that is missing, or not what was written; an OSError, if one cannot be read now."""
    folder = Path(folder)
    file = folder / MANIFEST
    try:
        manifest = read_json(file)
        contents = manifest["contents"]
        intact = contents["format"] == FORMAT and json_hash(contents) == manifest["sha256"]
    except FileNotFoundError:
        raise ValueError(f"{file}: no such file; write_pixel_labels makes it") from None
    except (ValueError, KeyError, TypeError):
        intact = False
    if not intact:
        raise ValueError(f"{file}: damaged, or not the manifest of pixel labels of this version ({FORMAT})")
    for name in (LABELS, CONFIDENCE):
        if not (file := folder / name).is_file() or _file_hash(file) != contents["sha256"][name]:
            raise ValueError(f"{file}: missing or damaged: its hash is not the one in {MANIFEST}")
    sizes = tuple((height, width) for height, width in contents["sizes"])
    return PixelLabels(folder, tuple(contents["names"]), sizes, tuple(contents["kept"]), contents.get("run"))


def _store(folder: Path, predictions: Predictions, histogram: Tensor) -> tuple[PixelLabels, Tensor]:
    """Write all predictions, and count them on their device."""
    names, sizes = [], []
    with open(folder / LABELS, "wb") as label_file, open(folder / CONFIDENCE, "wb") as code_file:
        for file in (label_file, code_file):
            file.seek(HEADER)  # which is written when the number of pixels is known
        for name, labels, confidence in predictions:
            try:
                if labels.dim() != 2:
                    raise ValueError(f"labels must be of shape (H, W), got {tuple(labels.shape)}")
                codes, histogram = pixel_selection.encode_confidence(confidence), histogram.to(labels.device)
                pixel_selection.count_pixels(histogram, labels, codes)
            except ValueError as error:
                raise ValueError(f"{name}: {error}") from None
            label_file.write(labels.cpu().contiguous().numpy())
            code_file.write(codes.cpu().contiguous().numpy())
            names.append(name)
            sizes.append(tuple(labels.shape))
        if not names:
            raise ValueError("predictions must hold at least one image")
        stored = PixelLabels(folder, tuple(names), tuple(sizes), kept=())
        header = {"fortran_order": False, "shape": (stored.starts[-1],)}
        for file, dtype in zip((label_file, code_file), TYPES.values(), strict=True):
            file.seek(0)
            np.lib.format.write_array_header_1_0(file, header | {"descr": np.lib.format.dtype_to_descr(dtype)})
            assert file.tell() == HEADER
    return stored, histogram.cpu()


def _keep(stored: PixelLabels, histogram: Tensor, alpha: float) -> tuple[int, ...]:
    """Overwrite the labels of pixels that are not among the top; count the others by class."""
    cut = pixel_selection.cut_classes(histogram, alpha)
    kept = torch.zeros(256, dtype=torch.int64)
    all_labels = np.load(stored.folder / LABELS, mmap_mode="r+")
    for index, start in enumerate(stored.starts[:-1]):
        labels, cut = pixel_selection.keep_pixels(*stored.codes(index), cut)
        all_labels[start : start + labels.numel()] = labels.reshape(-1).numpy()
        kept += labels.reshape(-1).bincount(minlength=len(kept))
    all_labels.flush()
    return tuple(kept[: len(histogram)].tolist())


def _file_hash(path: Path) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
