"""A figure with a slider, live in a kernel and still working in a page without one."""

from __future__ import annotations

import base64
import html
from collections.abc import Callable, Iterable
from typing import Any

from matplotlib.figure import Figure

from .links import static
from .look import PIXELS_PER_INCH, description, to_png

SHARPNESS = 1.25  # image pixels per page pixel: twenty frames weigh something, so a bit less than a single figure's
COLOURS_PER_FRAME = 64  # plots have few colours

# All frames lie in the page and one is shown, so the first is there without a script too. The script finds its own
# slider through currentScript and keeps to itself, so several sliders can stand in one page.
FRAGMENT = """\
<div class="dmt-slider" style="max-width:100%">
<div style="display:flex;flex-wrap:wrap;gap:.5em;align-items:center"><label style="display:contents">{label} \
<input type="range" min="0" max="{last}" step="1" value="{start}" autocomplete="off" aria-valuetext="{text}" \
style="flex:1 1 5em;min-width:5em;max-width:24em"></label><output style="min-width:3em">{text}</output></div>
{frames}
<script>
(() => {{
  const slider = document.currentScript.parentElement;
  const range = slider.querySelector("input"), output = slider.querySelector("output");
  const frames = slider.querySelectorAll("img");
  range.addEventListener("input", () => {{
    frames.forEach((frame, i) => {{ frame.style.display = i == range.value ? "block" : "none"; }});
    output.value = frames[range.value].dataset.value;
    range.setAttribute("aria-valuetext", output.value);
  }});
}})();
</script>
</div>"""
FRAME = """\
<img src="data:image/png;base64,{png}" alt="{alt}" data-value="{text}" class="dark-light" \
style="display:{display};width:{width}px;max-width:100%;height:auto">"""


def slider(
    draw: Callable[[Any], Figure],
    values: Iterable[Any],
    label: str,
    format: str | Callable[[Any], str] = "{}",
    colours: int = COLOURS_PER_FRAME,
    start: Any = None,
) -> Any:
    """Show ``draw(value)`` for the value that a slider stands at.

    In a kernel each move draws anew. While pages are rendered (``DMT_STATIC=1`` in the environment) every frame is
    drawn now and the result is one piece of HTML that needs nothing else: keep to about 20 values there.

    Args:
        draw: makes the figure of one value, with its words; the figures of all values should have one size.
        values: the slider's positions, in order.
        label: what the slider changes, in plain text.
        format: a format string such as ``"{:.2f}"`` or a function, giving the text of a value.
        start: the value that it stands at first, the one that the text discusses; the first one if None.
        colours: of a drawn frame's palette, at most 256; photographs need more than plots do.
    """
    values = list(values)
    if not values:
        raise ValueError("values: a slider needs at least one")
    if start is not None and start not in values:
        raise ValueError(f"start: {start!r} is none of the slider's values, {values}")
    first = 0 if start is None else values.index(start)
    texts = [format.format(value) if isinstance(format, str) else format(value) for value in values]

    def frame(position: int, display: str = "block") -> str:
        figure = draw(values[position])
        words = description(figure).removesuffix(".")
        return FRAME.format(
            width=round(figure.get_figwidth() * PIXELS_PER_INCH),
            png=base64.b64encode(to_png(figure, SHARPNESS, colours)).decode(),
            alt=html.escape(f"{words}; {label} {texts[position]}"),
            text=html.escape(texts[position]),
            display=display,
        )

    return (_fragment if static() else _widget)(frame, texts, label, first)


def _fragment(frame: Callable[[int, str], str], texts: list[str], label: str, first: int) -> Any:
    from IPython.display import HTML

    frames = [frame(position, "block" if position == first else "none") for position in range(len(texts))]
    said = dict(label=html.escape(label), text=html.escape(texts[first]), start=first, last=len(frames) - 1)
    return HTML(FRAGMENT.format(**said, frames="\n".join(frames)))


def _widget(frame: Callable[[int], str], texts: list[str], label: str, first: int) -> Any:
    """No Output widget: papermill's client answers one, and may then miss that the cell has ended (nbclient #312)."""
    import ipywidgets

    position = ipywidgets.SelectionSlider(
        options=[(text, i) for i, text in enumerate(texts)],
        value=first,
        description=label,
        continuous_update=False,
        style={"description_width": "initial"},
        layout={"width": "min(100%, 40em)"},
    )
    picture = ipywidgets.HTML(frame(first))

    def show(change: dict[str, Any]) -> None:
        picture.value = frame(change["new"])

    position.observe(show, "value")
    return ipywidgets.VBox([position, picture])
