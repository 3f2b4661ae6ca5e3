"""The recorded result in words: every sentence is made from records, and says "not run" where there are none."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dmtlib.presets import preset
from dmtlib.records.comparison import NAMES, NOT_RUN, ByMethod, Spread, paired_differences, signed
from dmtlib.records.reproduction import Cell
from dmtlib.records.store import load_records, score
from dmtlib.training.methods import METHODS

from ..page.places import results

PHASE = ("alpha", "pseudo_labels", "pseudo_label_error", "test_accuracy")
PHASE += ("mean_weight", "mean_weight_right", "mean_weight_wrong", "case_shares")
"""What a record of Alg. 1 says of every phase."""


def recorded(name: str) -> ByMethod:
    """All records of the preset ``name``, by method; empty lists where nothing was run."""
    return {method: load_records(results(), name, method) for method in METHODS}


MEAN_OF_BOTH = ", mean of both models,"
"""What :func:`difference` calls a method whose records come from :func:`mean_of_models`."""


def mean_of_models(records: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Records of Alg. 2 in which the score is the mean of A and B, not that of the better one.

    The better one is chosen on the images that it is scored on, where data have no other (Alg. 2, line 16). What a
    method with one model leaves stays as it is.
    """
    means = []
    for record in records:
        models = record["phases"][-1]["models"].values()
        scores = [model[f"{record.get('scored_on', 'val')}_mean_iou"] for model in models]
        means.append({**record, "mean_iou": sum(scores) / len(scores)})
    return means


def difference_of_means(records: ByMethod, first: str, second: str) -> str:
    """:func:`difference` on pixels, where ``first`` has two models: their mean in the better one's place."""
    return difference({**records, first: mean_of_models(records[first])}, first, second, MEAN_OF_BOTH)


def difference(records: ByMethod, first: str, second: str, of_first: str = "") -> str:
    """One method against another, seed by seed: the mean with its 95% t-interval, and how often which is ahead.

    Args:
        of_first: what stands behind the name of the first one.
    """
    pair = f"{NAMES[first]}{of_first} − {NAMES[second]}"
    differences = paired_differences(records[first], records[second])
    spread = Spread.of(differences)
    if spread is None:
        return f"**{pair}**: {NOT_RUN}."
    if spread.n == 1:
        return f"**{pair}**: {signed(spread.mean)} points, n = 1. One seed can't tell which is ahead."
    low, high = spread.interval()
    ahead, behind = sum(d > 0 for d in differences), sum(d < 0 for d in differences)
    level = spread.n - ahead - behind
    winner = NAMES[first if low > 0 else second]
    told = f"{winner[0].upper()}{winner[1:]} is ahead" if low > 0 or high < 0 else "Which is ahead can't be told"
    return (
        f"**{pair}**: {signed(spread.mean)} points, 95% interval {signed(low)} to {signed(high)}, n = {spread.n}; "
        f"{ahead} above zero, {behind} below{f', {level} level' if level else ''}. {told}."
    )


def harm_undone(records: ByMethod) -> str:
    """DST − CBST in its two parts: what CBST lost against the baseline, and what DST gains on it. Means over seeds."""
    pairs = ("dst", "cbst"), ("baseline", "cbst"), ("dst", "baseline")
    spreads = [Spread.of(paired_differences(records[first], records[second])) for first, second in pairs]
    if None in spreads:
        return f"DST, CBST and the baseline: {NOT_RUN}."
    total, lost, gained = (spread.mean for spread in spreads)
    if lost <= 0:
        return (
            f"CBST does no harm there: on average it is {-lost:.2f} points above the baseline, and DST {gained:.2f}."
        )
    return (
        f"On average DST is {total:.2f} points above CBST. CBST itself is {lost:.2f} points below the baseline, so "
        f"that much of DST's lead is harm undone. Against the baseline DST has {signed(gained)}."
    )


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


def case_share(records: list[dict[str, Any]], case: int) -> str:
    """How much of what the phases learned was in a case of Eq. 3: the mean over phases, models and seeds."""
    shares = [
        model["case_shares"][case - 1]
        for record in records
        for phase in record["phases"][1:]
        for model in phase.get("models", {"": phase}).values()
    ]
    return f"{100 * np.mean(shares):.1f}% of the labels" if shares else NOT_RUN


def mean_over_seeds(records: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """One run of Alg. 1 in the place of several: ``phases``, in which every number is the mean over the records.

    Where some of them have None, such as the weight of wrong labels where there were none, it is the others' mean.
    """

    def mean(values: list[Any]) -> Any:
        there = [value for value in values if value is not None]
        if all(value == there[0] for value in there):  # None at all, or a whole number, or a share such as 0.2
            return there[0] if there else None
        return np.mean(there, axis=0).tolist()

    together = zip(*(record["phases"] for record in records), strict=True)
    return {"phases": [{key: mean([phase[key] for phase in same]) for key in PHASE} for same in together]}


def summary(records: ByMethod, methods: tuple[str, ...]) -> str:
    """The score by method, in one line: mean ± standard deviation and the number of seeds."""
    spreads = {NAMES[m]: Spread.of([score(r) for r in records[m]]) for m in methods}
    return ", ".join(f"{name} {NOT_RUN if s is None else s}" for name, s in spreads.items())


def count_recorded(cell: Cell, folder: Path) -> int:
    """How many of a cell's runs have their record: at full length, on the preset's own data, the paper's variant."""
    data = preset(cell.preset, cell.method).data
    records = load_records(folder, cell.preset, cell.method)
    return sum(r["seed"] in cell.seeds and r["config"]["data"] == data for r in records)
