"""Long lines of code, broken for a page: other lines, and the same program."""

import ast
from pathlib import Path

import pytest

import dmtlib
from book.page.narrow import narrow

FILES = sorted(Path(dmtlib.__file__).parent.rglob("*.py"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_the_program_stays_the_same(file):
    code = file.read_text(encoding="utf-8")
    assert ast.dump(ast.parse(narrow(code))) == ast.dump(ast.parse(code))


def test_a_line_is_broken_after_the_outermost_commas_as_late_as_possible():
    code = f"    here = outer(inner({'a' * 20}, {'b' * 20}), {'c' * 20}, inner({'d' * 20}, {'e' * 20}), f)"
    assert narrow(code).splitlines() == [
        f"    here = outer(inner({'a' * 20}, {'b' * 20}),",
        f"                 {'c' * 20},",
        f"                 inner({'d' * 20}, {'e' * 20}), f)",
    ]


def test_what_a_bracket_of_an_earlier_line_holds_keeps_its_margin():
    code = f"x = f(\n    {'a' * 40}, {'b' * 40}\n)"
    assert narrow(code) == f"x = f(\n    {'a' * 40},\n    {'b' * 40}\n)"


def test_a_comment_behind_a_long_line_moves_above_it():
    code = f"if x:\n    {'a' * 60} = 1  # {'why, ' * 6}"
    assert narrow(code) == f"if x:\n    # {'why, ' * 6}\n    {'a' * 60} = 1"


@pytest.mark.parametrize("code", ["y = x  # short, stays", f"x = '{'no, comma ' * 10}'", f"# {'why ' * 30}", ""])
def test_other_lines_stay(code):
    assert narrow(code) == code
