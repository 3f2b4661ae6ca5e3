"""The recorded result in words: every sentence is made from records, and says "not run" where there are none."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..training.config import METHODS
from .places import results
from .records import Spread, load_records, paired_differences, score

NOT_RUN = "not run"
NAMES = {
    "baseline": "baseline",
    "online-st": "Online ST",
    "cbst": "CBST",
    "dst": "DST",
    "cl": "CL",
    "dmt": "DMT",
    "dmt-naive": "DMT-Naive",
    "dmt-flip": "DMT-Flip",
    "oracle": "oracle",
}
ByMethod = dict[str, list[dict[str, Any]]]


def recorded(preset: str) -> ByMethod:
    """All records of a preset, by method; empty lists where nothing was run."""
    return {method: load_records(results(), preset, method) for method in METHODS}


def difference(records: ByMethod, first: str, second: str) -> str:
    """One method against another, seed by seed: mean ± standard deviation, and how often which is ahead."""
    pair = f"{NAMES[first]} − {NAMES[second]}"
    differences = paired_differences(records[first], records[second])
    spread = Spread.of(differences)
    if spread is None:
        return f"**{pair}**: {NOT_RUN}."
    ahead, behind = sum(d > 0 for d in differences), sum(d < 0 for d in differences)
    deviation = f" ± {spread.std:.2f}" if spread.n > 1 else ""
    text = f"**{pair}**: {signed(spread.mean)}{deviation} points, n = {spread.n}"
    return f"{text}; {ahead} above zero, {behind} below, {spread.n - ahead - behind} level. {_reading(spread)}"


def cell(values: Sequence[float], *, sign: bool = False, digits: int = 2) -> str:
    """Numbers of several seeds as a table's cell: mean ± standard deviation."""
    spread = Spread.of(values)
    if spread is None:
        return NOT_RUN
    text = f"{spread.mean:{'+' if sign else ''}.{digits}f}".replace("-", "−")
    return text if spread.n == 1 else f"{text} ± {spread.std:.{digits}f}"


def last_phase(records: list[dict[str, Any]]) -> str:
    """What the last phase learned, over seeds: how many labels were wrong, and what right and wrong ones weighed."""
    phases = [record["phases"][-1] for record in records]
    wrong = Spread.of([phase["pseudo_label_error"] for phase in phases])
    weights = [
        Spread.of([phase[f"mean_weight_{kind}"] for phase in phases if phase[f"mean_weight_{kind}"] is not None])
        for kind in ("right", "wrong")
    ]
    if wrong is None or None in weights:
        return NOT_RUN
    return (
        f"wrong labels, in percent: {wrong}; mean weight of a right label: {weights[0]}, of a wrong one: {weights[1]}"
    )


def signed(points: float) -> str:
    """With two decimals and a sign, minus being a minus and no hyphen."""
    return f"{points:+.2f}".replace("-", "−")


def _reading(spread: Spread) -> str:
    """Whether the mean is clear of zero, by its standard error."""
    if spread.n < 3:
        return "Too few seeds to say more."
    error = spread.std / spread.n**0.5
    clear = abs(spread.mean) > 2 * error
    return f"The mean is {'clear of' if clear else 'not clear of'} zero (standard error {error:.2f})."


def summary(records: ByMethod, methods: tuple[str, ...]) -> str:
    """The score by method, in one line: mean ± standard deviation and the number of seeds."""
    spreads = {NAMES[m]: Spread.of([score(r) for r in records[m]]) for m in methods}
    return ", ".join(f"{name} {NOT_RUN if s is None else s}" for name, s in spreads.items())
