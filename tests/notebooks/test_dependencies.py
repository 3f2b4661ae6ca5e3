"""What makes a chapter run again, and what ends the life of a run: planned by make, without running anything."""

import os
import re
import shutil
import time
from pathlib import Path

import pytest
import run_chapter
from clone import ROOT, make
from run_chapter import finished_runs, helpers, write_dependencies


def test_helpers_are_those_imported_and_what_these_import():
    found = {str(path) for path in helpers("03_dynamic_loss")}
    assert {"book/__init__.py", "book/figures/dynamic_loss.py", "book/page/look.py", "book/page/links.py"} <= found
    assert not found & {"book/figures/curriculum.py", "book/03_dynamic_loss.py"}
    assert all((ROOT / path).is_file() for path in found)


def test_a_text_outside_of_the_book_has_none():
    assert helpers("no_chapter") == []


@pytest.fixture
def clone(tmp_path) -> Path:
    """Two chapters that look as if they had been run and rendered; they import the helpers `a`, and `a` and `b`."""
    for folder in ("tools", "book/page", "dmtlib/records", "book/_static"):
        (tmp_path / folder).mkdir(parents=True)
    for name in ("Makefile", "_config.yml", "book/references.bib", "dmtlib/records/paper_numbers.yml"):
        shutil.copy(ROOT / name, tmp_path / name)
    for path in (ROOT / "tools").glob("*.py"):
        shutil.copy(path, tmp_path / "tools")
    (tmp_path / "book/_toc.yml").write_text("format: jb-book\nroot: one\nparts:\n  - chapters:\n      - file: two\n")
    for name in ("book/one.py", "book/two.py", "book/one.ipynb", "book/two.ipynb", "book/page/a.py", "book/page/b.py"):
        (tmp_path / name).touch()
    (tmp_path / "dmtlib/library.py").touch()
    make("--dry-run", "book", cwd=tmp_path)  # writes _build/inputs.txt
    for name, files in {"one": ["book/page/a.py"], "two": ["book/page/a.py", "book/page/b.py"]}.items():
        target = tmp_path / f"_build/executed/{name}.ipynb"
        target.parent.mkdir(exist_ok=True)
        write_dependencies(target, [Path(file) for file in files])
        depfile = target.with_suffix(".d")
        depfile.write_text(depfile.read_text().replace(f"{tmp_path}/", ""))
        target.touch()
    (tmp_path / "_build/html").mkdir()
    (tmp_path / "_build/html/index.html").touch()
    return tmp_path


def chapters_to_run(clone: Path) -> list[str]:
    plan = make("--dry-run", "book", cwd=clone)
    assert plan.returncode == 0, plan.stderr
    return sorted(re.findall(r"run_chapter\.py book/(\w+)\.py", plan.stdout))


@pytest.mark.parametrize(
    ("changed", "again"),
    [
        ("book/page/a.py", ["one", "two"]),
        ("book/page/b.py", ["two"]),
        ("book/two.py", ["two"]),
        ("dmtlib/library.py", ["one", "two"]),
    ],
)
def test_a_change_runs_the_chapters_that_it_reaches(clone, changed, again):
    assert chapters_to_run(clone) == []
    os.utime(clone / changed, (time.time() + 10,) * 2)
    assert chapters_to_run(clone) == again


def test_a_helper_that_is_gone_runs_its_chapters(clone):
    (clone / "book/page/b.py").unlink()
    assert chapters_to_run(clone) == ["two"]


def test_a_new_helper_runs_nothing(clone):
    (clone / "book/page/c.py").touch()
    assert chapters_to_run(clone) == []


def test_runs_of_another_library_are_dropped(tmp_path, monkeypatch):
    (tmp_path / "dmtlib").mkdir()
    source = tmp_path / "dmtlib/rule.py"
    source.write_text("gamma = 4")
    monkeypatch.setattr(run_chapter, "ROOT", tmp_path)
    first = finished_runs(tmp_path)
    first.mkdir(parents=True)
    assert finished_runs(tmp_path) == first and first.exists()
    source.write_text("gamma = 5")
    assert finished_runs(tmp_path) != first and not first.exists()
    source.write_text("gamma = 4")
    monkeypatch.setattr(run_chapter, "version", lambda name: "another")
    assert finished_runs(tmp_path) != first
