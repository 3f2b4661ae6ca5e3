"""Methods side by side: one colour each, a dot a seed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullLocator

from dmtlib.records.comparison import NAMES, ByMethod, Spread, paired_differences, signed
from dmtlib.records.store import score

from ..page.look import COLOURS, WIDTH

METHOD_COLOURS = {
    "baseline": COLOURS["quiet"],
    "online-st": "#56B4E9",
    "cbst": "#CC79A7",
    "cl": "#CC79A7",
    "dst": "#0B8FA8",
    "dmt": COLOURS["ink"],
    "dmt-naive": "#56B4E9",
    "dmt-flip": "#56B4E9",
    "dmt-pair": "#56B4E9",
    "oracle": COLOURS["quiet"],
}
"""Methods have colours of their own: blue, orange, green and vermillion mean labels. CL and CBST share a rule, and a
colour; the other ablations of DMT have one, too."""

SET_COLOURS = ("#332288", "#44AA99", "#AA4499", "#999933", "#88CCEE", "#882255", "#117733", "#CC6677")
"""For data sets, which no colour of the book stands for yet."""


def by_method(records: ByMethod, methods: Sequence[str], measure: str = "test accuracy") -> Figure:
    """The score, one dot a seed, and mean ± standard deviation; ``measure`` is what the axis calls it."""
    figure, ax = plt.subplots(figsize=(WIDTH, 0.62 * len(methods) + 1.3))
    for row, method in enumerate(methods):
        values = [score(record) for record in records[method]]
        _dots(ax, row, values, METHOD_COLOURS[method])
        spread = Spread.of(values)
        text = "not run" if spread is None else f"{spread.mean:.1f}"
        ax.text(1.02, row, text, transform=ax.get_yaxis_transform(), va="center", weight="bold")
    _rows(ax, [NAMES[method] for method in methods], any(records[method] for method in methods))
    ax.set_xlabel(f"{measure} (%)")
    return figure


def differences(records: ByMethod, first: str, others: Sequence[str], measure: str = "test accuracy") -> Figure:
    """``first`` against others, one dot a seed, and the mean with its 95% t-interval.

    Both saw the same labels, so what they share cancels.
    """
    figure, ax = plt.subplots(figsize=(WIDTH, 0.75 * len(others) + 1.3))
    ax.axvline(0, color=COLOURS["quiet"], linewidth=1.2)
    for row, other in enumerate(others):
        values = paired_differences(records[first], records[other])
        _dots(ax, row, values, METHOD_COLOURS[other], interval=True)
        spread = Spread.of(values)
        text = "not run" if spread is None else signed(spread.mean)
        ax.text(1.02, row, text, transform=ax.get_yaxis_transform(), va="center", weight="bold")
    _rows(ax, [f"{NAMES[first]} − {NAMES[other]}" for other in others], bool(records[first]))
    ax.set_xlabel(f"difference in {measure} (points)")
    return figure


def noise_map(gains: Mapping[str, pd.DataFrame], levels: Sequence[float] = ()) -> Figure:
    """What the method wins over the error of the first pseudo labels: a dot a seed, and a data set's mean, larger.

    Args:
        gains: by what is compared, such as ``DMT − CL``, the points of
            :func:`~book.studies.readiness_of_runs.first_error_and_gain`; a panel each.
        levels: errors to be marked by a line.
    """
    figure, axes = plt.subplots(len(gains), 1, figsize=(WIDTH, 3.4 * len(gains) + 0.7), sharex=True, squeeze=False)
    for ax, (name, points) in zip(axes.flat, gains.items(), strict=True):
        ax.axhline(0, color=COLOURS["quiet"], linewidth=1.2)
        for level in levels:
            ax.axvline(level, color=COLOURS["ink"], linestyle="--", linewidth=1.2)
        sets = list(dict.fromkeys(points["preset"]))
        look = dict(zip(sets, zip(SET_COLOURS, "osD^vPXd", strict=False), strict=False))
        for preset, group in points.groupby("preset", sort=False):
            colour, marker = look[preset]
            ax.scatter(group["error"], group["gain"], s=26, color=colour, marker=marker, alpha=0.55, linewidth=0)
            middle = group[["error", "gain"]].mean()
            ax.scatter(*middle, s=95, color=colour, marker=marker, edgecolor="white", zorder=3, label=preset)
        if not len(points):
            ax.text(0.5, 0.5, "not run", transform=ax.transAxes, ha="center")
        ax.set_xscale("symlog", linthresh=1)
        ax.set(ylabel=f"{name} (points)", xlim=(-0.08, 40))
        ax.set_xticks([0, 0.5, 1, 3, 10, 30], ["0", "0.5", "1", "3", "10", "30"])
    axes[-1, 0].set_xlabel("wrong among the first pseudo labels (%)")
    handles = {
        label: handle for ax in axes.flat for handle, label in zip(*ax.get_legend_handles_labels(), strict=True)
    }
    figure.legend(handles.values(), handles, loc="outside upper center", ncol=3, handletextpad=0.2, columnspacing=1.2)
    return figure


def _dots(ax: Axes, row: int, values: list[float], colour: str, *, interval: bool = False) -> None:
    """A dot a seed, equal ones below each other; above them their mean with its deviation, or its interval."""
    depth = [sum(abs(other - value) < 1e-6 for other in values[:i]) for i, value in enumerate(values)]
    ax.scatter(values, [row + 0.1 + 0.11 * d for d in depth], s=34, color=colour, alpha=0.6, linewidth=0)
    spread = Spread.of(values)
    if spread is not None:
        reach = (spread.half_width() if interval else spread.std) if spread.n > 1 else 0
        look = dict(color=COLOURS["ink"], markersize=9, capsize=4, linewidth=1.6)
        ax.errorbar(spread.mean, row - 0.16, xerr=reach, fmt="|", markeredgewidth=2.4, **look)


def _rows(ax: Axes, names: list[str], measured: bool) -> None:
    ax.set_yticks(range(len(names)), names)
    ax.set_ylim(len(names) - 0.5, -0.6)
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
    ax.xaxis.set_major_locator(MaxNLocator(nbins=6) if measured else NullLocator())
