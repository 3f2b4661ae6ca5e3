"""What B is taught in the last phase of a recorded run of DMT on scenes, of two scenes, kept beside the record.

    dmtlib train scenes --method dmt --runs runs
    python tools/store_lesson.py runs/scenes/dmt/seed-0 --results results

writes lesson-<scene>-label.png (a pixel's value is its class), lesson-<scene>-weight.png (255 is a weight of 1) and
lesson.json, which says which record and which code they are of. The run may be a repetition of the recorded one, if
every number of every phase is the recorded one.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import numpy as np
import torch
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the clone, for `book`

from book.studies.mutual_training import lessons
from book.studies.stored_lesson import LEVELS, PROVENANCE, chosen
from book.studies.stored_predictions import record_hash
from dmtlib.data.pixels.datasets import load_segmentation
from dmtlib.data.pixels.masks import encode_palette
from dmtlib.files import whole_file, write_json
from dmtlib.presets import preset
from dmtlib.records.store import record_path
from dmtlib.training.directory import RunDirectory, RunError
from dmtlib.training.pixels.stored import stored_pixel_labels
from dmtlib.training.provenance import commit

LEARNER = "B"


def store_lesson(run: Path, results: Path) -> Path:
    """Weigh A's labels of the last phase by B as that phase begins, and return the folder with two scenes of it.

    Raises:
        ValueError: an unfinished run, or one whose numbers are not those of the record in ``results``.
        RunError: the run's weights are not there.
    """
    directory = RunDirectory(run)
    record = directory.record
    if record is None or "best" not in record or record["config"]["method"] != "dmt":
        raise ValueError(f"{run} is no finished run of DMT on pixels")
    file = record_path(results, record)
    recorded = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else None
    if recorded is None or recorded["phases"] != record["phases"]:
        raise ValueError(f"{file} is not the record of {run}: its phases have other numbers")
    settings = record["config"]
    config = preset(settings["preset"], "dmt", settings["seed"], settings["budget"])
    training = load_segmentation(config.data).parts["train"]
    phase = config.phases - 1
    taught = lessons(config, directory, training, phase, LEARNER)
    names = stored_pixel_labels(directory, phase, LEARNER).names
    folder, places = file.with_suffix(""), chosen(taught)
    for place in places:
        with whole_file(folder / f"lesson-{names[place]}-label.png") as png:
            png.write(encode_palette(taught.labels[place].to(torch.uint8).numpy()))
        with whole_file(folder / f"lesson-{names[place]}-weight.png") as png:
            grey = np.rint(LEVELS * taught.weights[place].numpy()).astype(np.uint8)
            Image.fromarray(grey).save(png, format="png", optimize=True)
    provenance = {
        "record_sha256": record_hash(recorded),
        "learner": f"{LEARNER}, as phase {phase} begins",
        "images": [names[place] for place in places],
        "commit": commit(),
    }
    write_json(folder / PROVENANCE, provenance)
    return folder


def main(arguments: list[str] | None = None) -> int:
    """Returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, metavar="RUN", help="a finished run directory of DMT on scenes")
    parser.add_argument("--results", type=Path, default=Path("results"), help="the folder with its record")
    options = parser.parse_args(arguments)
    try:
        print(store_lesson(options.run, options.results))
    except (ValueError, RunError, OSError) as error:
        print(f"store_lesson: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
