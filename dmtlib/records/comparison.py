"""Our columns beside the paper's: records are averaged only where variant, length and data are the same."""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, stdev
from typing import Any, NamedTuple

import pandas as pd

from ..presets import METHODS, SEGMENTATION_METHODS, SEGMENTATION_PRESETS
from .store import load_records, score

NOT_RUN = "not run"
NAMES = {name: method.title for name, method in METHODS.items()}
ByMethod = dict[str, list[dict[str, Any]]]

PAPER, HERE = "paper (%)", "here (%)"
PAPER_GAP, HERE_GAP = "paper − its Oracle", "here − our Oracle"
SETTING = "budget, pixels"
PIXELS = {"cifar10": "original", "cifar10-jpeg": "JPEG"}


class Setting(NamedTuple):
    """What records must share to be averaged."""

    variant: str
    budget: float
    data: str

    def __str__(self) -> str:
        """Short: the share of the full training and the data, and the variant where it isn't the paper's."""
        variant = "" if self.variant == "paper" else f", {self.variant}’"
        return f"{self.budget:g}, {PIXELS.get(self.data, self.data)}{variant}"


BySetting = dict[Setting, ByMethod]


def recorded_settings(results: Path, row: str) -> BySetting:
    """All records of a preset, of each variant and budget, by setting: the paper's variant and long runs first."""
    found: BySetting = {}
    for variant, name in (("paper", row), ("authors", f"{row}-authors")):
        budgets = map(_budget, sorted(Path(results).glob(f"{name}-budget-*")))
        for budget, method in itertools.product([1.0, *budgets], METHODS):
            for record in load_records(results, name, method, budget):
                setting = Setting(variant, budget, record["config"]["data"])
                found.setdefault(setting, {m: [] for m in METHODS})[method].append(record)
    return {s: found[s] for s in sorted(found, key=lambda s: (s.variant != "paper", -s.budget, s.data))}


def _budget(folder: Path) -> float:
    try:
        return float(folder.name.rpartition("-budget-")[2])
    except ValueError:
        raise ValueError(f"{folder} is no folder of records: its name must end in a budget") from None


def measured(
    groups: BySetting, method: str | None, references: BySetting, reference: str = "oracle", gap_column: str = HERE_GAP
) -> list[dict[str, Any]]:
    """Our columns for a method, None being one that is not implemented here: a row for each setting that has records;
    one row that says so where none has. The gap, in ``gap_column``, is taken seed by seed to the method ``reference``,
    whose records are among ``references``; the reference itself has none."""
    rows = []
    for setting, group in groups.items():
        if records := group[method] if method else []:
            others = references[setting][reference] if setting in references else []
            gap = "" if method == reference else difference_cell(paired_differences(records, others))
            mean = cell([score(r) for r in records])
            rows.append({HERE: mean, gap_column: gap, "n": len(records), SETTING: str(setting)})
    return rows or [{HERE: NOT_RUN, gap_column: "" if method == reference else NOT_RUN, "n": 0, SETTING: ""}]


def gains(groups: BySetting, first: str, second: str, others: BySetting | None = None) -> list[dict[str, Any]]:
    """The same for one method minus another, on the seeds that both have; ``others`` hold the second one, if apart."""
    others = groups if others is None else others
    rows = []
    for setting, group in groups.items():
        if found := paired_differences(group[first], others[setting][second] if setting in others else []):
            rows.append({HERE: difference_cell(found), HERE_GAP: "", "n": len(found), SETTING: str(setting)})
    return rows or [{HERE: NOT_RUN, HERE_GAP: "", "n": 0, SETTING: ""}]


