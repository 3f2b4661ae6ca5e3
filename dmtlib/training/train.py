"""One door: a run on images (Alg. 1) or on pixels (Alg. 2), from its settings to its record."""

from contextlib import nullcontext
from pathlib import Path
from typing import Any

from ..files import remove_unfinished
from ..words import counted, tell
from .directory import RunDirectory
from .methods import METHODS
from .metrics_log import written_log
from .pixels.config import SegmentationConfig
from .precision import choose_device
from .processes import after_first, by_first, count, rank
from .provenance import run_record
from .settings import Config
from .storage import Damaged, telling

WORKERS_LEAVE = 10.0  # seconds that processes which prepare batches need to see that theirs was killed


def train(
    config: Config, *, runs: str | Path = "runs", device: str = "auto", progress: bool = True, data: Any = None
) -> dict[str, Any]:
    """Run ``config`` to its end, or go on with it where it was left, and return its record, as in ``result.json``.

    Args:
        config: what to run; see :func:`dmtlib.presets.preset`.
        runs: folder of run directories; this one is ``runs/<preset>/<method>/seed-<n>``.
        device: `auto`, `cuda`, `cuda:N`, `mps` or `cpu`.
        progress: show a live bar.
        data: a data set that is in memory; None loads ``config.data``.

    A finished run is not repeated, unless its last phase is gone or damaged. A RunError, if the run directory is in
    use, holds other settings or another split, or cannot be written, the disk is full, or memory is short; a
    ValueError for an unknown or absent device, data or weights that cannot be read, or too few data."""
    if isinstance(config, SegmentationConfig):  # needs torchvision, which takes seconds to import
        from .pixels.mutual import MutualTraining as Algorithm
    else:
        from .images.curriculum import Curriculum as Algorithm
    where = choose_device(device)
    if config.batch_size % count():
        raise ValueError(f"{count()} processes can't share batches of {config.batch_size} evenly")
    directory = RunDirectory.of(config, runs)
    with telling(directory.path, "; the same command goes on afterwards", f" for batches of {config.batch_size}"):
        data = data or after_first(lambda: Algorithm.load(config.data, progress))
        fingerprint = by_first(lambda: data.fingerprint)
        split = Algorithm.draw(config, data)  # what these refuse leaves no directory
        told = {"classes": list(data.classes)} if getattr(data, "own", False) else {}  # told in words
        with directory.lock(WORKERS_LEAVE if where.type == "cuda" else 0) if rank() == 0 else nullcontext():
            if rank() == 0:
                remove_unfinished(directory.path)
                directory.claim({**config.to_json(), "device": where.type, "data_fingerprint": fingerprint, **told})
                directory.claim_split(split.to_json(fingerprint))
            if progress:
                for place, line in enumerate([*data.summary, *of_split(config, data, split)]):
                    tell(("  " if place else "") + line)
            record = by_first(lambda: directory.record)
            while True:
                try:
                    run = Algorithm(config, data, split, directory, where, progress)
                    finished = record is not None and len(run.journal.records) == config.phases
                    seconds = record["seconds"] if finished else run.journal.run(run.run_phase, run.steps_in)
                    kept = run.score(), run.journal.records, directory.split, sum(run.journal.lengths)
                    made = run_record(config, *kept, seconds, where)
                    if finished:
                        directory.check_record(made)
                        written_log(directory.path / "metrics.jsonl", run.journal.last)
                        return record
                    if rank() == 0:
                        directory.finish(made)
                    return made
                except Damaged as damaged:  # then from the phase before it, or without it
                    if rank() == 0:
                        damaged.set_aside()
                except ValueError:  # weights that cannot be brought, say
                    if rank() == 0:
                        directory.give_up()
                    raise


def of_split(config: Config, data: Any, split: Any) -> list[str]:
    """Lines: how much of the data a run has labels of, and a warning for classes that are in none of them."""
    told = [f"{config.preset}: {counted(len(split.labeled), 'label')}, {len(split.unlabeled):,} unlabeled"]
    if not METHODS[config.method].all_labels and (absent := data.absent(split.labeled)):
        told.append(f"warning: {', '.join(absent)}: in none of these labels, so nothing teaches it")
    return told
