"""Finished runs on new images: tables and masks, what they hold, and everything that is refused in one line."""

import csv
import io
import os
import shutil
import types
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tiny_runs import run_on_photos, run_on_streets

from book.studies.your_data import make_image_folder, make_mask_folder
from dmtlib import prediction
from dmtlib.cli import main
from dmtlib.data.finding import NAMES
from dmtlib.data.images.datasets import load_dataset, load_digits
from dmtlib.data.pixels.datasets import load_segmentation
from dmtlib.data.pixels.masks import decode_mask, encode_palette, voc_colour
from dmtlib.prediction import Classifier, Segmenter, load_run, predict_folder
from dmtlib.presets import preset
from dmtlib.training import RunDirectory, RunError, train
from dmtlib.training.images.evaluation import predict
from dmtlib.training.images.stored import phase_model
from dmtlib.training.pixels.stored import phase_segmenter


@pytest.fixture(scope="module")
def photos(tmp_path_factory) -> Path:
    return make_image_folder(tmp_path_factory.mktemp("photos") / "photos")


@pytest.fixture(scope="module")
def run(photos) -> RunDirectory:
    """DMT on the folder, four steps a phase."""
    return run_on_photos(photos, "dmt")


@pytest.fixture(scope="module")
def streets(tmp_path_factory) -> Path:
    return make_mask_folder(tmp_path_factory.mktemp("streets") / "streets", labels=4, unlabeled=4, held_out=3)


@pytest.fixture(scope="module")
def pixel_run(streets) -> RunDirectory:
    """DMT on the folder, a step a phase."""
    return run_on_streets(streets, "dmt")


