"""Methods side by side: one colour each, a dot a seed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import count
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullLocator

from dmtlib.records.comparison import NAMES, ByMethod, Spread, difference_cell, paired_differences, signed
from dmtlib.records.store import score

from ..page.colours import COLOURS, METHOD_COLOURS, METHOD_MARKERS, SETS
from ..page.look import WIDTH
from ..studies.recorded import summary


def by_method(records: ByMethod, methods: Sequence[str], measure: str = "test accuracy") -> Figure:
    """The score, one dot a seed, and mean ± standard deviation; ``measure`` is what the axis calls it."""
    figure, ax = plt.subplots(figsize=(WIDTH, 0.62 * len(methods) + 1.3))
    scores = [[score(record) for record in records[method]] for method in methods]
    for row, (method, values) in enumerate(zip(methods, scores, strict=True)):
        _dots(ax, row, depths(values, touching(scores)), values, method)
        spread = Spread.of(values)
        text = "not run" if spread is None else f"{spread.mean:.1f}"
        ax.text(1.02, row, text, transform=ax.get_yaxis_transform(), va="center", weight="bold")
    _rows(ax, [NAMES[method] for method in methods], any(records[method] for method in methods))
    ax.set_xlabel(f"{measure} (%)")
    figure.set_label(f"By method, {measure}, one dot a seed. {summary(records, methods)}.")
    return figure


def differences(records: ByMethod, first: str, others: Sequence[str], measure: str = "test accuracy") -> Figure:
    """``first`` against others, one dot a seed, and the mean with its 95% t-interval.

    Both saw the same labels, so what they share cancels.
    """
    figure, ax = plt.subplots(figsize=(WIDTH, 0.75 * len(others) + 1.3))
    ax.axvline(0, color=COLOURS["quiet"], linewidth=1.2)
    gains = [paired_differences(records[first], records[other]) for other in others]
    for row, (other, values) in enumerate(zip(others, gains, strict=True)):
        _dots(ax, row, depths(values, touching(gains)), values, other, interval=True)
        spread = Spread.of(values)
        text = "not run" if spread is None else signed(spread.mean)
        ax.text(1.02, row, text, transform=ax.get_yaxis_transform(), va="center", weight="bold")
    _rows(ax, [f"{NAMES[first]} − {NAMES[other]}" for other in others], bool(records[first]))
    ax.set_xlabel(f"difference in {measure} (points)")
    means = (
        f"{NAMES[other]} {difference_cell(paired_differences(records[first], records[other]))}" for other in others
    )
    figure.set_label(
        f"{NAMES[first]} minus others, one dot a seed, with the mean and its 95% interval. {'; '.join(means)}."
    )
    return figure


def noise_map(gains: Mapping[str, pd.DataFrame], levels: Sequence[float] = ()) -> Figure:
    """What the method wins over the error of the first pseudo labels: a dot a seed, and a data set's mean, larger.

    Args:
        gains: by what is compared, such as ``DMT − CL``, the points of
            :func:`~book.studies.readiness_of_runs.first_error_and_gain`; a panel each.
        levels: errors to be marked by a line.
    """
    figure, axes = plt.subplots(len(gains), 1, figsize=(WIDTH, 2.9 * len(gains) + 1.1), sharex=True, squeeze=False)
    for ax, (name, points) in zip(axes.flat, gains.items(), strict=True):
        for level in levels:
            ax.axvline(level, color=COLOURS["ink"], linestyle="--", linewidth=1.2)
        draw_map(ax, points, name)
    axes[-1, 0].set_xlabel(MAP_AXIS)
    map_key(figure, axes.flat)
    said = (f"{name}: {map_words(points)}" for name, points in gains.items())
    figure.set_label(
        "Maps of noise, a panel each: over the share of wrong first pseudo labels what DMT wins, a mark a seed and a "
        f"larger one for a data set's mean. {'; '.join(said)}."
    )
    return figure


MAP_AXIS = "wrong among the first pseudo labels (%)"


def draw_map(ax: Axes, points: pd.DataFrame, name: str) -> None:
    """One panel of the map of noise, of as many seeds as are recorded."""
    ax.axhline(0, color=COLOURS["quiet"], linewidth=1.2)
    for preset, group in points.groupby("preset", sort=False):
        marker, colour = SETS.get(preset, ("h", COLOURS["quiet"]))
        ax.scatter(group["error"], group["gain"], s=26, color=colour, marker=marker, alpha=0.5, linewidth=0)
        middle = group[["error", "gain"]].mean()
        label = f"{preset}, {_seeds(len(group))}"
        ax.scatter(*middle, s=105, color=colour, marker=marker, edgecolor="white", zorder=3, label=label)
    if not len(points):
        ax.text(0.5, 0.5, "not run", transform=ax.transAxes, ha="center")
    ax.set_xscale("symlog", linthresh=1)
    ax.set(ylabel=f"{name} (points)", xlim=(-0.08, 40))
    ax.set_xticks([0, 0.5, 1, 3, 10, 30], ["0", "0.5", "1", "3", "10", "30"])


def map_key(figure: Figure, axes: Iterable[Axes], place: str = "outside upper center") -> None:
    """Which mark is which data set."""
    found: dict[str, dict[int, Any]] = {}
    for ax in axes:
        for handle, label in zip(*ax.get_legend_handles_labels(), strict=True):
            preset, seeds = label.split(", ")
            found.setdefault(preset, {})[int(seeds.split()[0])] = handle
    handles = {}
    for preset, by_seeds in found.items():  # panels may have different ones, while a method is being recorded
        few, many = min(by_seeds), max(by_seeds)
        handles[f"{preset}, {_seeds(many) if few == many else f'{few}–{many} seeds'}"] = by_seeds[many]
    if handles:
        look = dict(ncol=2, handletextpad=0.2, columnspacing=1.2)
        figure.legend(handles.values(), handles, loc=place, **look)


def _seeds(number: int) -> str:
    return f"{number} seed{'s' * (number > 1)}"


def map_words(points: pd.DataFrame) -> str:
    """The means of a panel, in words."""
    groups = points.groupby("preset", sort=False)
    means = [
        f"{preset} {signed(g['gain'].mean())} points at {g['error'].mean():.1f}% (n = {len(g)})"
        for preset, g in groups
    ]
    return ", ".join(means) or "not run"


def phase_ticks(alphas: Iterable[float]) -> list[str]:
    """What stands below each phase of a run: phase 0 learns labels only, the others a share of pseudo labels too."""
    shares = ("all" if alpha == 1 else f"top {alpha:.0%}" for alpha in alphas)
    return ["0\nlabels\nonly", *(f"{i}\n{share}" for i, share in enumerate(shares, start=1))]


def touching(rows: Iterable[Sequence[float]]) -> float:
    """How near two dots of a row are if they touch: a fortieth of what the figure spans."""
    values = [value for row in rows for value in row]
    return (max(values) - min(values)) / 40 if values else 0.0


def depths(values: Sequence[float], near: float) -> list[int]:
    """How far below the first line each dot stands, so that none lies on another: as high as there is room."""
    taken: list[int] = []
    for value in values:
        beside = {depth for depth, other in zip(taken, values, strict=False) if abs(other - value) <= near}
        taken.append(next(depth for depth in count() if depth not in beside))
    return taken


def _dots(ax: Axes, row: int, depth: list[int], values: list[float], method: str, *, interval: bool = False) -> None:
    """A dot a seed; above them their mean with its deviation, or its interval."""
    mark = dict(s=42, color=METHOD_COLOURS[method], marker=METHOD_MARKERS[method], edgecolor="white", linewidth=0.5)
    ax.scatter(values, [row + 0.1 + 0.11 * d for d in depth], **mark)
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
