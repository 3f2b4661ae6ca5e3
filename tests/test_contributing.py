"""What whoever carries on relies on: the worked examples work, and the files around the code agree with it."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from chapters import notebook_text, with_first_cell
from clone import ROOT
from goals import time_needed
from run_chapter import run

from dmtlib import presets
from dmtlib.cli import main
from dmtlib.method import rules
from dmtlib.presets import _read_rows
from dmtlib.training import methods
from dmtlib.training.images.config import ImageRun

TEXT = (ROOT / "CONTRIBUTING.md").read_text()


def section(title: str) -> str:
    return TEXT.split(f"\n## {title}\n")[1].split("\n## ")[0]


def blocks(title: str, language: str = "python") -> list[str]:
    """The boxes of a section, in their order."""
    boxes = re.findall(r"^```(\w*)\n(.*?)^```$", section(title), re.MULTILINE | re.DOTALL)
    return [content for kind, content in boxes if kind == language]


def row(block: str, names: dict) -> tuple[str, object]:
    """A line of a table, as its name and its value."""
    ((key, value),) = eval(f"{{{block}}}", names).items()
    return key, value


def test_module(path: str):
    spec = importlib.util.spec_from_file_location(Path(path).stem, ROOT / "tests" / path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


test_module.__test__ = False


def train(command: str, monkeypatch, folder: Path) -> dict:
    """Run a `dmtlib train …` in a folder, as short as can be; its record."""
    arguments = shlex.split(command.removeprefix("dmtlib "))
    monkeypatch.chdir(folder)
    assert main([*arguments, "--budget", "0.01", "--device", "cpu", "--results", "results"]) == 0
    (path,) = (folder / "results").rglob("seed-*.json")
    return json.loads(path.read_text())


def test_the_rule(monkeypatch, tmp_path):
    code, rule_row, method_row, by_hand = blocks("A rule, worked")
    names = dict(vars(rules))
    exec(code, names)
    name, rule = row(rule_row, names)
    monkeypatch.setitem(rules.RULES, name, rule)
    monkeypatch.setitem(methods.METHODS, *row(method_row, vars(methods)))

    tests = test_module("method/test_rules.py")
    monkeypatch.setitem(tests.BY_HAND, *row(by_hand, vars(tests)))
    tests.test_the_table_has_a_row_for_each_method()
    for layout in ("images", "pixels"):
        tests.test_by_hand(name, layout)
    tests.test_one_signature(name)
    test_module("test_public_api.py").test_rules_say_which_method_they_are(name)

    (command,) = blocks("A rule, worked", "")
    record = train(command, monkeypatch, tmp_path)
    assert record["method"] == name and len(record["phases"]) == 6


def test_the_data_set(monkeypatch, tmp_path):
    (script,), (preset_row,) = blocks("A data set, worked"), blocks("A data set, worked", "yaml")
    (commands,) = blocks("A data set, worked", "")
    prepare, command = commands.splitlines()
    path = tmp_path / prepare.split()[1]
    path.parent.mkdir()
    path.write_text(script)
    subprocess.run([sys.executable, path], cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=True)
    rows, file = (ROOT / "dmtlib/training/images/presets.yml").read_text(), tmp_path / "presets.yml"
    file.write_text(rows + preset_row)
    monkeypatch.setitem(presets.PRESETS, "stripes-20", _read_rows(file, ImageRun)["stripes-20"])
    file.write_text(rows + preset_row.replace("num_labels", "labels"))
    with pytest.raises(ValueError, match="labels is no setting of ImageRun; there are data, num_labels, "):
        _read_rows(file, ImageRun)
    record = train(command, monkeypatch, tmp_path)
    assert record["config"]["data"] == "packed:data/stripes.pt" and len(record["phases"]) == 6


@pytest.mark.book
def test_the_chapter(tmp_path):
    (body,) = blocks("A chapter, worked")
    text = tmp_path / "99_example.py"
    text.write_text(with_first_cell(body, ""))
    text.with_suffix(".ipynb").write_text(notebook_text(text.read_text()))
    house = test_module("notebooks/test_chapters.py")
    for rule in (
        house.test_text_and_notebook_are_a_pair,
        house.test_cells_are_short,
        house.test_chapters_define_no_classes_and_know_no_absolute_paths,
        house.test_a_chapter_ends_with_an_assertion,
        house.test_plumbing_is_folded_and_what_is_open_fits_the_page,
        house.test_a_chapter_has_exercises_with_hidden_solutions,
        house.test_a_chapter_says_what_it_needs_and_teaches,
    ):
        rule(text)
    executed = tmp_path / "_build/executed/99_example.ipynb"
    run(text, executed, {})
    notebook = json.loads(executed.read_text())
    assert "At 0.9 there are" in str([cell.get("outputs") for cell in notebook["cells"]])
    assert re.fullmatch(r"about 1 minute to read; the code ran for \d+ seconds when .*", time_needed(notebook))


def test_files_that_are_named_exist():
    worked = {"data_prep/stripes.py", "book/NN_name.py", "book/studies/name.py", "book/figures/name.py"}
    named = set(re.findall(r"`((?:\w+/)+[\w.]*)`", TEXT)) - worked
    assert len(named) > 15
    assert not [name for name in named if not (ROOT / name).exists()]


# --- The files around the code ---


def test_the_citation_names_the_paper():
    """The keys that version 1.2.0 of the format requires, and the paper's as the bibliography has them."""
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert {"cff-version", "message", "title", "authors"} <= set(citation)
    assert citation["cff-version"] == "1.2.0" and citation["type"] == "software"
    assert f'version = "{citation["version"]}"' in (ROOT / "pyproject.toml").read_text()
    assert f'license = "{citation["license"]}"' in (ROOT / "pyproject.toml").read_text()
    paper = citation["preferred-citation"]
    assert {"type", "title", "authors"} <= set(paper) and paper["type"] == "article"
    entry = re.search(r"@article\{feng2022dmt,(.*?)\n\}", (ROOT / "book/references.bib").read_text(), re.DOTALL)[1]
    fields = dict(re.findall(r"^  (\w+) += \{(.*)\},?$", entry, re.MULTILINE))
    people = " and ".join(f"{person['family-names']}, {person['given-names']}" for person in paper["authors"])
    assert people == fields["author"]
    assert paper["title"].lower() == fields["title"].replace("{", "").replace("}", "").lower()
    assert [str(paper[key]) for key in ("journal", "volume", "start", "year", "doi")] == [
        fields[key] for key in ("journal", "volume", "pages", "year", "doi")
    ]


