"""The checks before training: what they count, and what they advise, on answers made by hand."""

import dataclasses

import pandas as pd
import pytest
import torch

from book.figures import your_data as draw
from book.figures.methods import noise_map
from book.studies.readiness import Answers, assess
from book.studies.readiness_of_runs import assess_images, assess_pixels, first_error_and_gain, told_by_seeds
from book.studies.your_data import make_image_folder, make_mask_folder
from dmtlib.data.images.datasets import load_dataset
from dmtlib.data.pixels.datasets import load_segmentation
from dmtlib.presets import preset
from dmtlib.records.store import record_path, write_record
from dmtlib.training import RunDirectory, train
from dmtlib.training.images.evaluation import predict
from dmtlib.training.images.stored import phase_model

CLASSES = ("cat", "dog")


def sure_of(labels: torch.Tensor, confidence: torch.Tensor) -> torch.Tensor:
    """Probabilities of two classes: ``labels``, with that confidence."""
    return torch.where(labels[:, None] == torch.arange(2), confidence[:, None], 1 - confidence[:, None])


def answers(wrong: int, n: int = 200, u: int = 100) -> tuple[Answers, torch.Tensor]:
    """n held-out answers, less and less sure, the ``wrong`` surest of which are wrong; both classes in turn."""
    truth = torch.arange(n) % 2
    labels = torch.where(torch.arange(n) < wrong, 1 - truth, truth)
    return Answers(
        sure_of(labels, torch.linspace(0.99, 0.6, n)), sure_of(torch.arange(u) % 2, torch.full((u,), 0.8))
    ), truth


@pytest.mark.parametrize(
    ("wrong", "verdict", "words"),
    [
        (2, "good", "Go ahead"),
        (4, "doubtful", "compare with the baseline"),
        (8, "too weak", "Improve the baseline first"),
    ],
)
def test_the_first_labels_decide(wrong, verdict, words):
    first, truth = answers(wrong)
    report = assess(first, truth, CLASSES)
    assert report.tops["labels"].tolist() == [40, 80, 120, 160, 200]
    assert report.tops["wrong"].tolist() == [wrong] * 5
    assert report.first["error"] == pytest.approx(100 * wrong / 40)
    assert report.first["low"] < report.first["error"] < report.first["high"]
    assert report.verdict == verdict and words in report.advice[0]
    assert report.agreement is None and report.disputed_wrong is None
    assert f"of the 40 surest held-out answers, wrong: {wrong} ({100 * wrong / 40:.1f}%)" in str(report)


def test_few_held_out_labels_tell_nothing():
    first, truth = answers(0, n=99)
    report = assess(first, truth, CLASSES)
    assert report.verdict == "unknown" and report.advice[0].startswith("Hold out more labels: of the 19 surest")
    assert assess(*answers(0, n=3), CLASSES).verdict == "unknown"
    with pytest.raises(ValueError, match="at least one label must be held out"):
        assess(*answers(0, n=0), CLASSES)


def test_weights_matter_little_where_nearly_all_is_right():
    assert "will matter little" in str(assess(*answers(2), CLASSES))
    assert "will matter little" not in str(assess(*answers(60), CLASSES))


