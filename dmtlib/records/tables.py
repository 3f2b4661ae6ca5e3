"""The tables of the paper and of the book, built from records; no number is typed here.

What the paper prints, what was published elsewhere and what was measured here never share a column. Each measured cell
says its setting: variant, budget and data. Records of different settings are never averaged.
"""

from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from ..words import printable
from .comparison import PAPER, PAPER_GAP, SETTING, comparison, difference_cell, gains, measured, recorded_settings
from .printed import paper_number, printed_numbers
from .reproduction import ABLATIONS, CIFAR10, CITYSCAPES, RATIOS_OF_TABLE_7, VOC

METHODS_OF_TABLE_2 = {"Baseline": "baseline", "CL": "cl", "DMT": "dmt"}
FAST = [f"{name}-fast{ending}" for ending in ("", "-wide") for name in CIFAR10.values()]
ORACLE_OF_TABLE_3 = paper_number("Table 3", "accuracy", "Oracle")
CAMVID = ("camvid-8", "camvid-small")  # at full size, and at a quarter of the side
METHODS_OF_TABLE_3 = ("Baseline", "MT", "DCT", "DS", "MixMatch", "DAG", "CL", "Ours (DMT)")


def table_2(results: Path) -> pd.DataFrame:
    """Baseline, CL and DMT with 4,000 and with 1,000 labels, and what DMT adds to CL."""
    rows = []
    for labels, row in CIFAR10.items():
        for name, method in METHODS_OF_TABLE_2.items():
            head = {"labels": labels, "method": name} | _paper(paper_number("Table 2", f"{labels} labels", name))
            rows += [head | ours for ours in _ours(results, row, method)]
        gain = difference_cell([paper_number("Table 2", f"{labels} labels", "DMT over CL")])
        head = {"labels": labels, "method": "DMT − CL", PAPER: gain, PAPER_GAP: ""}
        rows += [head | ours for ours in gains(recorded_settings(results, row), "dmt", "cl")]
    return pd.DataFrame(rows).set_index(["labels", "method"])


def table_3(results: Path) -> pd.DataFrame:
    """All methods that the paper lists for 4,000 labels, and the Oracle of its caption."""
    row = CIFAR10[4000]
    rows = []
    for name in METHODS_OF_TABLE_3:
        method = METHODS_OF_TABLE_2.get(name.removeprefix("Ours (").removesuffix(")"))
        head = {"method": name, "network": paper_number("Table 3", "network", name)}
        head |= _paper(paper_number("Table 3", "accuracy", name), gap=method is not None)
        rows += [head | ours for ours in _ours(results, row, method)]
    head = {"method": "Oracle", "network": "", PAPER: f"{ORACLE_OF_TABLE_3:.2f}", PAPER_GAP: ""}
    rows += [head | ours for ours in _ours(results, row, "oracle")]
    return pd.DataFrame(rows).set_index("method")


def _paper(number: float, gap: bool = True) -> dict[str, str]:
    """The paper's columns. Its Oracle is a WRN-28-2 in its own code: only rows of that code have a ``gap`` to it."""
    return {PAPER: f"{number:.2f}", PAPER_GAP: difference_cell([number - ORACLE_OF_TABLE_3]) if gap else ""}


def _ours(results: Path, row: str, method: str | None) -> list[dict[str, Any]]:
    """Our columns. The Oracle learns all labels, so the one under 4,000 labels serves both numbers of labels."""
    return measured(recorded_settings(results, row), method, recorded_settings(results, CIFAR10[4000]))


OURS = {"Baseline": "baseline", "Ours (DMT)": "dmt", "Oracle": "oracle"}
"""Rows of Tables 4 to 6 that this library runs."""


def table_4(results: Path) -> pd.DataFrame:
    """PASCAL VOC 2012: all methods that the paper lists, by labeled ratio."""
    return _by_ratio(results, "Table 4", VOC)


def table_6(results: Path) -> pd.DataFrame:
    """Cityscapes: likewise."""
    return _by_ratio(results, "Table 6", CITYSCAPES)


