"""Tables built from records; no number is typed here."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pandas as pd

from ..training.config import METHODS
from . import segmentation_tables as pixels
from .cifar_tables import cifar10_table, cost_table, peers_table, table_2, table_3
from .recorded import cell
from .records import load_records, paired_differences

ALWAYS = ("baseline", "cl", "dmt", "oracle")
"""Rows of a comparison that are there even when nothing was run."""


def comparison(results: Path, preset: str) -> pd.DataFrame:
    """Mean ± std over seeds of every method that was run on a preset, and the paired difference to the baseline."""
    found = {method: load_records(results, preset, method) for method in METHODS}
    by_method = {method: records for method, records in found.items() if records or method in ALWAYS}
    rows = []
    for method, records in by_method.items():
        differences = paired_differences(records, by_method["baseline"])
        rows.append(
            {
                "method": method,
                "test accuracy (%)": cell([r["test_accuracy"] for r in records]),
                "over the baseline": "" if method == "baseline" else cell(differences, sign=True),
                "fine-grained (%)": cell([r["fine_grained_accuracy"] for r in records]),
                "seconds a run": cell([r["seconds"] for r in records], digits=0),
                "seeds": len(records),
            }
        )
    return pd.DataFrame(rows).set_index("method")


TABLES: dict[str, Callable[[Path], pd.DataFrame]] = {
    "digits": partial(comparison, preset="digits-40"),
    "cifar10-small": partial(comparison, preset="cifar10-small"),
    "cifar10": cifar10_table,
    "table-2": table_2,
    "table-3": table_3,
    "table-4": pixels.table_4,
    "table-5": pixels.table_5,
    "table-6": pixels.table_6,
    "table-7": pixels.table_7,
    "scenes": partial(pixels.comparison, preset="scenes"),
    "camvid": pixels.camvid,
    "peers": lambda _: peers_table(),
    "cost": cost_table,
}
"""What `dmtlib table NAME` prints: functions of the folder of records."""


def render(table: pd.DataFrame) -> str:
    """For a terminal."""
    return table.reset_index().to_string(index=False)
