"""Chapter 6: errors by confidence, and the baselines that they are measured on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from dmtlib.records.comparison import NOT_RUN, PAPER, cell, recorded_settings
from dmtlib.records.printed import paper_number
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
    """Fig. 1's errors of the recorded baselines, by name: the fast recipe's, and the longest of the paper's network.

    Only the fast one with 4,000 labels is named where nothing is recorded.
    """
    found = {}
    for labels in PRESETS:
        baselines = load_records(results, f"cifar10-{labels}-fast", "baseline")
        if baselines or not found:
            found[f"{labels:,} labels, fast"] = confidence_curves(baselines)
    for setting, group in recorded_settings(results, PRESETS[4000]).items():
        if group["baseline"]:
            found[f"4,000 labels, budget {setting.budget:g}"] = confidence_curves(group["baseline"])
            break
    return found


def confidence_table(curves: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Fig. 1 in numbers: errors in percent among the most confident labels, ours from records, over seeds.

    Args:
        curves: by name, a row a kept share in percent, a column a seed.
    """
    kept = pd.Index([20, 40, 60, 80, 100], name="kept (%)")
    table = pd.DataFrame({PAPER: ""}, index=kept)
    table.loc[100, PAPER] = f"{paper_number('Fig. 1', 'all images', 'error'):.2f}"
    discarded = paper_number("Fig. 1", "discarding 60%", "discarded")
    table.loc[100 - discarded, PAPER] = f"< {paper_number('Fig. 1', 'discarding 60%', 'error below')}"
    for name, errors in curves.items():
        table[f"here, {name} (%)"] = [cell(errors.loc[share].tolist()) if len(errors) else NOT_RUN for share in kept]
    return table