def predicted(run, images, out) -> list[list[str]]:
    predict_folder(run.path, images, out, device="cpu")
    with open(out, newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


def refusal(*arguments) -> str:
    with pytest.raises((ValueError, RunError)) as error:
        predict_folder(*arguments, device="cpu")
    assert "\n" not in str(error.value)
    return str(error.value)


# --- Classes ------------------------------------------------------------------------------------------------------


def test_the_table_says_what_the_run_s_last_model_says(run, photos, tmp_path):
    data = load_dataset(f"folder@8:{photos}")
    probabilities = predict(phase_model(run, 5), data.test_images, data.mean, data.std)
    confidence, labels = probabilities.max(dim=1)
    header, *rows = predicted(run, photos / "test", tmp_path / "new/classes.csv")
    assert header == ["file", "class", "confidence"] and len(rows) == 500
    assert [name for name, *_ in rows] == sorted(
        f.relative_to(photos / "test").as_posix() for f in photos.glob("test/*/*")
    )
    assert [label for _, label, _ in rows] == [data.classes[label] for label in labels]
    assert np.allclose([float(sure) for *_, sure in rows], confidence, atol=1e-6)


def test_images_of_any_size_and_depth_one_file_and_upper_case_names(run, photos, tmp_path):
    folder = tmp_path / "mixed"
    folder.mkdir()
    Image.open(next(photos.glob("test/3/*"))).resize((40, 24)).convert("RGBA").save(folder / "wide, large.PNG")
    Image.open(next(photos.glob("test/3/*"))).convert("P").save(folder / "small.png")
    (folder / "notes.txt").write_text("no picture")
    (folder / ".hidden.png").write_text("no picture")
    rows = predicted(run, folder, tmp_path / "mixed.csv")
    assert [name for name, *_ in rows[1:]] == ["small.png", "wide, large.PNG"]
    assert predicted(run, folder / "small.png", tmp_path / "one.csv")[1] == rows[1]


def test_batches_change_nothing(run, photos, tmp_path, monkeypatch):
    whole = predicted(run, photos / "test/0", tmp_path / "whole.csv")
    monkeypatch.setattr(prediction, "PREDICTION_BATCH", 7)
    parts = predicted(run, photos / "test/0", tmp_path / "parts.csv")
    assert [row[:2] for row in parts] == [row[:2] for row in whole]
    assert np.allclose([float(r[2]) for r in parts[1:]], [float(r[2]) for r in whole[1:]], atol=2e-6)


def test_a_run_on_grey_digits_reads_coloured_files(tmp_path, photos):
    config = preset("digits-40", "baseline", budget=0.005)
    train(config, runs=tmp_path, device="cpu", progress=False)
    model = load_run(RunDirectory.of(config, tmp_path).path, "cpu")
    assert isinstance(model, Classifier) and model.side == 8 and model.classes == tuple("0123456789")
    files = sorted(photos.glob("test/*/*"), key=lambda file: file.name)  # numbered in the digits' order
    read = torch.stack([model.read(file) for file in files])
    assert torch.equal(read, load_digits().test_images)


def test_an_older_table_stays_and_a_failure_leaves_none(run, photos, tmp_path):
    """Somebody may have corrected it by hand. An empty file is none."""
    out = tmp_path / "classes.csv"
    folder = tmp_path / "images"
    shutil.copytree(photos / "test/1", folder)
    (folder / "zzz.png").write_bytes(b"no picture")
    assert refusal(run.path, folder, out) == f"{folder / 'zzz.png'} is not a {NAMES} image"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["images"]
    out.touch()
    (folder / "zzz.png").unlink()
    assert len(predicted(run, folder, out)) == 1 + len(list(folder.iterdir()))
    out.write_text(corrected := out.read_text().replace("1.png,1", "1.png,7"))
    told = refusal(run.path, folder, out)
    assert told == f"{out} is there already; choose another --out, or move it away"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["classes.csv", "images"] and out.read_text() == corrected


# --- Masks --------------------------------------------------------------------------------------------------------


def test_masks_are_the_better_model_s_in_their_images_sizes(pixel_run, streets, tmp_path):
    wide = tmp_path / "images/deep/wide.jpg"
    wide.parent.mkdir(parents=True)
    Image.new("RGB", (50, 30), "green").save(wide)
    shutil.copy(streets / "images/scene-000.png", tmp_path / "images")
    assert predict_folder(pixel_run.path, tmp_path / "images", tmp_path / "masks", device="cpu") == 2
    files = sorted(f.relative_to(tmp_path / "masks").as_posix() for f in tmp_path.glob("masks/**/*.png"))
    assert files == ["deep/wide.png", "scene-000.png"]
    model = phase_segmenter(pixel_run, 5, pixel_run.record["best"])
    for name, size, image in (
        ("deep/wide", (30, 50), wide),
        ("scene-000", (64, 64), streets / "images/scene-000.png"),
    ):
        file = tmp_path / "masks" / f"{name}.png"
        found = decode_mask(file.read_bytes(), str(file), size, 2)
        pixels = torch.from_numpy(np.asarray(Image.open(image).convert("RGB")).transpose(2, 0, 1).copy())
        with torch.no_grad():
            assert np.array_equal(found, model(pixels.unsqueeze(0))[0].argmax(dim=0).numpy())
        assert Image.open(file).mode == "P"


def test_both_models_decide_by_the_mean_of_their_probabilities(run, pixel_run, streets, tmp_path):
    shutil.copy(streets / "images/scene-000.png", tmp_path)
    command = ["predict", str(pixel_run.path), str(tmp_path / "scene-000.png"), "--both", "--out"]
    assert main([*command, str(tmp_path / "masks")]) == 0
    found = decode_mask((tmp_path / "masks/scene-000.png").read_bytes(), "the mask", (64, 64), 2)
    pixels = torch.from_numpy(np.asarray(Image.open(tmp_path / "scene-000.png")).transpose(2, 0, 1).copy())[None]
    with torch.no_grad():
        said = [phase_segmenter(pixel_run, 5, name)(pixels).softmax(dim=1)[0] for name in "AB"]
    top = (sum(said) / 2).topk(2, dim=0)
    clear = (top.values[0] - top.values[1] > 1e-5).numpy()
    assert clear.mean() > 0.9 and np.array_equal(found[clear], top.indices[0].numpy()[clear])
    with pytest.raises(RunError, match="is a run on images; two models are averaged on pixels alone"):
        load_run(run.path, both=True)
    with pytest.raises(RunError, match="has one model, so there are no two to average"):
        load_run(run_on_streets(streets, "baseline").path, both=True)


def test_exported_masks_are_labels_to_train_on(pixel_run, streets, tmp_path):
    shutil.copytree(streets, tmp_path / "again")
    shutil.rmtree(tmp_path / "again/masks")
    predict_folder(pixel_run.path, streets / "images", tmp_path / "again/masks", device="cpu")
    data = load_segmentation(f"folder:{tmp_path / 'again'}")
    assert data.labeled is None and not data.parts["train"].without_mask


def test_a_folder_with_something_in_it_is_not_replaced(pixel_run, streets, tmp_path):
    out = tmp_path / "masks"
    out.mkdir()
    (out / "mine.txt").write_text("precious")
    assert refusal(pixel_run.path, streets / "images", out) == f"{out} is there already; masks go into a new folder"
    (out / "mine.txt").unlink()
    assert predict_folder(pixel_run.path, streets / "images", out, device="cpu") == 11


def test_a_broken_image_leaves_no_masks(pixel_run, streets, tmp_path):
    images = tmp_path / "images"
    shutil.copytree(streets / "images", images)
    content = (images / "scene-007.png").read_bytes()
    (images / "scene-007.png").write_bytes(content[: len(content) // 2])
    assert refusal(pixel_run.path, images, tmp_path / "masks").startswith(f"{images / 'scene-007.png'} is damaged")
    assert list(tmp_path.iterdir()) == [images]


def test_two_images_of_one_name_are_refused(pixel_run, streets, tmp_path):
    (tmp_path / "in").mkdir()
    for name in ("a.png", "a.jpg"):
        Image.new("RGB", (8, 8)).save(tmp_path / "in" / name)
    told = refusal(pixel_run.path, tmp_path / "in", tmp_path / "m")
    assert "two images are named a, and would have the same mask" in told


@pytest.mark.parametrize(
    ("kind", "out", "message"),
    [
        ("images", "in/1.png", "must be apart from the images"),
        ("images", "in/new/out.csv", "must be apart from the images"),
        ("images", "there/../linked/out.csv", "must be apart from the images"),
        ("images", "run/result.json", "must be apart from the run"),
        ("images", "run/new.csv", "must be apart from the run"),
        ("images", "other/new.csv", "lies in the run directory"),
        ("images", "precious.csv", "is there already"),
        ("images", "link.csv", "is there already"),
        ("images", "fifo", "is no regular file"),
        ("pixels", "run/masks", "must be apart from the run"),
        ("pixels", "in/masks", "must be apart from the images"),
        ("pixels", "", "must be apart from the run"),
    ],
)
def test_no_answer_takes_the_place_of_a_file(kind, out, message, run, pixel_run, tmp_path):
    used = (run if kind == "images" else pixel_run).path
    shutil.copytree(used, tmp_path / "run")
    shutil.copytree(used, tmp_path / "other", ignore=lambda *_: ["phase-5.pt"])
    (tmp_path / "in").mkdir()
    (tmp_path / "there").mkdir()
    (tmp_path / "linked").symlink_to(tmp_path / "in")
    Image.new("RGB", (16, 16)).save(tmp_path / "in/1.png")
    (tmp_path / "precious.csv").write_text("file,class\n")
    (tmp_path / "link.csv").symlink_to(tmp_path / "precious.csv")
    os.mkfifo(tmp_path / "fifo")
    state = {file: (file.lstat().st_mtime_ns, file.lstat().st_size) for file in tmp_path.rglob("*")}
    assert message in refusal(tmp_path / "run", tmp_path / "in", tmp_path / out)
    assert {file: (file.lstat().st_mtime_ns, file.lstat().st_size) for file in tmp_path.rglob("*")} == state


def test_the_palette_is_voc_s():
    assert [voc_colour(i) for i in (0, 1, 2, 15, 20, 255)] == [
        (0, 0, 0),
        (128, 0, 0),
        (0, 128, 0),
        (192, 128, 128),
        (0, 64, 128),
        (224, 224, 192),
    ]
    labels = torch.arange(256, dtype=torch.uint8).reshape(8, 32)
    picture = Image.open(io.BytesIO(encode_palette(labels.numpy())))
    assert np.array_equal(np.asarray(picture), labels.numpy())
    assert picture.convert("RGB").getpixel((15, 0)) == (192, 128, 128)


# --- What cannot be done ------------------------------------------------------------------------------------------


def test_what_is_no_finished_run_is_told(run, photos, tmp_path):
    out = tmp_path / "out.csv"
    assert refusal(tmp_path / "nowhere", photos, out) == (
        f"{tmp_path / 'nowhere'} is no run directory: there is no config.json in it"
    )
    half = tmp_path / "half"
    shutil.copytree(run.path, half)
    (half / "result.json").unlink()
    assert refusal(half, photos, out).startswith(f"{half} holds an unfinished run; the command that began it")
    shutil.copy(run.path / "result.json", half)
    state = torch.load(half / "phase-5.pt", weights_only=True)
    torch.save({name: value for name, value in state.items() if name != "data"}, half / "phase-5.pt")
    assert "was made by an older version" in refusal(half, photos, out)
    (half / "phase-5.pt").write_bytes(b"")
    helps = "the command that trained the run makes its last phase again"
    assert refusal(half, photos, out) == f"{half / 'phase-5.pt'} is damaged (it is no whole zip archive); {helps}"
    assert not list(half.glob("*.damaged*"))
    (half / "phase-5.pt").unlink()
    assert refusal(half, photos, out) == f"{half} has no finished phase 5; {helps}"
    assert not out.exists()


def test_weights_that_hold_code_are_not_run(run, photos, tmp_path):
    evil = tmp_path / "evil"
    shutil.copytree(run.path, evil)
    torch.save({"architecture": types.SimpleNamespace()}, evil / "phase-5.pt")
    told = refusal(evil, photos, tmp_path / "out.csv")
    assert "is damaged (it holds code, or what is neither tensor nor plain value); the" in told


def test_images_and_places_that_cannot_be_used_are_told(run, photos, tmp_path):
    (tmp_path / "empty").mkdir()
    out = tmp_path / "out.csv"
    assert (
        refusal(run.path, tmp_path / "empty", out) == f"{tmp_path / 'empty'}: no {NAMES} image in it; in it: nothing"
    )
    assert refusal(run.path, tmp_path / "none", out) == f"{tmp_path / 'none'}: no such file or folder"
    assert refusal(run.path, photos / "test", tmp_path / "empty").endswith(
        "the classes of images go into one CSV file"
    )
    told = refusal(run.path, photos / "test/0", Path("/dev/null/out.csv"))
    assert told.startswith("/dev/null") and told.endswith("; nothing was written")
    with pytest.raises(ValueError, match="device must be one of"):
        load_run(run.path, "tpu")


def test_the_command_does_the_same(run, pixel_run, photos, streets, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["predict", str(run.path), str(photos / "test/4"), "--out", "four.csv"]) == 0
    count = len(list((photos / "test/4").iterdir()))
    told = capsys.readouterr()
    assert told.out == f"{count} images predicted: four.csv\n" and not told.err  # no terminal, no bar
    command = ["predict", str(pixel_run.path), str(streets / "images/scene-001.png"), "--out", "masks"]
    assert main(command) == 0
    assert capsys.readouterr().out == "1 image predicted: masks\n" and Path("masks/scene-001.png").is_file()
    assert main(command) == 2
    assert capsys.readouterr().err == "error: masks is there already; masks go into a new folder\n"
    assert isinstance(load_run(pixel_run.path), Segmenter)