def table_5(results: Path) -> pd.DataFrame:
    """PASCAL VOC 2012 with its own 1,464 labels: DMT against all labels, most of which are SBD's."""
    printed = printed_numbers("Table 5")
    groups, oracles = recorded_settings(results, "voc-1464"), recorded_settings(results, "voc-8")
    rows = []
    for name, method in {"Baseline": "baseline", "DMT": "dmt", "Oracle": "oracle"}.items():
        head = {"method": name} | {column: printed[name, column]["value"] for column in ("images", "labels")}
        head[PAPER] = _text(printed[name, "mean IoU"])
        rows += [head | ours for ours in measured(oracles if method == "oracle" else groups, method, oracles)]
    claim = printed["DMT", "mean IoU"]["value"] - printed["Oracle", "mean IoU"]["value"]
    head = {"method": "DMT − Oracle", "images": "", "labels": "", PAPER: difference_cell([claim])}
    rows += [head | ours for ours in gains(groups, "dmt", "oracle", oracles)]
    return _frame(rows, ["method"])


def table_7(results: Path) -> pd.DataFrame:
    """The ablations on PASCAL VOC 2012, and what each adds to the baseline."""
    printed = printed_numbers("Table 7")
    rows = []
    for ratio in RATIOS_OF_TABLE_7:
        groups = recorded_settings(results, VOC[ratio])
        for name, method in ABLATIONS.items():
            gain = printed[ratio, name]["value"] - printed[ratio, "Baseline"]["value"]
            head = {"labeled": ratio, "method": name, PAPER: _text(printed[ratio, name])}
            head["paper − baseline"] = "" if method == "baseline" else difference_cell([gain])
            rows += [head | ours for ours in measured(groups, method, groups, "baseline", "here − baseline")]
    return _frame(rows, ["labeled", "method"])


def comparisons(results: Path, presets: Iterable[str]) -> pd.DataFrame:
    """Several presets, one below the other, on whatever data the records are of."""
    return pd.concat({name: comparison(results, name) for name in presets}, names=["preset"])


def _by_ratio(results: Path, table: str, presets: dict[str, str]) -> pd.DataFrame:
    printed, oracles = printed_numbers(table), recorded_settings(results, presets["1/8"])
    rows = []
    for ratio, row in presets.items():
        groups = recorded_settings(results, row)
        for (name, column), number in printed.items():
            if column == ratio:
                head = {"labeled": ratio, "method": name, PAPER: _text(number), PAPER_GAP: _text(number, "gap")}
                rows += [head | ours for ours in measured(groups, OURS.get(name), oracles)]
        gain = printed["Ours (DMT)", ratio]["value"] - printed["Baseline", ratio]["value"]
        head = {"labeled": ratio, "method": "DMT − Baseline", PAPER: difference_cell([gain]), PAPER_GAP: ""}
        rows += [head | ours for ours in gains(groups, "dmt", "baseline")]
    head = {"labeled": "all", "method": "Oracle", PAPER: _text(printed["Ours (DMT)", "Oracle"]), PAPER_GAP: ""}
    rows += [head | ours for ours in measured(oracles, "oracle", oracles)]
    return _frame(rows, ["labeled", "method"])


def _text(number: dict[str, Any], what: str = "value") -> str:
    """A number of the paper, or its ``gap``, with as many decimals as are printed."""
    digits = number.get("digits", 2)
    written = difference_cell([number[what]], digits=digits) if what == "gap" else f"{number[what]:.{digits}f}"
    return written + (f" ± {number['std']:.{digits}f}" if "std" in number else "")


def _frame(rows: list[dict[str, Any]], index: list[str]) -> pd.DataFrame:
    return pd.DataFrame(rows).set_index(index).rename(columns={SETTING: "budget, data"})


TABLES: dict[str, Callable[[Path], pd.DataFrame]] = {
    "digits": partial(comparison, preset="digits-40"),
    "cifar10-small": partial(comparison, preset="cifar10-small"),
    "fast": partial(comparisons, presets=FAST),
    "table-2": table_2,
    "table-3": table_3,
    "table-4": table_4,
    "table-5": table_5,
    "table-6": table_6,
    "table-7": table_7,
    "scenes": partial(comparison, preset="scenes"),
    "camvid": partial(comparisons, presets=CAMVID),
}
"""What `dmtlib table NAME` prints: functions of the folder of records."""


def render(table: pd.DataFrame) -> str:
    """For a terminal."""
    return table.reset_index().map(lambda c: printable(c) if isinstance(c, str) else c).to_string(index=False)
