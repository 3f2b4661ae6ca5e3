"""Where the paper, the authors' code and this library differ: the list of book/deviations.yml, for a page."""

from __future__ import annotations

import html
import re
from typing import NamedTuple

import pandas as pd

from dmtlib.presets import VARIANTS, preset

from ..page.links import CODE, page_link, static
from ..page.places import repository
from . import deviation_effects

GROUPS = ("data", "model", "loss", "loop", "evaluation")
UNSAID = ("silent", "unknown")  # of the paper, and of the authors' code


class Deviation(NamedTuple):
    """An entry of book/deviations.yml, which says what its fields mean."""

    group: str
    point: str
    paper: str
    authors: str
    here: str
    agrees: tuple[str, ...]  # "with" in the file, which is no name in Python
    why: str
    code: tuple[str, ...]
    effect: str | None = None
    measured: str | None = None
    page: str | None = None
    variant: bool = False

    @property
    def whose(self) -> str:
        """Whose way is ours, in words."""
        names = {"paper": "the paper", "authors": "the authors' code"}
        return f"as {' and '.join(names[who] for who in self.agrees)}" if self.agrees else "our own way"

    def told_effect(self) -> str:
        """What it changes: computed now, where there is a function for it."""
        return self.effect if self.measured is None else getattr(deviation_effects, self.measured)()


def deviations(group: str | None = None) -> list[Deviation]:
    """All of them, or those of a group, in the file's order."""
    import yaml  # comes with Jupyter

    entries = yaml.safe_load((repository() / "book/deviations.yml").read_text(encoding="utf-8"))
    made = [Deviation(agrees=tuple(e.pop("with")), code=tuple(e.pop("code")), **e) for e in entries]
    return [each for each in made if group in (None, each.group)]


class Cards:
    """The deviations of a group, folded: a line each, which opens to what everyone says, why, and the effect."""

    def __init__(self, group: str) -> None:
        self.items = deviations(group)
        self.effects = [item.told_effect() for item in self.items]

    def __repr__(self) -> str:
        return "\n".join(f"{item.point}: {item.whose}" for item in self.items)

    def _repr_html_(self) -> str:
        return "".join(_card(item, effect) for item, effect in zip(self.items, self.effects, strict=True))


def variant_differences(name: str) -> pd.DataFrame:
    """The settings in which the variants of a preset differ.

    Raises:
        ValueError: the preset has no variant ``authors``.
    """
    paper, authors = (preset(name, "dmt", variant=variant).to_json() for variant in VARIANTS)
    differing = {key: (paper[key], authors[key]) for key in paper if paper[key] != authors[key] and key != "preset"}
    return pd.DataFrame.from_dict(differing, orient="index", columns=list(VARIANTS)).rename_axis("setting")


def _card(item: Deviation, effect: str) -> str:
    lines = {"Paper": item.paper, "Authors' code": item.authors, "Here": item.here, "Why": item.why, "Effect": effect}
    told = {
        name: {"silent": "It says nothing.", "unknown": "Not established by us."}.get(text, _in_html(text))
        for name, text in lines.items()
    }
    if item.variant:
        told["Here"] += " The variant " + CODE.format("authors") + " does as the authors' code."
    told["Code"] = ", ".join(_code_link(name) for name in item.code)
    page = repository() / f"book/{item.page}.py"
    if page.exists():
        told["More"] = page_link(page)
    rows = "".join(
        f'<div style="margin:.2em 0 .2em 1em;white-space:normal"><b>{name}.</b> {text}</div>'
        for name, text in told.items()
        if text
    )
    return (
        f'<details style="margin:.4em 0;white-space:normal"><summary><b>{html.escape(item.point)}</b>: '
        f"{item.whose}</summary>{rows}</details>"
    )


def _in_html(text: str) -> str:
    """Words of ``deviations.yml``: what stands between backticks is code."""
    return re.sub("`([^`]+)`", lambda found: CODE.format(found[1]), html.escape(text))


def _code_link(name: str) -> str:
    """To the module on the library's pages; beside a notebook, to its file. No link where neither is there."""
    module = f"dmtlib.{name.rpartition('.')[0]}"
    text = CODE.format(name)
    if not static():
        return f'<a href="../{module.replace(".", "/")}.py" style="color:inherit">{text}</a>'
    pages = sorted((repository() / "book").glob("api*.md"))
    marks = (f"automodule:: {module}\n", f"module:: {module}\n")
    page = next((p for p in pages if any(mark in p.read_text(encoding="utf-8") for mark in marks)), None)
    return text if page is None else f'<a href="{page.stem}.html#module-{module}" style="color:inherit">{text}</a>'
