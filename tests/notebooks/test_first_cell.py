"""The first cell of every chapter, alone in a folder as on Colab."""

import importlib.metadata
import re
import subprocess
import sys
from pathlib import Path

import pytest
from chapters import first_cell

NEEDS = {re.match(r"[\w-]+", need).group() for need in importlib.metadata.requires("dmtlib") if "extra" not in need}
NEEDS |= {"matplotlib", "seaborn", "ipywidgets"}
MODULES = {"scikit-learn": "sklearn", "PyYAML": "yaml"}

# The cell runs in a Python that sees no installed package, but is told which there are. pip only says what it got.
HARNESS = """
import importlib.util, subprocess, sys
present, find, run = {present!r}, importlib.util.find_spec, subprocess.run
importlib.util.find_spec = lambda name: "there" if name in present else find(name)
subprocess.run = lambda command, **options: print(*command[2:]) if "pip" in command else run(command, **options)
exec(compile({cell!r}, "first cell", "exec"))
print(find("dmtlib").origin)
"""


def execute(folder: Path, address: str = "", absent: tuple[str, ...] = ()) -> subprocess.CompletedProcess:
    present = {MODULES.get(name, name) for name in NEEDS} - set(absent)
    code = HARNESS.format(present=present, cell=first_cell(address))
    return subprocess.run([sys.executable, "-I", "-S", "-c", code], cwd=folder, capture_output=True, text=True)


@pytest.fixture
def clone(tmp_path):
    (tmp_path / "clone/dmtlib").mkdir(parents=True)
    (tmp_path / "clone/dmtlib/__init__.py").touch()
    (tmp_path / "clone/book/figures").mkdir(parents=True)
    (tmp_path / "clone/book/figures/__init__.py").touch()
    return tmp_path / "clone"


def test_without_an_address_it_says_what_is_missing(tmp_path):
    done = execute(tmp_path)
    assert done.returncode == 1
    message = done.stderr.splitlines()[-1]
    assert message.startswith("ModuleNotFoundError: This chapter needs the clone of the book")
    assert "REPOSITORY" in message


def test_with_an_address_it_clones_the_book_once(clone, tmp_path):
    git = ["git", "-C", clone, "-c", "user.name=reader", "-c", "user.email=reader@example.org"]
    for command in (["init", "--quiet"], ["add", "."], ["commit", "--quiet", "--message", "The book"]):
        subprocess.run([*git, *command], check=True)
    content = tmp_path / "content"
    content.mkdir()
    for _ in range(2):
        done = execute(content, clone.as_uri())
        assert done.stdout == f"{content}/the-dmt-book/dmtlib/__init__.py\n", done.stderr


def test_inside_a_clone_it_finds_the_library_beside_the_chapters(clone):
    done = execute(clone / "book")
    assert done.stdout == f"{clone}/dmtlib/__init__.py\n", done.stderr


def test_it_installs_only_what_is_missing(clone):
    done = execute(clone / "book", absent=("jaxtyping", "sklearn"))
    assert done.stdout.splitlines()[0] == "pip install --quiet scikit-learn jaxtyping", done.stderr


def test_it_knows_all_needs_of_the_library(clone):
    done = execute(clone / "book", absent=("sklearn", "yaml", *NEEDS))
    assert set(done.stdout.splitlines()[0].removeprefix("pip install --quiet ").split()) == NEEDS, done.stderr
