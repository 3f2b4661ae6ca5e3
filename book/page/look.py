"""How every figure of the book looks, and how it gets into a page."""

from __future__ import annotations

import ast
import base64
import functools
import html
import inspect
import io
import textwrap
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure
from PIL import Image

from dmtlib.records.comparison import HERE, PAPER

from .colours import COLOURS
from .narrow import narrow

WIDTH = 5.2  # inches, of nearly every figure: on a telephone's whole screen, print of 11 points is 10 pixels high
PIXELS_PER_INCH = 110  # on the page
SHARPNESS = 1.6  # image pixels per page pixel
PHOTOGRAPH = 16_384  # more colours than that, and a palette would show


def style() -> None:
    """The book's defaults for matplotlib: a white card with room around the drawing, on light and dark pages alike."""
    sns.set_theme(
        style="ticks",
        rc={
            "figure.constrained_layout.use": True,
            "figure.constrained_layout.h_pad": 0.08,
            "figure.constrained_layout.w_pad": 0.08,
            "figure.facecolor": "white",
            "font.family": "DejaVu Sans",  # comes with matplotlib: the same letters on every machine
            "font.size": 12,
            "axes.titlesize": 12.5,
            "axes.titleweight": "bold",
            "axes.titlelocation": "left",
            "axes.labelsize": 12,
            "axes.edgecolor": "#6B7280",
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.labelcolor": COLOURS["ink"],
            "text.color": COLOURS["ink"],
            "xtick.color": "#4B5563",
            "ytick.color": "#4B5563",
            "xtick.labelsize": 11,
            "ytick.labelsize": 11,
            "legend.fontsize": 11,
            "legend.frameon": False,
            "lines.linewidth": 2.2,
        },
    )


def described(words: str) -> Callable[[Callable[..., Figure]], Callable[..., Figure]]:
    """A function's figure carries these words, for readers who can't see it.

    Where the words depend on what is drawn, the function gives them to the figure itself, by ``set_label``.
    """

    def carrying(draw: Callable[..., Figure]) -> Callable[..., Figure]:
        @functools.wraps(draw)
        def drawn(*arguments: Any, **options: Any) -> Figure:
            figure = draw(*arguments, **options)
            figure.set_label(words)
            return figure

        return drawn

    return carrying


def description(figure: Figure) -> str:
    """The words that a figure carries.

    Raises:
        ValueError: it has none.
    """
    if not figure.get_label():
        raise ValueError("a figure needs words for readers who can't see it: @described, or set_label")
    return figure.get_label()


def show(figure: Figure) -> None:
    """Put a figure on the page, no wider than the page, with the words that it carries."""
    from IPython.display import display

    alt, width = description(figure), round(figure.get_size_inches()[0] * PIXELS_PER_INCH)
    png = base64.b64encode(to_png(figure)).decode()
    image = (
        f'<img src="data:image/png;base64,{png}" alt="{html.escape(alt)}"'
        f' class="dark-light" style="width:{width}px;max-width:100%;height:auto">'
    )
    display({"text/html": image, "text/plain": f"[{alt}]"}, raw=True)


def show_table(frame: pd.DataFrame, first: Sequence[str] = ()) -> None:
    """Put a table on the page without the columns that hold nothing yet, and say which those are.

    Args:
        frame: the table.
        first: the columns that it exists for, which a telephone shows without a swipe; by default the paper's numbers
            and ours, where it has such columns.
    """
    from IPython.display import display

    empty = [column for column in frame.columns if {str(value) for value in frame[column]} <= {"", "0", "not run"}]
    first = first or [column for column in (PAPER, HERE) if column in frame.columns]
    order = [*first, *(column for column in frame.columns if column not in first)]
    display(frame[order].drop(columns=empty))
    if empty:
        say(f"*Nothing is recorded yet for {', '.join(f'“{column}”' for column in empty)}.*")


def to_png(figure: Figure, sharpness: float = SHARPNESS, colours: int | None = None) -> bytes:
    """The picture's bytes, the same on every run, and the figure closed, or the notebook would show it once more.

    A drawing gets a palette, which takes two thirds of its bytes away.

    Args:
        figure: what to draw.
        sharpness: image pixels per page pixel.
        colours: of the palette, at most 256. None: 256 for a drawing, and full colour for a photograph.
    """
    drawn, packed = io.BytesIO(), io.BytesIO()
    figure.savefig(drawn, format="png", dpi=PIXELS_PER_INCH * sharpness, facecolor="white")
    plt.close(figure)
    picture = Image.open(drawn).convert("RGB")
    if colours is not None or picture.getcolors(PHOTOGRAPH) is not None:
        picture = picture.quantize(colours or 256, dither=Image.Dither.NONE)
    picture.save(packed, format="png", optimize=True)
    return packed.getvalue()


def say(text: str) -> None:
    """Print a sentence as part of the page's text: how a measured number gets into the prose."""
    from IPython.display import Markdown, display

    display(Markdown(text))


def show_body(function: Callable) -> None:
    """Show what a function does: its source without the signature and the docstring, and no wider than a page."""
    source = textwrap.dedent(inspect.getsource(function))
    statements = ast.parse(source).body[0].body
    first = statements[1 if isinstance(statements[0], ast.Expr) else 0].lineno
    body = textwrap.dedent("\n".join(source.splitlines()[first - 1 :]))
    say(f"```python\n# {function.__module__}.{function.__name__}\n{narrow(body)}\n```")


def show_source(module: ModuleType) -> None:
    """Show a whole file."""
    say(f"```python\n# {module.__name__}\n{inspect.getsource(module)}```")
