"""How a figure becomes the bytes of a page."""

import importlib
import inspect
import io
import pkgutil
import re
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from PIL import Image

from book import figures
from book.page import links, look
from book.page.look import show_table, to_png
from book.studies import dmt, dmt_pixels


def drawing():
    figure, axes = plt.subplots()
    axes.plot([0, 1], [1, 0])
    return figure


def photograph():
    figure, axes = plt.subplots()
    axes.imshow(np.random.default_rng(0).random((200, 200, 3)))
    return figure


def test_a_drawing_gets_a_palette_and_a_photograph_keeps_its_colours():
    assert Image.open(io.BytesIO(to_png(drawing()))).mode == "P"
    assert Image.open(io.BytesIO(to_png(photograph()))).mode == "RGB"
    assert Image.open(io.BytesIO(to_png(photograph(), colours=64))).mode == "P"


def test_the_same_picture_is_the_same_bytes_and_is_closed():
    assert to_png(drawing()) == to_png(drawing())
    assert not plt.get_fignums()


def test_a_palette_changes_hardly_a_pixel():
    figure = drawing()
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=176, facecolor="white")
    whole = np.asarray(Image.open(buffer).convert("RGB")).astype(int)
    light = np.asarray(Image.open(io.BytesIO(to_png(figure))).convert("RGB")).astype(int)
    assert whole.shape == light.shape and abs(whole - light).max() <= 8


def test_a_figure_says_what_it_shows(capsys):
    look.show(look.described("A falling line.")(drawing)())
    assert "[A falling line.]" in capsys.readouterr().out
    with pytest.raises(ValueError, match="a figure needs words for readers who can't see it"):
        look.show(drawing())


def test_every_figure_function_gives_its_figure_words():
    modules = [
        importlib.import_module(f"book.figures.{found.name}") for found in pkgutil.iter_modules(figures.__path__)
    ]
    drawing = [
        function
        for module in modules
        for _, function in inspect.getmembers(module, inspect.isfunction)
        if function.__module__ == module.__name__ and function.__annotations__.get("return") in (Figure, "Figure")
    ]
    assert len(drawing) > 45
    ways = ("@described(", ".set_label(", "picture_figure(")
    assert not [f.__qualname__ for f in drawing if not any(way in inspect.getsource(f) for way in ways)]


def test_the_smallest_print_is_ten_pixels_high_on_a_telephone():
    with plt.rc_context():
        look.style()
        names = ("font.size", "axes.titlesize", "axes.labelsize", "xtick.labelsize", "ytick.labelsize")
        sizes = [plt.rcParams[name] for name in (*names, "legend.fontsize")]
    drawn = "".join(file.read_text() for file in Path(figures.__file__).parent.glob("*.py"))
    sizes += map(float, re.findall(r"fontsize=([\d.]+)", drawn))
    screen = 360  # pixels, which a figure fills (book/_static/book.css)
    assert min(sizes) / 72 * screen / look.WIDTH >= 10


def test_empty_columns_are_left_out_and_named(monkeypatch):
    shown, said = [], []
    monkeypatch.setattr("IPython.display.display", shown.append)
    monkeypatch.setattr("book.page.look.say", said.append)
    show_table(pd.DataFrame({"paper": ["94.2", ""], "here": ["not run", ""], "n": [0, 0], "some": ["not run", "1"]}))
    assert list(shown.pop().columns) == ["paper", "some"] and said == ["*Nothing is recorded yet for “here”, “n”.*"]
    show_table(pd.DataFrame({"n": [1]}))
    assert list(shown.pop().columns) == ["n"] and len(said) == 1
    show_table(pd.DataFrame({"network": ["a"], "paper": [1], "n": [2]}), first=["n", "paper"])
    assert list(shown.pop().columns) == ["n", "paper", "network"]
    show_table(pd.DataFrame({"labels": ["1"], "paper (%)": ["2"], "its gap": ["3"], "here (%)": ["4"]}))
    assert list(shown.pop().columns) == ["paper (%)", "here (%)", "labels", "its gap"]


def test_a_file_is_shown_whole(monkeypatch):
    said = []
    monkeypatch.setattr(look, "say", said.append)
    look.show_source(links)
    assert said == [f"```python\n# book.page.links\n{Path(links.__file__).read_text()}```"]


@pytest.mark.parametrize("program", [dmt, dmt_pixels])
def test_a_program_that_is_shown_whole_fits_the_page(program):
    lines = Path(program.__file__).read_text().splitlines()
    assert max(map(len, lines)) <= 76 and len(lines) <= 160
