"""Chapter 6: errors by confidence, what a run costs, and what was published elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from dmtlib.presets import preset
from dmtlib.records.comparison import HERE, NAMES, NOT_RUN, PAPER, cell, recorded_settings
from dmtlib.records.costs import training_images
from dmtlib.records.printed import paper_number, printed_numbers
from dmtlib.records.reproduction import CIFAR10 as PRESETS
from dmtlib.records.store import load_records

COMPARED = ("baseline", "cl", "dmt", "dmt-naive", "dmt-flip", "oracle")
"""Alg. 1 and its supervised ends. The ablations with a single model are made on digits and scenes (chapter 11)."""
ON_AN_H200 = 39_900  # images/s of a whole step of DMT, as benchmarks/classification_step.py measured it


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


def peers_table() -> pd.DataFrame:
    """Accuracies of later methods, published elsewhere: a reader of Table 3 will ask about them."""
    peers = printed_numbers("published elsewhere").items()
    found = {(column, row): f"{p['value']:.2f} ± {p['std']:.2f}" for (row, column), p in peers if "std" in p}
    columns = ["40 labels", "250 labels", "4000 labels"]
    table = pd.Series(found).unstack(fill_value="").reindex(columns=columns)
    table.insert(len(columns), HERE, NOT_RUN)
    return table.rename(columns={c: f"published, {c} (%)" for c in columns}).rename_axis("method")


def cost_table(results: Path) -> pd.DataFrame:
    """What a run of each cell costs: its length, the time at a stated speed, and what records of a GPU say.

    Runs that shared a GPU count as if each had had it alone.
    """
    rows = []
    for labels, row in PRESETS.items():
        groups = [group for setting, group in recorded_settings(results, row).items() if setting.variant == "paper"]
        for method in COMPARED:
            images = training_images(preset(row, method))
            timed = [r for group in groups for r in group[method] if {"seconds", "images_per_second"} <= r.keys()]
            on_gpu = [r for r in timed if r.get("device", "").startswith("cuda")]
            whole = [r["seconds"] / 3600 for r in on_gpu if r["config"]["budget"] == 1]
            rows.append(
                {
                    "labels": labels,
                    "method": NAMES[method],
                    "million images": f"{images / 1e6:.1f}",
                    f"hours at {ON_AN_H200:,}/s": f"{images / ON_AN_H200 / 3600:.2f}",
                    "recorded GPU hours": cell(whole),
                    "GPU hours at recorded speed": cell([images / r["images_per_second"] / 3600 for r in on_gpu]),
                    "GPU": ", ".join(sorted({r["device"].removeprefix("cuda (").removesuffix(")") for r in on_gpu})),
                }
            )
    return pd.DataFrame(rows).set_index(["labels", "method"])
