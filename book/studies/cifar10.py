"""Chapter 6: errors by confidence, and the baselines that they are measured on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from dmtlib.records.comparison import recorded_settings
from dmtlib.records.reproduction import CIFAR10 as PRESETS
from dmtlib.records.store import load_records


def confidence_curves(baselines: list[dict[str, Any]]) -> pd.DataFrame:
    """Fig. 1's errors in percent from records of baselines: a row a kept share in percent, a column a seed.

    Records of before there was such a curve in them are left out.
    """
    curves = {record["seed"]: record["phases"][0].get("error_by_confidence") for record in baselines}
    table = pd.DataFrame({seed: curve for seed, curve in curves.items() if curve})
    return table.set_axis(table.index.astype(int))


def baseline_curves(results: Path) -> dict[str, pd.DataFrame]:
    """Fig. 1's errors of the recorded baselines: the longest ones with 4,000 labels, and the small-scale ones."""
    name, longest = "4,000 labels", []
    for setting, group in recorded_settings(results, PRESETS[4000]).items():
        if group["baseline"]:
            name, longest = f"{name}, budget {setting.budget:g}", group["baseline"]
            break
    small = load_records(results, "cifar10-small", "baseline")
    return {name: confidence_curves(longest), "small-scale": confidence_curves(small)}
