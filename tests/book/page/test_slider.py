"""The slider's two lives: frames in a page, a widget in a kernel. (tests/site moves the page's one in a browser.)"""

import matplotlib.pyplot as plt
import pytest
from bs4 import BeautifulSoup

from book.page.slider import slider

drawn = []


def draw(value):
    drawn.append(value)
    figure, axes = plt.subplots(figsize=(6, 3.5))
    axes.plot([0, value], [value, 0])
    figure.set_label("A falling line.")
    return figure


@pytest.fixture
def static(monkeypatch):
    monkeypatch.setenv("DMT_STATIC", "1")


@pytest.fixture
def live(monkeypatch):
    monkeypatch.delenv("DMT_STATIC", raising=False)


def test_a_page_holds_every_frame_and_shows_the_first(static):
    made = slider(draw, [1, 2, 4], "the “level” <x>", format="{:.1f}")
    page = BeautifulSoup(made.data, "html.parser")
    frames = page.find_all("img")
    assert [frame["alt"] for frame in frames] == [
        f"A falling line; the “level” <x> {v}" for v in ("1.0", "2.0", "4.0")
    ]
    assert ["display:block" in frame["style"] for frame in frames] == [True, False, False]
    assert len({frame["src"] for frame in frames}) == 3
    knob = page.find("label").find("input")
    assert (knob["max"], knob["aria-valuetext"], page.find("output").text) == ("2", "1.0", "1.0")
    assert page.find("label").text.strip() == "the “level” <x>"


def test_a_page_may_begin_elsewhere(static):
    page = BeautifulSoup(slider(draw, [1, 2, 4], "level", start=2).data, "html.parser")
    shown = ["display:block" in frame["style"] for frame in page.find_all("img")]
    assert (shown, page.find("input")["value"], page.find("output").text) == ([False, True, False], "1", "2")


def test_it_begins_at_one_of_its_values(static, live):
    with pytest.raises(ValueError, match="start: 3 is none"):
        slider(draw, [1, 2, 4], "level", start=3)


def test_a_kernel_may_begin_elsewhere(live):
    drawn.clear()
    position, _ = slider(draw, [1, 2, 4], "level", start=4).children
    assert (position.value, drawn) == (2, [4])


def test_a_page_is_the_same_each_time_and_small(static):
    first, second = (slider(draw, range(1, 21), "level").data for _ in range(2))
    assert first == second
    assert len(first) < 300_000
    assert not plt.get_fignums()


def test_a_function_may_write_the_values(static):
    assert ">low</output>" in slider(draw, [1], "level", format=lambda value: "low").data


def test_a_kernel_draws_when_the_slider_moves(live):
    drawn.clear()
    widget = slider(draw, [1, 2, 4], "level", format="{:.1f}")
    position, picture = widget.children
    assert [text for text, _ in position.options] == ["1.0", "2.0", "4.0"]
    position.value = 2
    assert drawn == [1, 4]
    assert not plt.get_fignums()
    assert BeautifulSoup(picture.value, "html.parser").img["alt"] == "A falling line; level 4.0"


def test_a_kernel_shows_what_a_page_shows(live, monkeypatch):
    position, picture = slider(draw, [1, 2], "level").children
    position.value = 1
    monkeypatch.setenv("DMT_STATIC", "1")
    frames = BeautifulSoup(slider(draw, [1, 2], "level").data, "html.parser").find_all("img")
    assert BeautifulSoup(picture.value, "html.parser").img["src"] == frames[1]["src"]


def test_no_widget_of_a_slider_is_one_that_papermill_waits_for(live):
    """An Output widget can make nbclient hang (its issue 312)."""
    from ipywidgets import Output

    assert not any(isinstance(child, Output) for child in slider(draw, [1], "level").children)


def test_no_values_is_an_error():
    with pytest.raises(ValueError, match="values"):
        slider(draw, [], "level")
