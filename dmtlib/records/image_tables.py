"""Tables 2 and 3, and what their cells cost.

What the paper prints, what was published elsewhere and what was measured here never share a column. Each measured cell
says its setting: variant, budget and data. Records of different settings are never averaged.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from ..presets import preset
from .comparison import (
    HERE,
    NAMES,
    NOT_RUN,
    PAPER,
    PAPER_GAP,
    cell,
    comparison,
    difference_cell,
    measured,
    measured_difference,
    recorded_settings,
)
from .costs import training_images
from .printed import paper_number, printed_numbers
from .reproduction import CIFAR10

METHODS_OF_TABLE_2 = {"Baseline": "baseline", "CL": "cl", "DMT": "dmt"}
COMPARED = ("baseline", "cl", "dmt", "dmt-naive", "dmt-flip", "oracle")
"""Alg. 1 and its supervised ends. The ablations with a single model are made on digits and scenes (chapter 11)."""
FAST = [f"{name}-fast{ending}" for ending in ("", "-wide") for name in CIFAR10.values()]
METHODS_OF_TABLE_3 = ("Baseline", "MT", "DCT", "DS", "MixMatch", "DAG", "CL", "Ours (DMT)")
GOAL = 60_000
"""Images/s that benchmarks/classification_step.py wants of a whole DMT step on an H200: a goal, no measurement."""


def table_2(results: Path) -> pd.DataFrame:
    """Baseline, CL and DMT with 4,000 and with 1,000 labels, and what DMT adds to CL."""
    rows = []
    for labels, row in CIFAR10.items():
        for name, method in METHODS_OF_TABLE_2.items():
            head = {"labels": labels, "method": name} | _printed(paper_number("Table 2", f"{labels} labels", name))
            rows += [head | ours for ours in _measured(results, row, method)]
        gain = difference_cell([paper_number("Table 2", f"{labels} labels", "DMT over CL")])
        head = {"labels": labels, "method": "DMT − CL", PAPER: gain, PAPER_GAP: ""}
        rows += [head | ours for ours in measured_difference(recorded_settings(results, row), "dmt", "cl")]
    return pd.DataFrame(rows).set_index(["labels", "method"])


def table_3(results: Path) -> pd.DataFrame:
    """All methods that the paper lists for 4,000 labels, and the Oracle of its caption."""
    row = CIFAR10[4000]
    rows = []
    for name in METHODS_OF_TABLE_3:
        method = METHODS_OF_TABLE_2.get(name.removeprefix("Ours (").removesuffix(")"))
        head = {"method": name, "network": paper_number("Table 3", "network", name)}
        head |= _printed(paper_number("Table 3", "accuracy", name), gap=method is not None)
        rows += [head | ours for ours in _measured(results, row, method)]
    head = {"method": "Oracle", "network": "", PAPER: f"{_paper_oracle():.2f}", PAPER_GAP: ""}
    rows += [head | ours for ours in _measured(results, row, "oracle")]
    return pd.DataFrame(rows).set_index("method")


def peers_table() -> pd.DataFrame:
    """Accuracies of later methods, published elsewhere: a reader of Table 3 will ask about them."""
    peers = printed_numbers("published elsewhere")
    found = {(p["column"], p["row"]): f"{p['value']:.2f} ± {p['std']:.2f}" for p in peers if "std" in p}
    columns = ["40 labels", "250 labels", "4000 labels"]
    table = pd.Series(found).unstack(fill_value="").reindex(columns=columns)
    table.insert(len(columns), HERE, NOT_RUN)
    return table.rename(columns={c: f"published, {c} (%)" for c in columns}).rename_axis("method")


def cifar10_table(results: Path) -> pd.DataFrame:
    """Every method with either number of labels; the paper's number where Table 2, or Table 3's caption, has one."""
    printed = {method: name for name, method in METHODS_OF_TABLE_2.items()}
    rows = []
    for labels, row in CIFAR10.items():
        for method in COMPARED:
            head = {"labels": labels, "method": NAMES[method], PAPER: "", PAPER_GAP: ""}
            if method in printed:
                head |= _printed(paper_number("Table 2", f"{labels} labels", printed[method]))
            if (labels, method) == (4000, "oracle"):
                head[PAPER] = f"{_paper_oracle():.2f}"
            rows += [head | ours for ours in _measured(results, row, method)]
    return pd.DataFrame(rows).set_index(["labels", "method"])


def fast_table(results: Path) -> pd.DataFrame:
    """Both numbers of labels by the fast recipe, on whatever pixels the records are of."""
    return pd.concat({name: comparison(results, name) for name in FAST}, names=["preset"])


def cost_table(results: Path) -> pd.DataFrame:
    """What a run of each cell costs: its length, the time at a stated speed, and what records of a GPU say. Runs that
    shared a GPU count as if each had had it alone."""
    rows = []
    for labels, row in CIFAR10.items():
        groups = [group for setting, group in recorded_settings(results, row).items() if setting.variant == "paper"]
        for method in COMPARED:
            images = training_images(preset(row, method))
            on_gpu = [r for group in groups for r in group[method] if _on_gpu(r)]
            whole = [r["seconds"] / 3600 for r in on_gpu if r["config"]["budget"] == 1]
            rows.append(
                {
                    "labels": labels,
                    "method": NAMES[method],
                    "million images": f"{images / 1e6:.1f}",
                    f"hours at {GOAL:,}/s": f"{images / GOAL / 3600:.2f}",
                    "recorded GPU hours": cell(whole),
                    "GPU hours at recorded speed": cell([images / r["images_per_second"] / 3600 for r in on_gpu]),
                    "GPU": ", ".join(sorted({r["device"].removeprefix("cuda (").removesuffix(")") for r in on_gpu})),
                }
            )
    return pd.DataFrame(rows).set_index(["labels", "method"])


def _on_gpu(record: dict[str, Any]) -> bool:
    return record.get("device", "").startswith("cuda") and {"seconds", "images_per_second"} <= record.keys()


def _paper_oracle() -> float:
    return paper_number("Table 3", "accuracy", "Oracle")


def _printed(number: float, gap: bool = True) -> dict[str, str]:
    """The paper's columns. Its Oracle is a WRN-28-2 in its own code: only rows of that code have a ``gap`` to it."""
    return {PAPER: f"{number:.2f}", PAPER_GAP: difference_cell([number - _paper_oracle()]) if gap else ""}


def _measured(results: Path, row: str, method: str | None) -> list[dict[str, Any]]:
    """Our columns. The Oracle learns all labels, so the one under 4,000 labels serves both numbers of labels."""
    return measured(recorded_settings(results, row), method, recorded_settings(results, CIFAR10[4000]))
