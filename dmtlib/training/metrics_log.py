"""What a run tells while it trains: a log of metrics, taken back to a checkpoint when it goes on, and a bar."""

import errno
import hashlib
import io
import json
import os
import sys
import warnings
from pathlib import Path
from typing import Any

from tqdm.auto import tqdm

from ..files import alone, open_regular, plain, to_disk


def written_log(file: Path, place: dict[str, Any]) -> bytes:
    """What a run had written when it was at ``place``, as :meth:`MetricsLog.place` said. If the log is something else,
    then what there is of it, in whole lines, with a warning. An OSError, if it cannot be read."""
    with open_regular(file) if os.path.lexists(file) else io.BytesIO() as there:
        size = there.seek(0, os.SEEK_END)
        there.seek(0)
        content = there.read(min(size, place["metrics_bytes"]))  # and no more: a log may have any size
    short = len(content) < place["metrics_bytes"]
    if short or place.get("metrics_sha256") not in (None, hashlib.sha256(content).hexdigest()):  # older runs have none
        what = "lacks lines of the steps before: it was cut" if short else "was changed: other lines were written"
        warnings.warn(f"{file} {what}", stacklevel=3)
    return content[: content.rfind(b"\n") + 1] if short else content


class MetricsLog:
    """JSON lines that can be taken back to an earlier position, plus the same numbers as TensorBoard curves."""

    def __init__(self, directory: Path, place: dict[str, Any], global_step: int) -> None:
        from torch.utils.tensorboard import SummaryWriter  # slow to import, so not before training

        file = directory / "metrics.jsonl"
        kept = written_log(file, place)  # and nothing made up: truncate would fill what is missing with zeros
        self._hash = hashlib.sha256(kept)
        self._file = open(alone(file), "ab")  # noqa: SIM115 - lives as long as the run
        self._file.truncate(len(kept))
        if os.path.lexists(curves := alone(directory / "tensorboard")) and not curves.is_dir():
            raise OSError(errno.ENOTDIR, "is no folder: move it away", str(curves))
        self._curves = SummaryWriter(curves, purge_step=global_step)

    def append(self, global_step: int, line: dict[str, Any]) -> None:
        written = (json.dumps(plain(line), allow_nan=False) + "\n").encode()
        self._file.write(written)
        self._hash.update(written)
        self._file.flush()  # for whoever watches; fsync waits for the next checkpoint
        for name, value in line.items():
            if isinstance(value, int | float) and name not in ("phase", "step"):
                self._curves.add_scalar(name, value, global_step)

    def place(self) -> dict[str, Any]:
        """What was written so far, all of it on the disk: a checkpoint may now refer to it."""
        to_disk(self._file)
        return {"metrics_bytes": self._file.seek(0, os.SEEK_END), "metrics_sha256": self._hash.hexdigest()}

    def close(self) -> None:
        self._file.close()
        self._curves.close()


def progress_bar(total_images: int, done_images: int, enabled: bool) -> tqdm:
    """One bar over all phases, in a terminal and in a notebook: images/s, and the time left."""
    look = {"unit": "img", "unit_scale": True, "dynamic_ncols": True, "disable": not enabled}
    seconds = 0.2 if sys.stderr.isatty() or "ipykernel" in sys.modules else 30  # between two looks
    return tqdm(total=total_images, initial=done_images, mininterval=seconds, **look)


def describe_window(step: int | str, window: dict[str, Any]) -> str:
    """A line of the metrics log, for people: loss, mean weight and shares of the three cases."""
    parts = [f"{'start, ' * ('start' in window)}step {step}"]
    if window["loss"] is not None:  # JSON has no NaN
        parts.append(f"loss {window['loss']:.3f}")
    if window.get("mean_weight") is not None:
        parts.append(f"weight {window['mean_weight']:.2f}")
    if window.get("case_shares"):
        parts.append("cases " + "/".join(f"{100 * share:.0f}" for share in window["case_shares"]) + "%")
    return ", ".join(parts)
