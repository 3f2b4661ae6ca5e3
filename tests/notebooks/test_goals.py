"""How long a chapter takes: counted from its text, and read from papermill's clock."""

import pytest
from goals import in_words, reading_minutes, time_needed


def cell(kind: str, source: str, *tags: str) -> dict:
    return {"cell_type": kind, "source": source.splitlines(keepends=True), "metadata": {"tags": list(tags)}}


WORDS = "word " * 200
SOLUTION = f"````{{solution}} ex-label\n:class: dropdown\n```python\ncode\n```\n{WORDS}\n````\n"


@pytest.mark.parametrize(
    ("cells", "minutes"),
    [
        ([cell("markdown", WORDS)], 1),
        ([cell("markdown", WORDS + "more")], 2),
        ([cell("markdown", WORDS), cell("code", "x = 1\n" * 20)], 2),
        ([cell("markdown", WORDS), cell("code", "x = 1\n" * 20, "setup")], 1),
        ([cell("markdown", WORDS), cell("code", "x = 1\n" * 20, "hide-input")], 1),
        ([cell("markdown", f"{WORDS}\n{SOLUTION}")], 1),
        ([cell("markdown", f"{SOLUTION}\n{WORDS}\n{SOLUTION}\n{WORDS}")], 2),
    ],
    ids=["text", "rounded up", "code", "setup cell", "folded", "solution", "between solutions"],
)
def test_reading(cells, minutes):
    assert reading_minutes(cells) == minutes


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.2, "5 seconds"), (5.1, "10 seconds"), (100, "100 seconds"), (101, "2 minutes"), (121, "2.5 minutes")],
)
def test_running(seconds, words):
    assert in_words(seconds) == words


def test_a_notebook_that_papermill_did_not_run_has_no_running_time():
    notebook = {"cells": [cell("markdown", WORDS * 3)], "metadata": {}}
    assert time_needed(notebook) == "about 3 minutes to read."
    notebook["metadata"]["papermill"] = {"duration": 12.3}
    assert time_needed(notebook) == "about 3 minutes to read; the code ran for 15 seconds when this page was made."
    notebook["metadata"]["papermill"]["found_seconds"] = 31.0
    assert time_needed(notebook).endswith("when this page was made, and found runs of 35 seconds finished.")
