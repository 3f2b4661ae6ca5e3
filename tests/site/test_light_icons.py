"""Of the theme's icons those stay that a page shows, under any of their names."""

from light_icons import lighten

SCRIPT = (
    'var p={monero:[496,512,[],"f3d0","M1z"],"circle-half-stroke":[512,512,[9680,"adjust"],"f042",["M2z","M3z"]],'
    'bars:[448,512,["navicon"],"f0c9","M4z"]};f(p)'
)


def test_icons_that_no_page_shows_go():
    assert lighten(SCRIPT, {"bars", "solid"}) == 'var p={bars:[448,512,["navicon"],"f0c9","M4z"]};f(p)'


def test_another_name_of_an_icon_keeps_it():
    light = lighten(SCRIPT, {"adjust"})
    assert "circle-half-stroke" in light and "monero" not in light and "bars" not in light