@dataclass(frozen=True)
class Spread:
    """n numbers as the book quotes them: mean ± sample standard deviation."""

    mean: float
    std: float
    n: int

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread | None":
        """None of no values; the deviation of one is not a number."""
        return cls(mean(values), stdev(values) if len(values) > 1 else math.nan, len(values)) if values else None

    def __str__(self) -> str:
        spread = f" ± {self.std:.2f}" if self.n > 1 else ""
        return f"{self.mean:.2f}{spread} (n = {self.n})"

    def half_width(self, level: float = 0.95) -> float:
        """How far the t-interval of the mean reaches to each side; not a number for n = 1. Student's t with n − 1
        degrees of freedom: 2.5 sample standard deviations of three seeds, 0.72 of ten."""
        from scipy.special import stdtrit  # a list of presets must not wait for it

        return stdtrit(self.n - 1, (1 + level) / 2) * self.std / math.sqrt(self.n) if self.n > 1 else math.nan

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """Where the mean over all seeds lies, if they scatter as these do: the t-interval."""
        half = self.half_width(level)
        return self.mean - half, self.mean + half


def paired_differences(first: Sequence[dict[str, Any]], second: Sequence[dict[str, Any]]) -> list[float]:
    """first − second for every seed that both have: both saw the same labels, so what they share cancels."""
    other = {record["seed"]: score(record) for record in second}
    return [score(record) - other[record["seed"]] for record in first if record["seed"] in other]


def cell(values: Sequence[float], *, digits: int = 2) -> str:
    """Numbers of several seeds as a table's cell: mean ± standard deviation."""
    if not (spread := Spread.of(values)):
        return NOT_RUN
    text = f"{spread.mean:.{digits}f}"
    return text if spread.n == 1 else f"{text} ± {spread.std:.{digits}f}"


def difference_cell(values: Sequence[float], *, digits: int = 2) -> str:
    """Differences of several seeds as a table's cell: mean (95% t-interval; seeds above zero of all)."""
    if not (spread := Spread.of(values)):
        return NOT_RUN
    text = signed(spread.mean, digits)
    if spread.n == 1:
        return text
    low, high = (signed(end, digits) for end in spread.interval())
    return f"{text} ({low} to {high}; {sum(v > 0 for v in values)} of {spread.n})"


def signed(points: float, digits: int = 2) -> str:
    """With a sign, minus being a minus and no hyphen."""
    return f"{points:+.{digits}f}".replace("-", "−")


def comparison(results: Path, preset: str) -> pd.DataFrame:
    """Mean ± std over seeds of every method that was run on a preset, and the paired difference to the baseline, as
    :func:`difference_cell` has it. Four methods are listed even when nothing was run."""
    on_pixels = preset in SEGMENTATION_PRESETS
    methods, score_name = (SEGMENTATION_METHODS, "mean IoU") if on_pixels else (METHODS, "test accuracy")
    always = ("baseline", "cbst" if on_pixels else "cl", "dmt", "oracle")
    found = {method: load_records(results, preset, method, 1.0, "seconds") for method in methods}
    data = {record["config"]["data"] for records in found.values() for record in records}
    if len(data) > 1 or ":" in "".join(data):
        there = f"records of {preset} on {', '.join(sorted(data))}"
        raise ValueError(f"{results}: {there}: a table has one of the book's sets")
    rows = []
    for method, records in ((m, there) for m, there in found.items() if there or m in always):
        row = {"method": NAMES[method] if on_pixels else method, f"{score_name} (%)": cell([*map(score, records)])}
        gain = difference_cell(paired_differences(records, found["baseline"]))
        row["over the baseline"] = "" if method == "baseline" else gain
        if on_pixels:  # each of two models learns as many steps
            phases = records[0].get("phases", []) if records else []
            steps = sum(phase.get("models", {}).get("A", {}).get("steps", 0) for phase in phases)
            row["steps a model"] = f"{steps:,}" if records else NOT_RUN
        else:
            row["fine-grained (%)"] = cell([r["fine_grained_accuracy"] for r in records])
        rows.append(row | {"seconds a run": cell([r["seconds"] for r in records], digits=0), "seeds": len(records)})
    return pd.DataFrame(rows).set_index("method")
