"""Where a number comes from: the commit and the versions that a record carries."""

from __future__ import annotations

import contextlib
import os
import platform
import subprocess
from pathlib import Path
from typing import Any

import torch

from .precision import describe_device, describe_precision
from .settings import Config

SOURCE = Path(__file__).resolve().parents[2]
TRAINING_CODE = [
    f"dmtlib/{part}" for part in ("method", "models", "data", "training", "files.py", "words.py", "presets.py")
]


def circumstances(
    config: Config, split: dict[str, Any], steps: int, seconds: float, device: torch.device
) -> dict[str, Any]:
    """All that a run's number depends on besides its phases, and what it cost: ``steps`` of all phases, and the
    ``seconds`` of all processes that had a part in it. ``split`` are the contents of ``split.json``."""
    return {
        "config": config.to_json(),
        "data_fingerprint": split["data_fingerprint"],
        "split_sha256": split["sha256"],
        "seconds": round(seconds, 3),
        "images_per_second": round(config.batch_size * steps / seconds, 1),
        "device": describe_device(device),
        "computed_in": describe_precision(device, config.precision),
        "commit": commit(),
        "versions": versions() | (cuda_versions() if device.type == "cuda" else {}),
    }


def commit() -> str | None:
    """The git commit of the source, with "+changes" when training code differs from it.

    Outside a checkout None; a copy may be told in DMT_COMMIT what it is a copy of, which nobody can verify: "+copy".
    """
    try:
        head = _git("rev-parse", "HEAD")
        changed = _git("status", "--porcelain", "--", *TRAINING_CODE)
    except (OSError, subprocess.SubprocessError):
        told = os.environ.get("DMT_COMMIT")
        return f"{told}+copy" if told else None
    return head + ("+changes" if changed else "")


def versions() -> dict[str, str]:
    """Versions of what a result may depend on."""
    import numpy

    import dmtlib

    return {
        "python": platform.python_version(),
        "dmtlib": dmtlib.__version__,
        "torch": torch.__version__,
        "numpy": numpy.__version__,
    }


def cuda_versions() -> dict[str, str | None]:
    """More of them on a GPU; the driver is None where nvidia-smi doesn't tell."""
    found = {"cuda": torch.version.cuda, "cudnn": str(torch.backends.cudnn.version()), "driver": None}
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        found["driver"] = _said_by("nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader").split("\n")[0]
    return found


def _git(*arguments: str) -> str:
    if not (SOURCE / ".git").exists():
        raise OSError("not a checkout")
    mine = f"safe.directory={SOURCE}"  # or git refuses another user's checkout, as root meets it in a container
    return _said_by("git", "-c", mine, "-C", str(SOURCE), *arguments)


def _said_by(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=10).stdout.strip()
