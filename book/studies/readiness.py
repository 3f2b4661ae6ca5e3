"""Will mutual training help on these data? What baselines and held-out labels tell before the long run (Sec. 7)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import pandas as pd
from jaxtyping import Float, Int64
from torch import Tensor

from dmtlib.checking import CLEAN, ENOUGH, NOISY, surest
from dmtlib.method.pseudo_labels import pseudo_label
from dmtlib.method.schedules import CURRICULUM_ALPHAS

from .honest_evaluation import interval

FEW_ERRORS = 10.0
"""Percent of wrong labels among all of them, below which weights have little to do: so on digits, where DMT and CL are
level."""

SHARED = 25.0
"""Percent of the first baseline's errors that the second one disputes, below which they share most of them: no
disagreement gives those away."""

FAR_OFF = 5.0
"""Points between mean confidence and accuracy above which the advice speaks of several views."""

WORTH = 1.0
"""Points that two baselines are right more often together than alone, above which the advice says so."""


class Answers(NamedTuple):
    """What a model says about clean images, or pixels, that it has not learned: probabilities of the classes."""

    held_out: Float[Tensor, "n C"]
    unlabeled: Float[Tensor, "u C"]


@dataclass(frozen=True)
class Readiness:
    """What is known before the first pseudo label is learned. All shares are in percent.

    Attributes:
        tops: by share of most confident held-out answers kept: how many ``labels``, how many of them ``wrong``, the
            ``error``, and on images its 95% interval, ``low`` to ``high``. Pixels of an image err together, so on
            pixels there is none.
        balance: pseudo labels of each class on the unlabeled data, among the ``first`` that the curriculum takes, and
            of ``all``.
        agreement: unlabeled data on which two baselines say the same; None where there is only one.
        disputed_wrong, disputed_right: held-out answers of the first baseline that the second one disputes, of the
            wrong ones and of the right ones; None where there is none.
        overconfidence: by how many points the first baseline's mean confidence in its held-out answers is above the
            share of right ones; below zero where it is more modest than it need be.
        together: by how many points more often the mean of both baselines' probabilities is right on what is held out
            than the two are alone, on average; None where there is one baseline.
    """

    tops: pd.DataFrame
    balance: pd.DataFrame
    agreement: float | None = None
    disputed_wrong: float | None = None
    disputed_right: float | None = None
    overconfidence: float = 0.0
    together: float | None = None

    @property
    def first(self) -> pd.Series:
        """The row of the share that the curriculum takes first."""
        return self.tops.iloc[0]

    @property
    def verdict(self) -> str:
        """`good`, `doubtful` or `too weak`; `unknown` where too few labels are held out."""
        if self.first["labels"] < ENOUGH:
            return "unknown"
        error = self.first["error"]
        return "good" if error <= CLEAN else "doubtful" if error <= NOISY else "too weak"

    @property
    def advice(self) -> list[str]:
        """What to do, in plain sentences; what matters most stands first."""
        share, (count, wrong, error) = self.tops.index[0], self.first[["labels", "wrong", "error"]]
        finding = f"of the {count:,.0f} surest held-out answers, wrong: {wrong:,.0f} ({error:.1f}%)"
        lines = {
            "unknown": f"Hold out more labels: {finding}, too few to tell anything.",
            "good": f"Go ahead: {finding}, and up to {CLEAN:g}% is a good start.",
            "doubtful": f"Try it, and compare with the baseline after every phase: {finding}, more than {CLEAN:g}%.",
            "too weak": f"Improve the baseline first: {finding}, more than {NOISY:g}%. Label more, start from "
            "pre-trained weights, or train longer (Sec. 7).",
        }
        found = [lines[self.verdict]]
        for column, what in (("all", "among all pseudo labels"), ("first", f"among the first {share:.0%}")):
            absent = [str(name) for name, count in self.balance[column].items() if count == 0]
            if absent:
                found.append(f"No label {what} is of class {', '.join(absent)}: give more labels of it.")
                break
        everything = self.tops.iloc[-1]
        if self.verdict != "unknown" and everything["error"] < FEW_ERRORS:
            found.append(
                f"Of all labels about {everything['error']:.1f}% are wrong. Pseudo labels may help; how they are "
                "weighed will matter little."
            )
        if self.disputed_wrong is not None and self.disputed_wrong < SHARED:
            found.append(
                f"The second baseline disputes only {self.disputed_wrong:.0f}% of the first one's errors: make the "
                "two more different, by other weights to start from or other subsets of the labels (Sec. 4.1.2)."
            )
        if self.verdict != "unknown" and abs(self.overconfidence) > FAR_OFF:
            surer = self.overconfidence > 0
            found.append(
                f"The baseline is {abs(self.overconfidence):.0f} points {'surer' if surer else 'more modest'} than "
                f"right. The mean of several views (`--views 4`) is more modest still: "
                f"{'try it' if surer else 'leave it out'}."
            )
        if self.together is not None and self.together > WORTH:
            found.append(
                f"The mean of both baselines' probabilities is right {self.together:.1f} points more often than one "
                "of them is on average: where you can afford it, ask two models."
            )
        return found

    def __str__(self) -> str:
        return "\n".join(f"- {line}" for line in self.advice)


def assess(
    first: Answers,
    truth: Int64[Tensor, " n"],
    classes: Sequence[str],
    second: Answers | None = None,
    *,
    pixels: bool = False,
) -> Readiness:
    """Judge a baseline by labels that it has not learned.

    Args:
        first: what the baseline says that would label.
        truth: classes of what is held out.
        second: what another baseline says, trained on the same labels from another start.
        pixels: whether answers are pixels: the most confident ones are then ranked inside each predicted class.

    Raises:
        ValueError: no held-out label.
    """
    if not len(truth):
        raise ValueError("at least one label must be held out")
    labels, confidence = pseudo_label(first.held_out)
    wrong = labels != truth
    rows = []
    for share in CURRICULUM_ALPHAS:
        kept = wrong[surest(labels, confidence, share, by_class=pixels)]
        found = {"labels": len(kept), "wrong": int(kept.sum()), "error": 100 * kept.double().mean().item()}
        if not pixels and len(kept):
            found["low"], found["high"] = interval(found["wrong"], len(kept))
        rows.append(found)
    tops = pd.DataFrame(rows, index=pd.Index(CURRICULUM_ALPHAS, name="kept"))

    mine, sure = pseudo_label(first.unlabeled)
    taken = mine[surest(mine, sure, CURRICULUM_ALPHAS[0], by_class=pixels)]
    counts = {name: part.bincount(minlength=len(classes)).tolist() for name, part in (("first", taken), ("all", mine))}
    balance = pd.DataFrame(counts, index=pd.Index(classes, name="class"))
    overconfidence = 100 * confidence.double().mean().item() - _percent(~wrong)
    if second is None:
        return Readiness(tops, balance, overconfidence=overconfidence)
    both = (first.held_out + second.held_out).argmax(dim=1) == truth
    alone = (_percent(~wrong) + _percent(second.held_out.argmax(dim=1) == truth)) / 2
    disputed = second.held_out.argmax(dim=1) != labels
    return Readiness(
        tops,
        balance,
        agreement=_percent(second.unlabeled.argmax(dim=1) == mine),
        disputed_wrong=_percent(disputed[wrong]),
        disputed_right=_percent(disputed[~wrong]),
        overconfidence=overconfidence,
        together=_percent(both) - alone,
    )


def _percent(which: Tensor) -> float | None:
    return 100 * which.double().mean().item() if len(which) else None