def test_the_changelog_begins_with_this_version():
    version = re.search(r'^version = "(.*)"', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)[1]
    assert re.search(r"^## (\S+?),? ", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)[1] == version


def test_the_hooks_use_what_is_installed():
    (local,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    assert {hook["id"] for hook in local["hooks"]} == {"ruff-check", "ruff-format", "imports", "sync"}
    for hook in local["hooks"]:
        program = Path(hook["entry"].split()[0])
        assert program.parent == Path(".venv/bin") and (Path(sys.prefix) / "bin" / program.name).exists()
    sync = re.compile(local["hooks"][-1]["files"])
    assert all(sync.search(name) for name in ("book/00_start_here.py", "book/00_start_here.ipynb", "_config.yml"))


def workflow(name: str) -> dict:
    return yaml.safe_load((ROOT / f".github/workflows/{name}.yml").read_text())


def test_ci_runs_on_every_python_that_is_allowed():
    job = workflow("ci")["jobs"]["ci"]
    versions = job["strategy"]["matrix"]["python"]
    assert versions == ["3.10", "3.11", "3.12", "3.13"]
    assert f'requires-python = ">={versions[0]}"' in (ROOT / "pyproject.toml").read_text()
    assert [step["run"] for step in job["steps"] if "run" in step] == [".ci/run"]
    assert os.access(ROOT / ".ci/run", os.X_OK)


@pytest.mark.parametrize("name", [path.stem for path in (ROOT / ".github/workflows").glob("*.yml")])
def test_a_workflow_uses_official_actions_and_what_make_offers(name):
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for job in workflow(name)["jobs"].values():
        for step in job["steps"]:
            assert ("run" in step) != ("uses" in step)
            assert step.get("uses", "actions/").startswith("actions/")
            assert set(re.findall(r"\bmake ([a-z-]+)", step.get("run", ""))) <= targets


def test_the_site_is_published_from_main_and_a_wheel_from_a_tag():
    pages, release = workflow("pages"), workflow("release")
    site = [step.get("run") or step["with"].get("path") for step in pages["jobs"]["build"]["steps"][2:]]
    assert site == ["make book", "_build/html"]
    assert pages[True]["push"] == {"branches": ["main"]}  # YAML 1.1 reads `on` as a truth value
    assert "make wheel" in [step.get("run") for step in release["jobs"]["wheel"]["steps"]]
    assert release[True]["push"] == {"tags": ["v*"]} and release["jobs"]["release"]["needs"] == "wheel"
    version = re.search(r'^version = "(.*)"', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)[1]
    assert re.fullmatch(r"\d+\.\d+\.\d+", version), "the wheel's name, which the workflow looks for, has it as it is"
    assert os.access(ROOT / ".ci/wheel", os.X_OK)
