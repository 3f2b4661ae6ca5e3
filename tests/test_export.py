"""Finished runs as files for other programs: they say what the run says, and nobody's file is lost."""

import dataclasses
import json
import os

import numpy as np
import pytest
import torch
from markdown_it import MarkdownIt
from tiny_runs import run_on_photos, run_on_streets

from book.studies.your_data import make_image_folder, make_mask_folder
from dmtlib import export
from dmtlib.cli import main
from dmtlib.data.images.datasets import load_dataset
from dmtlib.data.pixels.datasets import load_segmentation
from dmtlib.export import export_run
from dmtlib.models.whitened import classifier
from dmtlib.prediction import Classifier, load_run
from dmtlib.training import RunDirectory, RunError
from dmtlib.training.images.evaluation import predict
from dmtlib.training.images.stored import phase_model
from dmtlib.training.pixels.evaluation import predict_images


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    return make_image_folder(tmp_path_factory.mktemp("photos") / "photos")


@pytest.fixture(scope="module")
def run(photos) -> RunDirectory:
    """A baseline on the folder, four steps."""
    return run_on_photos(photos, "baseline")


@pytest.fixture(scope="module")
def streets(tmp_path_factory):
    return make_mask_folder(tmp_path_factory.mktemp("streets") / "streets", labels=4, unlabeled=4, held_out=3)


@pytest.fixture(scope="module")
def pixel_run(streets) -> RunDirectory:
    """A baseline on the folder, two steps."""
    return run_on_streets(streets, "baseline")


def reader(file, format):
    """What another program makes of the file: from uint8 images to probabilities."""
    if format == "torchscript":
        return torch.jit.load(file)
    pytest.importorskip("onnx")
    runtime = pytest.importorskip("onnxruntime")
    session = runtime.InferenceSession(file, providers=["CPUExecutionProvider"])
    return lambda images: torch.from_numpy(session.run(["probabilities"], {"images": images.numpy()})[0])


def exported(run, tmp_path, format):
    if format == "onnx":
        pytest.importorskip("onnx")
    export_run(run.path, file := tmp_path / "model", format)
    return reader(file, format)


BOTH = pytest.mark.parametrize("format", ["onnx", "torchscript"])


# --- What the files say -------------------------------------------------------------------------------------------


