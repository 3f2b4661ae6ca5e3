"""Where a number comes from: the commit and the versions that a record carries."""

from __future__ import annotations

import platform
import subprocess
from pathlib import Path
from typing import Any

import torch

from .precision import describe_device, describe_precision
from .settings import Config

SOURCE = Path(__file__).resolve().parents[2]
TRAINING_CODE = [f"dmtlib/{part}" for part in ("method", "models", "data", "training", "files.py", "presets.py")]


def circumstances(
    config: Config, split: dict[str, Any], steps: int, seconds: float, device: torch.device
) -> dict[str, Any]:
    """All that a run's number depends on besides its phases, and what it cost.

    Args:
        split: the contents of ``split.json``.
        steps: of all phases.
        seconds: spent on this run, by all processes that had a part in it.
    """
    return {
        "config": config.to_json(),
        "data_fingerprint": split["data_fingerprint"],
        "split_sha256": split["sha256"],
        "seconds": round(seconds, 3),
        "images_per_second": round(config.batch_size * steps / seconds, 1),
        "device": describe_device(device),
        "computed_in": describe_precision(device, config.precision),
        "commit": commit(),
        "versions": versions(),
    }


def commit() -> str | None:
    """The git commit of the source, with "+changes" when training code differs from it; None outside a checkout."""
    try:
        head = _git("rev-parse", "HEAD")
        changed = _git("status", "--porcelain", "--", *TRAINING_CODE)
    except (OSError, subprocess.CalledProcessError):
        return None
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


def _git(*arguments: str) -> str:
    if not (SOURCE / ".git").exists():
        raise OSError("not a checkout")
    return subprocess.run(
        ["git", "-C", str(SOURCE), *arguments], check=True, capture_output=True, text=True, timeout=10
    ).stdout.strip()
