"""Chapter 14 in pictures: where paper and code agree."""

from __future__ import annotations

import textwrap

import matplotlib.pyplot as plt
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch

from ..page.colours import COLOURS
from ..page.look import WIDTH
from ..studies.deviations import GROUPS, UNSAID, deviations

LINE = 36  # letters of a point's name before it is broken


def agreement() -> Figure:
    """Who does as whom, a row a point: filled dots on one line do the same, a hollow dot says nothing."""
    items, places = deviations(), {"paper": 0, "authors": 1, "here": 2}
    points = {item.point: textwrap.fill(item.point, LINE) for item in items}
    more = 0.5 * sum("\n" in point for point in points.values())  # rows for second lines
    figure, ax = plt.subplots(figsize=(WIDTH, 0.29 * (len(items) + len(GROUPS) + more) + 0.5))
    row = 0
    for group in GROUPS:
        ax.text(-4.35, row, group, weight="bold", va="center")
        for item in (item for item in items if item.group == group):
            second = 0.25 * ("\n" in points[item.point])
            row += 1 + second
            ax.text(-4.2, row, points[item.point], va="center", fontsize=11, linespacing=1.1)
            same = [places[who] for who in (*item.agrees, "here")]
            past_the_code = item.agrees == ("paper",)
            bow = FancyArrowPatch(
                *((min(same), row), (2, row)),
                arrowstyle="-",
                lw=1.6,
                color=COLOURS["ink"],
                connectionstyle=f"arc3,rad={0.11 if past_the_code else 0}",
            )
            if item.agrees:
                ax.add_patch(bow)
            for who, place in places.items():
                unsaid = getattr(item, who) in UNSAID
                colour = COLOURS["ink"] if place in same else COLOURS["quiet"]
                ax.plot(place, row, "o", color=colour, markersize=7, markerfacecolor="white" if unsaid else colour)
            row += second
        row += 1
    for who, place in {"paper": 0, "code": 1, "here": 2}.items():
        ax.text(place, -1.1, who, ha="center", weight="bold")
    ax.set(xlim=(-4.4, 2.4), ylim=(row - 0.4, -1.5))
    ax.axis("off")
    own = sum(not item.agrees for item in items)
    figure.set_label(
        f"{len(items)} points in five groups, a row each, with a dot for the paper, the code and this library. Lines "
        f"join those that do the same. On {own} points this library goes a way of its own."
    )
    return figure