@BOTH
def test_of_a_run_on_images_a_file_says_what_the_run_says(run, photos, tmp_path, format):
    data, read = load_dataset(f"folder@8:{photos}"), exported(run, tmp_path, format)
    wanted = predict(phase_model(run, 0), data.test_images, data.mean, data.std)
    assert len(wanted.argmax(dim=1).unique()) > 1  # or a constant would do
    torch.testing.assert_close(read(data.test_images), wanted, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(read(data.test_images[:1]), wanted[:1], atol=1e-5, rtol=1e-4)


@BOTH
def test_of_a_run_on_pixels_too_whatever_their_size(pixel_run, streets, tmp_path, format):
    images, read = load_segmentation(f"folder:{streets}").parts["val"], exported(pixel_run, tmp_path, format)
    model = load_run(pixel_run.path, "cpu").model
    for index, wanted in enumerate(predict_images(model, images, range(len(images)))):
        torch.testing.assert_close(read(images.image(index)[None])[0], wanted, atol=1e-5, rtol=1e-4)
    smaller = images.image(0)[None, :, :37, :50].contiguous()
    with torch.no_grad():
        wanted = model(smaller).softmax(dim=1)
    torch.testing.assert_close(read(smaller), wanted, atol=1e-5, rtol=1e-4)


@BOTH
@pytest.mark.parametrize("channels", [1, 3])
def test_a_network_of_timm_s_on_images_of_another_side(tmp_path, format, channels):
    """It enlarges them, antialiased; one that learned grey images is given colours all the same."""
    mean, std = (0.4, 0.5, 0.6)[:channels], (0.3, 0.2, 0.3)[:channels]
    torch.manual_seed(0)
    sizes = dict(network="timm:test_resnet", side=48, num_classes=3, in_channels=channels)
    model = Classifier(classifier(**sizes, mean=mean, std=std).eval(), ("a", "b", "c"), 32, mean, std)
    if format == "onnx":
        pytest.importorskip("onnx")
    (tmp_path / "file").write_bytes(export._made(model, RunDirectory(tmp_path), format)[0])
    images = torch.randint(0, 256, (3, 3, 32, 32)).to(torch.uint8)
    red, green, blue = images.double().unbind(1)
    grey = torch.floor(0.299 * red + 0.587 * green + 0.114 * blue + 0.5 + 1e-9).to(torch.uint8)[:, None]
    wanted = model.probabilities(images if channels == 3 else grey)
    torch.testing.assert_close(reader(tmp_path / "file", format)(images), wanted, atol=1e-4, rtol=1e-3)


def test_what_onnx_does_not_know_is_told(tmp_path, capsys):
    """Shrinking images with antialiasing is such a thing, in torch's exporter."""
    pytest.importorskip("onnx")
    numbers = (0.5,) * 3
    network = classifier(network="timm:test_resnet", side=24, num_classes=2, mean=numbers, std=numbers)
    with pytest.raises(ValueError, match="this network cannot be written as ONNX: ") as error:
        export._made(Classifier(network.eval(), ("a", "b"), 32, numbers, numbers), RunDirectory(tmp_path), "onnx")
    assert "\n" not in str(error.value) and capsys.readouterr().out == ""


def test_safetensors_hold_the_weights_and_how_to_build_the_network(run, tmp_path):
    safetensors = pytest.importorskip("safetensors")
    export_run(run.path, tmp_path / "model.safetensors", "safetensors")
    with safetensors.safe_open(tmp_path / "model.safetensors", "pt") as file:
        told = {key: json.loads(value) for key, value in file.metadata().items() if key != "format"}
        weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - it is no dict
    again = classifier(**told["architecture"])
    again.load_state_dict(weights)
    model = load_run(run.path, "cpu")
    images = torch.randint(0, 256, (4, 3, 8, 8)).to(torch.uint8)
    assert torch.equal(predict(again, images, told["mean"], told["std"]), model.probabilities(images))
    assert (tuple(told["classes"]), told["side"]) == (model.classes, 8)


# --- The card -----------------------------------------------------------------------------------------------------


def test_the_card_says_what_the_run_was(run, photos, tmp_path):
    card = export_run(run.path, tmp_path / "model.pt", "torchscript")
    assert card == tmp_path / "model.pt.md"
    text = card.read_text(encoding="utf-8")
    shown = MarkdownIt("js-default").render(text)
    record = run.record
    for needed in (str(photos), record["data_fingerprint"], record["split_sha256"], f"{record['test_accuracy']:.2f}%"):
        assert needed in shown
    assert "<p>Learned by baseline, preset digits-40, seed 0" in shown and shown.count("<h1>") == 1
    assert "40 labeled, 1257 unlabeled" in shown and "license" in shown and "unknown" in shown
    assert json.loads("".join(text.partition("# Settings\n\n")[2])) == json.loads(json.dumps(record["config"]))
    assert "probabilities of noise are PyTorch's" in text


def test_names_of_classes_are_words_in_the_card_and_nothing_else(run, tmp_path, monkeypatch):
    names = ("<script>x</script>", "[a](http://b.c)", "![a](b)", "a\n# b", "`c`", "*d*", "www.e.fg", "&lt;", "h", "i")
    hostile = dataclasses.replace(load_run(run.path, "cpu"), classes=names)
    monkeypatch.setattr(export, "load_run", lambda *_: hostile)
    shown = MarkdownIt("gfm-like").render(export_run(run.path, tmp_path / "a*b*.pt", "torchscript").read_text())
    assert "&lt;script&gt;x&lt;/script&gt;" in shown and "<h1>a*b*.pt" in shown and "&amp;lt;" in shown
    for tag in ("<script", "<a ", "<img", "<em", "<code>c", "<table"):
        assert tag not in shown
    assert shown.count("<h1>") == 1 and shown.count("<li>") == shown.count("</li>") and r"a\n# b" in shown


# --- What is refused ----------------------------------------------------------------------------------------------


def refusal(*arguments) -> str:
    with pytest.raises((ValueError, RunError)) as error:
        export_run(*arguments)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_nobody_s_file_is_replaced(run, photos, tmp_path):
    for name in ("model", "model.md"):
        (tmp_path / name).write_text("mine")
        assert refusal(run.path, tmp_path / "model", "torchscript").endswith("is there already: choose another --out")
        assert os.listdir(tmp_path) == [name] and (tmp_path / name).read_text() == "mine"
        (tmp_path / name).unlink()
    (tmp_path / "model").symlink_to(tmp_path / "nowhere")
    assert "is there already" in refusal(run.path, tmp_path / "model", "torchscript")
    before = sorted(run.path.iterdir())
    assert "must be apart from the run" in refusal(run.path, run.path / "model", "torchscript")
    assert sorted(run.path.iterdir()) == before
    assert "lies in the data" in refusal(run.path, photos / "train" / "model", "torchscript")
    assert not (photos / "train" / "model").exists()


def test_what_is_wrong_is_told_in_a_line(run, tmp_path, monkeypatch, capsys):
    assert "format must be one of onnx, torchscript, safetensors" in refusal(run.path, tmp_path / "a", "tflite")
    assert "is no run directory" in refusal(tmp_path, tmp_path / "a", "torchscript")
    assert main(["export", str(tmp_path), "--out", str(tmp_path / "a"), "--format", "tflite"]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    monkeypatch.setattr(export, "find_spec", lambda name: None)
    assert "onnx isn't installed: pip install onnx" in refusal(run.path, tmp_path / "a")
    assert "safetensors isn't installed" in refusal(run.path, tmp_path / "a", "safetensors")
    monkeypatch.setattr(export, "_difference", lambda *_: np.nan)
    assert "as torchscript its probabilities are others" in refusal(run.path, tmp_path / "a", "torchscript")
    assert not list(tmp_path.iterdir())


def test_from_a_terminal(run, tmp_path, capsys):
    assert main(["export", str(run.path), "--out", str(tmp_path / "new/model.pt"), "--format", "torchscript"]) == 0
    assert str(tmp_path / "new/model.pt.md") in capsys.readouterr().out
    assert sorted(file.name for file in (tmp_path / "new").iterdir()) == ["model.pt", "model.pt.md"]
