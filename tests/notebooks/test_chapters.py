"""What the chapters have in common."""

import ast
import re
import statistics
from pathlib import Path

import jupytext
import nbformat
import pytest
from chapters import PLUMBING, ROOT, chapters, first_cell, notebook_text, repository, with_first_cell
from jupytext.config import load_jupytext_config

TEXTS = chapters()

GOALS = re.compile(
    r"^:::\{admonition\} Before you begin\n:class: dmt-goals\n"
    r"\*\*You need\*\* .+?\n\n\*\*Afterwards you can\*\*\n\n(- .+)\n:::$",
    re.MULTILINE | re.DOTALL,
)

WIDE = 76  # characters of code that a page shows at 1280 pixels without a scroll bar
FOLD = 25  # lines
SHOWN = {"say", "show", "show_table", "show_body", "show_source", "style", "slider"}

each_chapter = pytest.mark.parametrize("text", TEXTS, ids=lambda path: path.stem)


def code_cells(text: Path) -> list[str]:
    """The sources of a chapter's own code cells, without the setup cell that all share."""
    return [cell.source for cell in jupytext.read(text).cells if cell.cell_type == "code"][1:]


def test_every_chapter_is_in_the_table_of_contents():
    assert sorted(TEXTS) == sorted((ROOT / "book").glob("[0-9]*.py"))
    assert sorted(path.with_suffix(".ipynb") for path in TEXTS) == sorted((ROOT / "book").glob("*.ipynb"))


@each_chapter
def test_text_and_notebook_are_a_pair(text):
    path = text.with_suffix(".ipynb")
    assert path.read_text() == notebook_text(text.read_text()), "`make sync` writes the notebook"
    pair = nbformat.read(path, as_version=4)
    nbformat.validate(pair)
    assert not any(cell.get("outputs") or cell.get("execution_count") for cell in pair.cells)


def test_jupyterlab_pairs_nothing():
    helpers = [path for room in ("page", "studies", "figures") for path in (ROOT / "book" / room).glob("*.py")]
    files = [*TEXTS, *(text.with_suffix(".ipynb") for text in TEXTS), *helpers]
    assert {load_jupytext_config(str(path)).default_formats(str(path)) for path in files} == {None}


@each_chapter
def test_jupyterlab_saves_a_text_as_it_was(text):
    words, config = text.read_text(), load_jupytext_config(str(text))
    assert jupytext.writes(jupytext.reads(words, fmt="py:percent"), fmt="py:percent", config=config) == words


@each_chapter
def test_first_cell_is_the_shared_one(text):
    assert text.read_text() == with_first_cell(text.read_text(), repository())
    assert len(first_cell(repository()).splitlines()) <= 25


@each_chapter
def test_cells_are_short(text):
    lengths = [len(source.splitlines()) for source in code_cells(text)]
    assert max(lengths) <= 25
    assert statistics.median(lengths) <= 10


def open_cells(text: Path) -> list[str]:
    """The sources of the code cells that a page shows without being asked."""
    cells = [cell for cell in jupytext.read(text).cells if cell.cell_type == "code"]
    return [cell.source for cell in cells if not PLUMBING & set(cell.metadata.get("tags", []))]


def is_plumbing(statement: ast.stmt) -> bool:
    if isinstance(statement, ast.Expr) and isinstance(call := statement.value, ast.Call):
        return getattr(call.func, "id", None) in SHOWN
    return isinstance(statement, (ast.Import, ast.ImportFrom, ast.Assert))


@pytest.mark.parametrize(
    ("code", "plumbing"),
    [
        ("import torch\nstyle()", True),
        ("say('a')\nassert True", True),
        ("model.fit()", False),
        ("import torch\nx = torch.ones(3)", False),
    ],
)
def test_what_is_plumbing(code, plumbing):
    assert all(is_plumbing(statement) for statement in ast.parse(code).body) == plumbing


@each_chapter
def test_plumbing_is_folded_and_what_is_open_fits_the_page(text):
    for source in open_cells(text):
        assert not all(is_plumbing(statement) for statement in ast.parse(source).body), source
        assert len(source.splitlines()) <= FOLD
        assert not [line for line in source.splitlines() if len(line) > WIDE]


@each_chapter
def test_figures_bring_their_own_words(text):
    """A chapter doesn't describe what it shows: the function that draws a figure does."""
    calls = [node for source in code_cells(text) for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    shown = [call for call in calls if getattr(call.func, "id", None) in ("show", "slider")]
    assert shown and not [ast.unparse(call) for call in shown if any(k.arg == "alt" for k in call.keywords)]


@each_chapter
def test_chapters_define_no_classes_and_know_no_absolute_paths(text):
    for source in code_cells(text):
        tree = ast.parse(re.sub(r"^\s*[%!].*$", "", source, flags=re.MULTILINE))
        assert not [node.name for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
        strings = [
            node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)
        ]
        assert not [string for string in strings if re.match(r"/\w|~|[A-Z]:[\\/]", string)]


@each_chapter
def test_a_chapter_ends_with_an_assertion(text):
    last = ast.parse(code_cells(text)[-1])
    assert any(isinstance(node, ast.Assert) for node in ast.walk(last))


@each_chapter
def test_a_chapter_says_what_it_needs_and_teaches(text):
    title = jupytext.read(text).cells[1].source  # after the setup cell
    (taught,) = GOALS.findall(title)
    assert 1 <= len(re.findall("^- ", taught, re.MULTILINE)) <= 4


@each_chapter
def test_a_chapter_has_exercises_with_hidden_solutions(text):
    words = text.read_text()
    exercises = re.findall(r"^# `{3,}\{exercise\}", words, re.MULTILINE)
    solutions = re.findall(r"^# `{3,}\{solution\}.*\n# :class: dropdown", words, re.MULTILINE)
    assert 2 <= len(exercises) <= 4
    assert len(solutions) == len(exercises)
