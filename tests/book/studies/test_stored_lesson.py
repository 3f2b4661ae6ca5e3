"""The lesson on the first page: of the recorded run's own numbers, of scenes that nobody chose, and refused if not."""

import json

import pytest
import store_lesson
import torch

from book.page.places import results
from book.studies import stored_lesson as stored
from book.studies.mutual_training import Lessons, lessons
from dmtlib.data.pixels.datasets import load_segmentation
from dmtlib.presets import preset
from dmtlib.records.store import load_records, record_path, write_record
from dmtlib.training import RunDirectory, train

BUDGET = 0.005


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run of a few steps, and its record."""
    runs = tmp_path_factory.mktemp("runs")
    config = preset("scenes-small", "dmt", budget=BUDGET)
    return config, train(config, runs=runs, device="cpu", progress=False), RunDirectory.of(config, runs)


def test_what_is_stored_is_what_b_was_taught(trained, tmp_path):
    config, record, run = trained
    repeated = record | {"seconds": 1.0}  # the same numbers, on another day
    write_record(record_path(tmp_path, record), repeated)
    assert stored.load_lesson(tmp_path, "scenes-small", budget=BUDGET) is None
    assert store_lesson.main([str(run.path), "--results", str(tmp_path)]) == 0
    found = stored.load_lesson(tmp_path, "scenes-small", budget=BUDGET)
    taught = lessons(config, run, load_segmentation(config.data).parts["train"], config.phases - 1, "B")
    order = taught.wrong.sum(dim=(1, 2)).argsort(stable=True).tolist()
    places = [order[len(order) // 3], order[2 * len(order) // 3]]
    assert torch.equal(found.labels, taught.labels[places]) and torch.equal(found.wrong, taught.wrong[places])
    torch.testing.assert_close(found.weights, taught.weights[places], atol=0.5 / 255 + 1e-6, rtol=0)
    assert torch.equal(found.images, taught.images[places])


def test_another_run_is_refused(trained, tmp_path, capsys):
    _, record, run = trained
    other = json.loads(json.dumps(record))
    other["phases"][-1]["models"]["B"]["pseudo_label_error"] += 0.1
    write_record(record_path(tmp_path, record), other)
    assert store_lesson.main([str(run.path), "--results", str(tmp_path)]) == 2
    assert "its phases have other numbers" in capsys.readouterr().err
    write_record(record_path(tmp_path, record), record)
    store_lesson.store_lesson(run.path, tmp_path)
    write_record(record_path(tmp_path, record), record | {"seconds": 1.0})
    with pytest.raises(ValueError, match="a lesson of another run than the record beside it"):
        stored.load_lesson(tmp_path, "scenes-small", budget=BUDGET)


def test_the_first_page_has_its_lesson():
    lesson = stored.load_lesson(results())
    (record,) = (r for r in load_records(results(), "scenes", "dmt") if r["seed"] == 0)
    assert tuple(lesson.classes) == tuple(record["class_iou"])
    assert lesson.weights[lesson.wrong].mean() < lesson.weights[~lesson.wrong].mean()


def test_scenes_stand_at_one_and_two_thirds_of_their_order():
    truth = torch.zeros(6, 3, 3, dtype=torch.uint8)
    labels = truth.clone()
    for scene, wrong in enumerate((5, 0, 3, 1, 4, 2)):
        labels[scene].view(-1)[:wrong] = 1
    images = torch.zeros(6, 3, 3, 3, dtype=torch.uint8)
    assert stored.chosen(Lessons(images, truth, labels, torch.ones(6, 3, 3))) == [5, 4]
