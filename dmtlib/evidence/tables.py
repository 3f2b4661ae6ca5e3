"""Tables built from records; no number is typed here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd

from ..training.config import METHODS
from .records import Spread, load_records, paired_differences

NOT_RUN = "not run"


def digits_table(results: Path) -> pd.DataFrame:
    """Test accuracy on `digits-40` by method: mean ± std over seeds, and the paired difference to the baseline."""
    by_method = {method: load_records(results, "digits-40", method) for method in METHODS}
    rows = []
    for method, records in by_method.items():
        difference = Spread.of(paired_differences(records, by_method["baseline"]))
        rows.append(
            {
                "method": method,
                "test accuracy (%)": _cell(Spread.of([r["test_accuracy"] for r in records])),
                "over the baseline": "" if method == "baseline" else _cell(difference, sign=True),
                "fine-grained (%)": _cell(Spread.of([r["fine_grained_accuracy"] for r in records])),
                "seconds a run": _cell(Spread.of([r["seconds"] for r in records]), digits=0),
                "seeds": len(records),
            }
        )
    return pd.DataFrame(rows).set_index("method")


TABLES: dict[str, Callable[[Path], pd.DataFrame]] = {"digits": digits_table}


def render(table: pd.DataFrame) -> str:
    """For a terminal."""
    return table.reset_index().to_string(index=False)


def _cell(spread: Spread | None, *, sign: bool = False, digits: int = 2) -> str:
    if spread is None:
        return NOT_RUN
    text = f"{spread.mean:{'+' if sign else ''}.{digits}f}"
    return text if spread.n == 1 else f"{text} ± {spread.std:.{digits}f}"