def test_a_class_that_is_never_named_is_told():
    first, truth = answers(0)
    dogs_late = sure_of(torch.arange(100) // 50, torch.linspace(0.99, 0.6, 100))
    assert "No label among the first 20% is of class dog" in str(
        assess(first._replace(unlabeled=dogs_late), truth, CLASSES)
    )
    no_dogs = sure_of(torch.zeros(100), torch.full((100,), 0.9))
    report = assess(first._replace(unlabeled=no_dogs), truth, CLASSES)
    assert "No label among all pseudo labels is of class dog" in str(report)
    assert report.balance.to_dict("list") == {"first": [20, 0], "all": [100, 0]}


def test_what_a_second_baseline_disputes():
    first, truth = answers(8)
    labels = first.held_out.argmax(dim=1)
    other = labels.clone()
    other[0], other[8:40] = 1 - labels[0], 1 - labels[8:40]  # 1 of 8 errors, 32 of 192 right answers
    unlabeled = sure_of((torch.arange(100) % 2).where(torch.arange(100) > 9, 0), torch.full((100,), 0.7))
    report = assess(first, truth, CLASSES, Answers(sure_of(other, torch.full((200,), 0.9)), unlabeled))
    assert report.disputed_wrong == pytest.approx(12.5) and report.disputed_right == pytest.approx(100 * 32 / 192)
    assert report.agreement == pytest.approx(95)  # the five dogs among the first ten
    assert "disputes only 12% of the first one's errors" in str(report)
    same = assess(*answers(0), CLASSES, answers(0)[0])
    assert same.disputed_wrong is None and same.disputed_right == 0 and same.agreement == 100


@pytest.mark.parametrize(
    ("confidence", "points", "words"),
    [
        (0.99, 9, "The baseline is 9 points surer than right. The mean of several views (`--views 4`) is more modest"),
        (0.7, -20, "The baseline is 20 points more modest than right."),
        (0.92, 2, None),
    ],
)
def test_views_are_for_a_baseline_that_is_surer_than_right(confidence, points, words):
    truth = torch.arange(200) % 2
    labels = torch.where(torch.arange(200) % 10 == 0, 1 - truth, truth)  # 90% are right
    said = sure_of(labels, torch.full((200,), confidence))
    report = assess(Answers(said, said), truth, CLASSES)
    assert report.overconfidence == pytest.approx(points, abs=1e-4) and report.together is None
    assert words in str(report) if words else "views" not in str(report)
    assert words is None or ("try it" in str(report)) == (points > 0)


def test_what_two_baselines_know_together():
    """Each errs in another tenth, and is less sure there: together they are right everywhere."""
    truth, which = torch.arange(200) % 2, torch.arange(200) % 10
    first, second = (
        Answers(*[sure_of(torch.where(which == k, 1 - truth, truth), torch.where(which == k, 0.6, 0.9))] * 2)
        for k in (0, 1)
    )
    report = assess(first, truth, CLASSES, second)
    assert report.together == pytest.approx(10) and "right 10.0 points more often than one of them" in str(report)
    assert assess(first, truth, CLASSES, first).together == 0 and "both" not in str(
        assess(first, truth, CLASSES, first)
    )


def test_pixels_are_ranked_inside_their_class():
    """All cats are surer than any dog: ranked together, the first fifth would have no dog, and none of its errors."""
    labels = torch.arange(200) // 100
    truth = torch.where(torch.arange(200) >= 190, 1 - labels, labels)
    confidence = torch.where(labels == 0, 0.95, torch.linspace(0.6, 0.8, 200))  # the wrong dogs are the surest dogs
    held_out = sure_of(labels, confidence)
    first = Answers(held_out, held_out)
    together, by_class = (assess(first, truth, CLASSES, pixels=pixels) for pixels in (False, True))
    assert together.first["wrong"] == 0 and by_class.first["wrong"] == 10
    assert by_class.first["labels"] == 40 and by_class.balance["first"].tolist() == [20, 20]
    assert "low" not in by_class.tops


def test_records_give_the_rule_of_thumb(tmp_path):
    def write(preset, method, seed, **numbers):
        record = {"preset": preset, "method": method, "seed": seed, "config": {"budget": 1.0, "data": "d"}, **numbers}
        write_record(record_path(tmp_path, record), record)

    write("images", "baseline", 0, test_accuracy=90.0)
    for seed, accuracy in ((0, 93.0), (1, 99.0)):  # no baseline of seed 1
        phase = {"steps": 1, "test_accuracy": accuracy}
        write("images", "dmt", seed, test_accuracy=accuracy, phases=[phase, {**phase, "pseudo_label_error": 0.5}])
    write("pixels", "baseline", 0, mean_iou=50.0)
    errors = {"A": 16.0, "B": 20.0}
    models = {m: {"steps": 1, "val_mean_iou": 45.0, "pseudo_label_error": error} for m, error in errors.items()}
    chosen = {"best": "B", "scored_on": "val"}
    write("pixels", "dmt", 0, mean_iou=45.0, **chosen, phases=[{"models": models}, {"models": models}])
    points = first_error_and_gain(tmp_path, ("images", "pixels", "never run"))
    assert points.to_dict("list") == {
        "preset": ["images", "pixels"],
        "seed": [0, 0],
        "error": [0.5, 18.0],
        "gain": [3.0, -5.0],
    }
    for model, iou in zip("AB", (43.0, 49.0), strict=True):
        models[model]["val_mean_iou"] = iou
    write("scenes", "baseline", 0, mean_iou=50.0)
    write("scenes", "dmt", 0, mean_iou=49.0, **chosen, phases=[{"models": models}, {"models": models}])
    assert first_error_and_gain(tmp_path, ("scenes",))["gain"].tolist() == [-4.0]  # of the mean of A and B
    assert first_error_and_gain(tmp_path, ("never run",)).empty
    assert first_error_and_gain(tmp_path, ("images",), "cl").empty
    assert [len(ax.collections) for ax in noise_map({"a": points, "b": points[:1]}).axes] == [4, 2]
    assert noise_map({"a": points[:0]}).axes[0].texts[0].get_text() == "not run"


def test_what_seeds_tell_is_said_set_by_set():
    rows = [("up", 2.0), ("up", 2.1), ("up", 1.9), ("down", -2.0), ("down", -2.1), ("wide", 9.0), ("wide", -1.0)]
    rows += [("one", 5.0), ("agreed", 1.0), ("agreed", 9.0)]
    points = pd.DataFrame([{"preset": p, "seed": 0, "error": 1.0, "gain": g} for p, g in rows])
    assert told_by_seeds(points, "DMT", "CL") == (
        "**DMT and CL**, by these seeds' 95% intervals: DMT is ahead on `up` (n = 3) and CL is ahead on `down` "
        "(n = 2); on the other sets they can't tell. DMT is above CL on every seed of `agreed` (n = 2)."
    )
    assert told_by_seeds(points[5:8], "DMT", "CL").endswith(": they can't tell on any set.")
    assert told_by_seeds(points[:0], "DMT", "CL") == "Not run."


def test_the_map_says_how_many_seeds_it_has():
    points = pd.DataFrame([{"preset": "scenes", "seed": s, "error": 15.0, "gain": g} for s, g in ((0, 4.0), (1, 6.0))])
    figure = noise_map({"DMT − CL": points})
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["scenes, 2 seeds"]
    assert "scenes +5.00 points at 15.0% (n = 2)" in figure.get_label()


def test_the_figure_of_the_checks():
    first, truth = answers(8)
    error, balance = draw.checks(assess(first, truth, CLASSES), "labels").axes
    assert [bar.get_height() for bar in error.patches] == pytest.approx([20, 10, 100 * 8 / 120, 5, 4])
    assert [label.get_text() for label in error.get_xticklabels()][0] == "top 20%\n20.0"
    assert [bar.get_height() for bar in balance.patches] == [50] * 4
    assert len(draw.checks(assess(first, truth, CLASSES, pixels=True), "labels").axes[1].patches) == 2


def test_the_figure_of_the_losses():
    results = pd.DataFrame(
        {"learned": ["a", "a", "b"], "seed": [0, 1, 0], "accuracy": [1, 3, 5], "entropy": [1, 1, 1]}
    )
    accuracy, _ = draw.by_loss(results).axes
    assert [line.get_xdata()[0] for line in accuracy.lines] == [2, 5]


def test_runs_are_asked_about_what_they_have_not_learned(tmp_path):
    data = load_dataset(f"folder@8:{make_image_folder(tmp_path / 'photos')}")
    runs = []
    for seed in (0, 1):
        config = preset("digits-40", "baseline", seed, 0.005, f"folder@8:{tmp_path / 'photos'}", all_labels=True)
        train(config, runs=tmp_path, device="cpu", progress=False)
        runs.append(RunDirectory.of(config, tmp_path))
    report = assess_images(data, *runs)
    wrong = predict(phase_model(runs[0], 0), data.test_images, data.mean, data.std).argmax(dim=1) != data.test_labels
    assert report.tops.iloc[-1]["wrong"] == int(wrong.sum()) and report.balance["all"].sum() == 1257
    assert report.agreement < 100
    assert len(draw.folder_contents(data).axes) == 16

    folder = make_mask_folder(tmp_path / "streets", labels=3, unlabeled=2, held_out=2)
    config = preset("scenes", "dmt", 0, 0.001, f"folder:{folder}", all_labels=True)
    config = dataclasses.replace(config, crop=(32, 32), batch_size=4, labeled_per_batch=1)
    train(config, runs=tmp_path, device="cpu", progress=False)
    report = assess_pixels(load_segmentation(f"folder:{folder}"), RunDirectory.of(config, tmp_path))
    assert report.balance["all"].sum() == 2 * 16 * 16 and 256 < report.tops.iloc[-1]["labels"] < 512  # without void
    assert report.agreement is not None
