"""Tables 4 to 7, and the book's own runs on pixels: paper beside ours, from records alone. As
in :mod:`.image_tables`, what the paper prints and what was measured here never share a column."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from .comparison import (
    PAPER,
    PAPER_GAP,
    SETTING,
    cell,
    comparison,
    difference_cell,
    measured,
    measured_difference,
    recorded_settings,
)
from .printed import printed_numbers
from .reproduction import ABLATIONS, CITYSCAPES, RATIOS_OF_TABLE_7, VOC

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
    printed = _printed("Table 5")
    groups, oracles = recorded_settings(results, "voc-1464"), recorded_settings(results, "voc-8")
    rows = []
    for name, method in {"Baseline": "baseline", "DMT": "dmt", "Oracle": "oracle"}.items():
        head = {"method": name} | {column: printed[name, column]["value"] for column in ("images", "labels")}
        head[PAPER] = _text(printed[name, "mean IoU"])
        rows += [head | ours for ours in measured(oracles if method == "oracle" else groups, method, oracles)]
    claim = printed["DMT", "mean IoU"]["value"] - printed["Oracle", "mean IoU"]["value"]
    head = {"method": "DMT − Oracle", "images": "", "labels": "", PAPER: difference_cell([claim])}
    rows += [head | ours for ours in measured_difference(groups, "dmt", "oracle", oracles)]
    return _frame(rows, ["method"])


def table_7(results: Path) -> pd.DataFrame:
    """The ablations on PASCAL VOC 2012, and what each adds to the baseline."""
    printed = _printed("Table 7")
    rows = []
    for ratio in RATIOS_OF_TABLE_7:
        groups = recorded_settings(results, VOC[ratio])
        for name, method in ABLATIONS.items():
            gain = printed[ratio, name]["value"] - printed[ratio, "Baseline"]["value"]
            head = {"labeled": ratio, "method": name, PAPER: _text(printed[ratio, name])}
            head["paper − baseline"] = "" if method == "baseline" else difference_cell([gain])
            rows += [head | ours for ours in measured(groups, method, groups, "baseline", "here − baseline")]
    return _frame(rows, ["labeled", "method"])


def camvid(results: Path) -> pd.DataFrame:
    """CamVid at full size, and at a quarter of the side."""
    return pd.concat({row: comparison(results, row) for row in ("camvid-8", "camvid-small")}, names=["preset"])


def _by_ratio(results: Path, table: str, presets: dict[str, str]) -> pd.DataFrame:
    printed, oracles = _printed(table), recorded_settings(results, presets["1/8"])
    rows = []
    for ratio, preset in presets.items():
        groups = recorded_settings(results, preset)
        for (name, column), number in printed.items():
            if column == ratio:
                head = {"labeled": ratio, "method": name, PAPER: _text(number), PAPER_GAP: _text(number, "gap")}
                rows += [head | ours for ours in measured(groups, OURS.get(name), oracles)]
        gain = printed["Ours (DMT)", ratio]["value"] - printed["Baseline", ratio]["value"]
        head = {"labeled": ratio, "method": "DMT − Baseline", PAPER: difference_cell([gain]), PAPER_GAP: ""}
        rows += [head | ours for ours in measured_difference(groups, "dmt", "baseline")]
    head = {"labeled": "all", "method": "Oracle", PAPER: _text(printed["Ours (DMT)", "Oracle"]), PAPER_GAP: ""}
    rows += [head | ours for ours in measured(oracles, "oracle", oracles)]
    return _frame(rows, ["labeled", "method"])


def _printed(table: str) -> dict[tuple[str, str], dict[str, Any]]:
    """The paper's numbers by row and column."""
    return {(number["row"], number["column"]): number for number in printed_numbers(table)}


def _text(number: dict[str, Any], what: str = "value") -> str:
    """A number of the paper, or its ``gap``, with as many decimals as are printed."""
    digits = number.get("digits", 2)
    deviation = f" ± {number['std']:.{digits}f}" if "std" in number else ""
    written = difference_cell if what == "gap" else cell
    return written([number[what]], digits=digits) + deviation


def _frame(rows: list[dict[str, Any]], index: list[str]) -> pd.DataFrame:
    return pd.DataFrame(rows).set_index(index).rename(columns={SETTING: "budget, data"})
