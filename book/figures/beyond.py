"""The figure of the chapter beyond the paper: what confidences are worth, by number of views."""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from ..page.colours import COLOURS
from ..page.look import WIDTH

LOOKS = [("o", "quiet"), ("s", "ink"), ("D", "second")]


def reliability(curves: Mapping[int, pd.DataFrame]) -> Figure:
    """For up to three numbers of views: how often labels are right, by how confident they are. On the grey diagonal
    the two are equal."""
    figure, ax = plt.subplots(figsize=(WIDTH, 4.2))
    ax.plot([0, 100], [0, 100], color=COLOURS["quiet"], linewidth=1, linestyle=":")
    words = []
    for (count, table), (marker, colour) in zip(curves.items(), LOOKS, strict=False):
        name = f"{count} views" if count > 1 else "1 view"
        look = dict(color=COLOURS[colour], linewidth=2, markersize=7)
        ax.plot(table["confidence"], table["right"], marker, linestyle="-", label=name, **look)
        told = ", ".join(f"{row.confidence:.0f}% sure: {row.right:.0f}% right" for row in table.itertuples())
        words.append(f"{name}: {told}")
    ax.set(xlabel="confidence (%)", ylabel="right labels (%)", xlim=(0, 102), ylim=(0, 102))
    figure.legend(loc="outside upper right", ncol=3)
    figure.set_label(f"Share of right labels over confidence. {'; '.join(words)}.")
    return figure
