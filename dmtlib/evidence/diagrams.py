"""Boxes and arrows: what the drawings of the paper's schemes (Fig. 2, Fig. 4) are made of."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from .figures import COLOURS


def box(ax: Axes, centre: tuple[float, float], size: tuple[float, float], text: str, colour: str) -> None:
    """A rounded box with bold text in its middle, in data coordinates."""
    corner = (centre[0] - size[0] / 2, centre[1] - size[1] / 2)
    ax.add_patch(FancyBboxPatch(corner, *size, boxstyle="round,pad=0,rounding_size=2.5", fc="white", ec=colour, lw=2))
    ax.text(*centre, text, ha="center", va="center", fontsize=13, weight="bold", color=COLOURS["ink"], linespacing=1.4)


def arrow(ax: Axes, start: tuple[float, float], end: tuple[float, float], colour: str, bend: float = 0.0) -> None:
    """An arrow between two points; ``bend`` is how far it bulges, as a share of its length."""
    ax.add_patch(
        FancyArrowPatch(
            start, end, arrowstyle="-|>", mutation_scale=18, lw=2, color=colour, connectionstyle=f"arc3,rad={bend}"
        )
    )
