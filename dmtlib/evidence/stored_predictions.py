"""What a recorded run's model makes of a few fixed images, kept beside its record as small pictures.

    python -m dmtlib.evidence.stored_predictions runs/scenes/baseline/seed-0 runs/scenes/dmt/seed-0 --results results

writes results/scenes/<method>/seed-0/<image>.png, a pixel's value being its class, and predictions.json beside them,
which says which record, which model and which code they are of. A second or two a run; CamVid is read first, in ten.
The images are those of :func:`shown`, spread evenly over the list of names: nobody chose them by what they show.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from jaxtyping import UInt8
from torch import Tensor

from ..data.masks import decode_mask, encode_palette
from ..data.segmentation import load_segmentation
from ..training.provenance import commit
from ..training.runs import RunDirectory, RunError
from ..training.segmentation_evaluation import predict_images
from ..training.segmentation_runs import phase_segmenter
from ..training.storage import write_atomically, write_json
from .records import record_path

IMAGES = 6
PROVENANCE = "predictions.json"


def shown(names: Sequence[str]) -> list[int]:
    """Indices of the images that are kept: the first, and five more at equal distances; all, if there are fewer."""
    count = min(IMAGES, len(names))
    return [i * len(names) // count for i in range(count)]


def store_predictions(run: Path, results: Path) -> Path:
    """Predict the images of :func:`shown` with the model that the record's score is of, and return their folder.

    Args:
        run: a run directory on pixels.
        results: the folder that has the run's record.

    Raises:
        ValueError: an unfinished run, one without its record in ``results``, or other data than it was trained on.
        RunError: the run's weights are not there.
    """
    directory = RunDirectory(run)
    record = directory.record
    if record is None or "best" not in record:
        raise ValueError(f"{run} is no finished run on pixels")
    file = record_path(results, record)
    if not file.is_file() or json.loads(file.read_text(encoding="utf-8")) != record:
        raise ValueError(f"{file} is not the record of {run}; `train` with --results copies it there")
    data = load_segmentation(record["config"]["data"])
    if data.fingerprint != record["data_fingerprint"]:
        raise ValueError(f"{run} was made on another version of {data.name}")
    images, phase = data.parts[record["scored_on"]], len(record["phases"]) - 1
    model = phase_segmenter(directory, phase, record["best"])
    indices = shown(images.names)
    folder = file.with_suffix("")
    predictions = predict_images(model, images, indices, data.evaluation_size)
    for index, probabilities in zip(indices, predictions, strict=True):
        picture = folder / f"{images.names[index]}.png"
        picture.parent.mkdir(parents=True, exist_ok=True)
        content = encode_palette(probabilities.argmax(dim=0).to(torch.uint8).numpy())
        write_atomically(picture, lambda file, content=content: file.write(content))
    provenance = {
        "record_sha256": record_hash(record),
        "model": f"{record['best']} of phase {phase}",
        "part": record["scored_on"],
        "images": [images.names[index] for index in indices],
        "commit": commit(),
    }
    write_json(folder / PROVENANCE, provenance)
    return folder


def load_predictions(
    results: Path, record: dict[str, Any], size: tuple[int, int]
) -> dict[str, UInt8[Tensor, "H W"]] | None:
    """The stored predictions of a record's run by image, in the order of the list; None if there are none.

    Args:
        size: height and width of the images.

    Raises:
        ValueError: they are of another run, or damaged.
    """
    folder = record_path(results, record).with_suffix("")
    if not (folder / PROVENANCE).is_file():
        return None
    provenance = json.loads((folder / PROVENANCE).read_text(encoding="utf-8"))
    if provenance["record_sha256"] != record_hash(record):
        raise ValueError(f"{folder} has predictions of another run than the record beside it; store them anew")
    classes, found = len(record["class_iou"]), {}
    for name in provenance["images"]:
        file = folder / f"{name}.png"
        content = file.read_bytes() if file.is_file() else b""
        found[name] = torch.from_numpy(decode_mask(content, str(file), size, classes))
    return found


def record_hash(record: dict[str, Any]) -> str:
    """SHA-256 of a record, however its file is laid out."""
    return hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()


def main(arguments: list[str] | None = None) -> int:
    """Returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="finished run directories on pixels")
    parser.add_argument("--results", type=Path, default=Path("results"), help="the folder with their records")
    options = parser.parse_args(arguments)
    try:
        for run in options.runs:
            print(store_predictions(run, options.results))
    except (ValueError, RunError, OSError) as error:
        print(f"stored_predictions: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
