"""Predictions beside a record: of its own model, of images that nobody chose, and refused if they are of another."""

import json

import pytest
import store_predictions
import torch

from book.figures import segmentation_results as draw
from book.studies import segmentation_results as study
from book.studies import stored_predictions as stored
from dmtlib.presets import preset
from dmtlib.records.store import record_path, write_record
from dmtlib.training.directory import RunDirectory
from dmtlib.training.pixels.evaluation import predict_images
from dmtlib.training.pixels.mutual import train_segmentation
from dmtlib.training.pixels.stored import phase_segmenter


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run of two steps on scenes, and its record."""
    runs = tmp_path_factory.mktemp("runs")
    config = preset("scenes", "baseline", budget=0.002)
    return train_segmentation(config, runs=runs, device="cpu", progress=False), RunDirectory.of(config, runs)


@pytest.fixture
def kept(trained, tmp_path):
    record, _ = trained
    write_record(record_path(tmp_path, record), record)
    return tmp_path


def test_the_images_stand_at_equal_distances():
    assert stored.shown([str(i) for i in range(150)]) == [0, 25, 50, 75, 100, 125]
    assert stored.shown(["a", "b"]) == [0, 1]  # where there are fewer, all of them


def test_what_is_stored_is_what_the_recorded_model_predicts(trained, kept):
    record, run = trained
    assert stored.load_predictions(kept, record, (64, 64)) is None
    folder = store_predictions.store_predictions(run.path, kept)
    assert folder == kept / "scenes-budget-0.002/baseline/seed-0"
    images = study.load_scenes().parts["val"]
    found = stored.load_predictions(kept, record, (64, 64))
    assert list(found) == ["val-000", "val-025", "val-050", "val-075", "val-100", "val-125"]
    (expected,) = predict_images(phase_segmenter(run, 0, "A"), images, [25])
    assert torch.equal(found["val-025"].long(), expected.argmax(dim=0))
    provenance = json.loads((folder / stored.PROVENANCE).read_text())
    assert provenance["model"] == "A of phase 0" and provenance["part"] == "val"
    assert record_path(kept, record).exists()  # a folder beside it, and no record more


def test_predictions_of_another_run_are_refused(trained, kept):
    record, run = trained
    store_predictions.store_predictions(run.path, kept)
    with pytest.raises(ValueError, match="predictions of another run than the record beside it"):
        stored.load_predictions(kept, record | {"mean_iou": 99.0}, (64, 64))
    with pytest.raises(ValueError, match=r"val-000\.png has 64×64 pixels, its image 90×120"):
        stored.load_predictions(kept, record, (90, 120))


def test_a_run_without_its_record_is_refused(trained, tmp_path, capsys):
    _, run = trained
    assert store_predictions.main([str(run.path), "--results", str(tmp_path)]) == 2
    assert f"is not the record of {run.path}" in capsys.readouterr().err
    assert store_predictions.main([str(tmp_path), "--results", str(tmp_path)]) == 2
    assert "is no finished run on pixels" in capsys.readouterr().err


def test_rows_of_a_figure_need_every_methods_predictions(trained, kept, monkeypatch):
    record, run = trained
    store_predictions.store_predictions(run.path, kept)
    monkeypatch.setattr(study, "load_records", lambda results, preset, method: [record] * (method == "baseline"))
    assert study.predicted_pictures(kept, "scenes", ("baseline", "dmt"), count=2) is None
    pictures = study.predicted_pictures(kept, "scenes", ("baseline",), count=2)
    figure = draw.prediction_rows(pictures)
    assert [ax.get_title(loc="center") for ax in figure.axes[:3]] == ["input", "truth", "baseline"]
    mask, predicted = pictures.masks[1], pictures.predictions["baseline"][1]
    known = mask != 255
    share = 100 * (mask[known] != predicted[known]).double().mean().item()
    assert study.wrong_pixels(pictures).loc[2, "baseline"] == pytest.approx(share)
