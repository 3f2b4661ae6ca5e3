"""What a run tells while it trains: a log of metrics, taken back to a checkpoint when it goes on, and a bar."""

from __future__ import annotations

import json
import os
import sys
import warnings
from pathlib import Path
from typing import Any

from tqdm.auto import tqdm

from ..files import plain, to_disk


class MetricsLog:
    """JSON lines that can be taken back to an earlier position, plus the same numbers as TensorBoard curves."""

    def __init__(self, directory: Path, position: int, global_step: int) -> None:
        from torch.utils.tensorboard import SummaryWriter  # slow to import, so not before training

        file = directory / "metrics.jsonl"
        self._file = open(file, "ab")  # noqa: SIM115 - lives as long as the run
        if self._file.tell() < position:
            position = file.read_bytes().rfind(b"\n") + 1  # nothing is made up: truncate would fill it with zeros
            warnings.warn(f"{file} lacks lines of the steps before: it was cut, and goes on from here", stacklevel=2)
        self._file.truncate(position)
        self._curves = SummaryWriter(directory / "tensorboard", purge_step=global_step)

    def append(self, global_step: int, line: dict[str, Any]) -> None:
        self._file.write((json.dumps(plain(line), allow_nan=False) + "\n").encode())
        self._file.flush()  # for whoever watches; fsync waits for the next checkpoint
        for name, value in line.items():
            if isinstance(value, int | float) and name not in ("phase", "step"):
                self._curves.add_scalar(name, value, global_step)

    def position(self) -> int:
        """Bytes written so far, all of them on the disk: a checkpoint may now refer to them."""
        to_disk(self._file)
        return self._file.seek(0, os.SEEK_END)

    def close(self) -> None:
        self._file.close()
        self._curves.close()


def progress_bar(total_images: int, done_images: int, enabled: bool) -> tqdm:
    """One bar over all phases, in a terminal and in a notebook: images/s, and the time left."""
    return tqdm(
        total=total_images,
        initial=done_images,
        unit="img",
        unit_scale=True,
        dynamic_ncols=True,
        disable=not enabled,
        mininterval=0.2 if sys.stderr.isatty() or "ipykernel" in sys.modules else 30,
    )


def describe_window(step: int | str, window: dict[str, Any]) -> str:
    """A line of the metrics log, for people: loss, mean weight and shares of the three cases."""
    parts = [f"step {step}"]
    if window["loss"] is not None:  # JSON has no NaN
        parts.append(f"loss {window['loss']:.3f}")
    if window.get("mean_weight") is not None:
        parts.append(f"weight {window['mean_weight']:.2f}")
    if window.get("case_shares"):
        parts.append("cases " + "/".join(f"{100 * share:.0f}" for share in window["case_shares"]) + "%")
    return ", ".join(parts)
