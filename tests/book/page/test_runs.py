"""Chapters hand finished runs to each other, and nothing else."""

import json

import pytest

from book.page.runs import OWN, STORE, keep_finished, runs_folder
from dmtlib.presets import preset
from dmtlib.training import train

CONFIG = preset("digits-40", "baseline", budget=0.005)


@pytest.fixture
def chapter(tmp_path, monkeypatch):
    """Begin a chapter: its working folder, and the folder of its runs."""
    monkeypatch.setenv(STORE, str(tmp_path / "store"))

    def begin(name, *configs):
        work = tmp_path / name
        work.mkdir()
        monkeypatch.chdir(work)
        return work, runs_folder(*configs)

    return begin


def test_a_finished_run_is_not_repeated(chapter, tmp_path, monkeypatch):
    work, runs = chapter("one", CONFIG)
    record = train(CONFIG, runs=runs, device="cpu", progress=False)
    assert keep_finished(work, tmp_path / "store") == 0
    work, runs = chapter("two", CONFIG)
    monkeypatch.setattr("dmtlib.training.images.curriculum.Curriculum.run_phase", None)  # nobody trains
    assert train(CONFIG, runs=runs, device="cpu", progress=False) == record
    assert keep_finished(work, tmp_path / "store") == record["seconds"]
    assert len(list((tmp_path / "store").iterdir())) == 1


def test_another_budget_is_another_run(chapter, tmp_path):
    work, runs = chapter("one", CONFIG)
    train(CONFIG, runs=runs, device="cpu", progress=False)
    keep_finished(work, tmp_path / "store")
    other = preset("digits-40", "baseline", budget=0.01)
    _, runs = chapter("two", other)
    assert train(other, runs=runs, device="cpu", progress=False)["config"]["budget"] == 0.01


def run_in(folder, result=True):
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps({"seed": 0, "device": "cpu", "data_fingerprint": "abc"}))
    if result:
        (folder / "result.json").write_text(json.dumps({"seconds": 2.0}))


def test_only_what_is_finished_is_kept(tmp_path):
    run_in(tmp_path / OWN / "preset/dmt/seed-0", result=False)
    assert keep_finished(tmp_path, tmp_path / "store") == 0
    assert not (tmp_path / "store").exists()


def test_of_two_chapters_with_the_same_run_the_first_is_kept(tmp_path):
    for name in ("one", "two"):
        run_in(tmp_path / name / OWN / "preset/dmt/seed-0")
        keep_finished(tmp_path / name, tmp_path / "store")
    assert len(list((tmp_path / "store").iterdir())) == 1
    assert (tmp_path / "two" / OWN / "preset/dmt/seed-0/result.json").exists()


def test_by_hand_nothing_is_shared(monkeypatch):
    monkeypatch.delenv(STORE, raising=False)
    folders = {runs_folder(CONFIG), runs_folder(CONFIG)}
    assert len(folders) == 2 and not any(list(folder.iterdir()) for folder in folders)
