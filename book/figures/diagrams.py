"""Boxes and arrows: what the drawings of the paper's schemes (Fig. 2, Fig. 4) are made of."""

from __future__ import annotations

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from ..page.colours import COLOURS
from ..page.look import WIDTH


def canvas(height: float, top: float) -> tuple[Figure, Axes]:
    """A figure of the page's width, ``height`` inches high, without axes; its coordinates end at 100 and ``top``."""
    figure, ax = plt.subplots(figsize=(WIDTH, height))
    ax.set(xlim=(0, 100), ylim=(0, top))
    ax.axis("off")
    return figure, ax


def arrow_key(figure: Figure, arrows: dict[str, str]) -> None:
    """Above the drawing: what an arrow of each colour means."""
    handles = [plt.Line2D([], [], color=colour, label=text) for text, colour in arrows.items()]
    figure.legend(handles=handles, loc="outside upper right", ncol=len(arrows))


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
