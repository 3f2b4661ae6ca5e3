"""The metrics log of a run: what is written while it trains, and taken back to a checkpoint when it goes on."""

from __future__ import annotations

import json
import os
import warnings
from pathlib import Path
from typing import Any

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
