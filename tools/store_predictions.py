"""What a recorded run's model makes of a few fixed images, kept beside its record as small pictures.

    python tools/store_predictions.py runs/scenes/baseline/seed-0 runs/scenes/dmt/seed-0 --results results

writes results/scenes/<method>/seed-0/<image>.png, a pixel's value being its class, and predictions.json beside them,
which says which record, which model and which code they are of. A second or two a run; CamVid is read first, in ten.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the clone, for `book`

from book.studies.stored_predictions import PROVENANCE, record_hash, shown
from dmtlib.data.pixels.datasets import load_segmentation
from dmtlib.data.pixels.masks import encode_palette
from dmtlib.files import whole_file, write_json
from dmtlib.records.store import record_path
from dmtlib.training.directory import RunDirectory, RunError
from dmtlib.training.pixels.evaluation import predict_images
from dmtlib.training.pixels.stored import phase_segmenter
from dmtlib.training.provenance import commit


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
        with whole_file(folder / f"{images.names[index]}.png") as file:
            file.write(encode_palette(probabilities.argmax(dim=0).to(torch.uint8).numpy()))
    provenance = {
        "record_sha256": record_hash(record),
        "model": f"{record['best']} of phase {phase}",
        "part": record["scored_on"],
        "images": [images.names[index] for index in indices],
        "commit": commit(),
    }
    write_json(folder / PROVENANCE, provenance)
    return folder


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
        print(f"store_predictions: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
