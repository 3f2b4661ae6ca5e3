"""One meaning a colour, told apart by every reader, and readable on the white card that a figure is."""

import itertools
import re

import pytest
from chapters import ROOT
from seeing import contrast_with_white, distance

from book.page import colours
from book.page.colours import COLOURS, METHOD_COLOURS, METHOD_MARKERS, PEERS, SETS
from dmtlib.records.comparison import NAMES
from dmtlib.records.reproduction import NOISE_MAP

OWN = {name: colour for name, colour in METHOD_COLOURS.items() if name not in ("dmt", "baseline")}
"""Methods besides the two that are drawn in ink and in grey."""
GROUPS = {
    **COLOURS,
    **OWN,
    **{name: colour for name, (_, colour) in PEERS.items()},
    **{name: colour for name, (_, colour) in SETS.items()},
}


def test_every_method_has_a_colour_and_a_marker_of_its_own():
    assert set(METHOD_COLOURS) == set(METHOD_MARKERS) == set(NAMES)
    assert len(set(METHOD_COLOURS.values())) == len(set(METHOD_MARKERS.values())) == len(NAMES)


def test_no_colour_stands_for_two_things():
    shared = [pair for pair in itertools.combinations(GROUPS, 2) if GROUPS[pair[0]] == GROUPS[pair[1]]]
    assert not shared


def test_meanings_and_methods_are_told_apart_by_every_reader():
    told = {**COLOURS, **OWN}
    near = {pair: distance(told[pair[0]], told[pair[1]]) for pair in itertools.combinations(told, 2)}
    assert min(near.values()) > 14, min(near, key=near.get)


@pytest.mark.parametrize("name", GROUPS)
def test_it_stands_out_from_white(name):
    assert contrast_with_white(GROUPS[name]) >= 3


@pytest.mark.parametrize("marked", [PEERS, SETS])
def test_what_is_near_in_colour_has_another_marker(marked):
    assert len({marker for marker, _ in marked.values()}) == len(marked)
    assert marked is PEERS or set(NOISE_MAP.values()) < set(SETS)


def test_no_figure_defines_a_colour_that_means_something():
    """Tints of grounds and greys of axes may stand where they are used; colours of meanings come by name."""
    defined = {value for value in vars(colours).values() if isinstance(value, str)} | set(GROUPS.values())
    for file in (ROOT / "book/figures").glob("*.py"):
        written = set(re.findall(r"#[0-9A-Fa-f]{6}\b", file.read_text()))
        assert not written & defined, file.name
