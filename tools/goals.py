"""Sphinx extension: the box at the start of a chapter, with the time that it takes.

A chapter's title cell ends with what it needs and what it teaches, in words:

    :::{admonition} Before you begin
    :class: dmt-goals
    **You need** …

    **Afterwards you can**

    - …
    :::

This adds how long the chapter takes: reading, counted from its text; running, from papermill's clock. So no
number is typed, and none is out of date.
"""

from __future__ import annotations

import json
import math
import re
from pathlib import Path

from chapters import PLUMBING
from docutils import nodes
from sphinx.application import Sphinx

WORDS_PER_MINUTE = 200
SECONDS_PER_CODE_LINE = 3
SOLUTION = re.compile(r"^(`{3,})\{solution\}.*?^\1$", re.MULTILINE | re.DOTALL)  # hidden, so not counted
WORD = re.compile(r"[^\W\d_][\w'’-]*")


def reading_minutes(cells: list[dict]) -> int:
    """For the text without the hidden solutions, and the code that a reader sees without asking."""
    shown = [cell for cell in cells if not PLUMBING & set(cell["metadata"].get("tags", []))]
    texts = ["".join(cell["source"]) for cell in shown if cell["cell_type"] == "markdown"]
    codes = ["".join(cell["source"]) for cell in shown if cell["cell_type"] == "code"]
    words = sum(len(WORD.findall(SOLUTION.sub("", text))) for text in texts)
    lines = sum(len(code.splitlines()) for code in codes)
    return math.ceil(words / WORDS_PER_MINUTE + lines * SECONDS_PER_CODE_LINE / 60)


def in_words(seconds: float) -> str:
    """Rounded up to five seconds, from 100 seconds on to half a minute: a busy machine would change more than that."""
    if seconds <= 100:
        return f"{5 * math.ceil(seconds / 5)} seconds"
    return f"{math.ceil(seconds / 30) / 2:g} minutes"


def time_needed(notebook: dict) -> str:
    minutes = reading_minutes(notebook["cells"])
    reading = f"about {minutes} minute{'s' if minutes > 1 else ''} to read"
    papermill = notebook["metadata"].get("papermill", {})
    seconds, found = papermill.get("duration"), papermill.get("found_seconds")
    if seconds is None:
        return f"{reading}."
    ran = f"{reading}; the code ran for {in_words(seconds)} when this page was made"
    return f"{ran}, and found runs of {in_words(found)} finished." if found else f"{ran}."


def add_time(app: Sphinx, doctree: nodes.document) -> None:
    """Say in the box of a page that has one how long the page takes."""
    for box in doctree.findall(nodes.admonition):
        if "dmt-goals" in box["classes"]:
            notebook = json.loads(Path(app.env.doc2path(app.env.docname)).read_text(encoding="utf-8"))
            box += nodes.paragraph("", "", nodes.strong("", "It takes "), nodes.Text(time_needed(notebook)))


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("doctree-read", add_time)
    return {"parallel_read_safe": True}
