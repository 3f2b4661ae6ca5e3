"""data_prep/cifar10.py: what it packs, and the one line with which it refuses."""

from __future__ import annotations

import importlib.util
import io
import os
import subprocess
import sys
import tarfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from dmtlib.data.images.packed import read_packed

SCRIPT = Path(__file__).parents[2] / "data_prep" / "cifar10.py"
JPEG_COPY = Path(os.environ.get("DMT_DATA", "/nowhere"), "cifar10-jpeg.tar.xz")


@pytest.fixture
def script(monkeypatch):
    """The script as a module, content with three training images and one test image a class."""
    spec = importlib.util.spec_from_file_location("cifar10_prep", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "IMAGES_PER_CLASS", {"train": 3, "test": 1})
    monkeypatch.delenv("DMT_DATA", raising=False)
    return module


def write_images(folder: Path, classes, suffix=".png") -> Path:
    rng = np.random.default_rng(0)
    for part, count in (("train", 3), ("test", 1)):
        for label in classes:
            for i in range(count):
                file = folder / part / label / f"{i}{suffix}"
                file.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)).save(file)
    return folder


def refused(script, capsys, source, out: Path) -> str:
    """The one line on stderr of a run that fails with exit code 2 and leaves nothing behind."""
    assert script.main(["--source", str(source), "--out", str(out)]) == 2
    captured = capsys.readouterr()
    assert captured.out == "" and captured.err.count("\n") == 1 and captured.err.startswith("cifar10.py: ")
    assert not out.exists() or not [file for file in out.rglob("*") if file.is_file()]
    return captured.err


def test_png_folder_is_packed(script, tmp_path, capsys):
    source = write_images(tmp_path / "cifar", script.CLASSES)
    assert script.main(["--source", str(source), "--out", str(tmp_path / "data")]) == 0
    images = read_packed(tmp_path / "data" / "cifar10.pt")
    assert images.classes == script.CLASSES and images.source == "CIFAR-10, PNG, from cifar"
    assert images.train_labels.tolist() == [label for label in range(10) for _ in range(3)]
    cat = np.asarray(Image.open(source / "train" / "cat" / "1.png")).transpose(2, 0, 1)
    assert np.array_equal(images.train_images[3 * 3 + 1].numpy(), cat)
    captured = capsys.readouterr()
    assert images.content_hash() in captured.out and "lossy" not in captured.out and captured.err == ""


def test_jpeg_is_called_lossy_and_kept_apart(script, tmp_path, capsys):
    source = write_images(tmp_path / "cifar", script.CLASSES, ".jpg")
    assert script.main(["--source", str(source), "--out", str(tmp_path / "data")]) == 0
    assert "lossy" in read_packed(tmp_path / "data" / "cifar10-jpeg.pt").source
    assert capsys.readouterr().out.startswith("These are JPEG images, a lossy copy of CIFAR-10")


def test_the_default_is_the_jpeg_copy_where_dmt_data_has_it(script, tmp_path, monkeypatch):
    assert script.default_source() == "torchvision"
    monkeypatch.setenv("DMT_DATA", str(tmp_path))
    assert script.default_source() == "torchvision"
    (tmp_path / "cifar10-jpeg.tar.xz").touch()
    assert script.default_source() == str(tmp_path / "cifar10-jpeg.tar.xz")


def test_torchvision_is_packed(script, tmp_path, monkeypatch):
    pixels = np.arange(40 * 32 * 32 * 3, dtype=np.uint32).astype(np.uint8).reshape(40, 32, 32, 3)

    def cifar10(root, train, download):
        assert Path(root) == tmp_path / "torchvision" and download
        part = slice(0, 30) if train else slice(30, 40)
        labels = [i % 10 for i in range(40)][part]
        return SimpleNamespace(data=pixels[part], targets=labels, classes=list(script.CLASSES))

    monkeypatch.setattr("torchvision.datasets.CIFAR10", cifar10)
    assert script.main(["--source", "torchvision", "--out", str(tmp_path)]) == 0
    images = read_packed(tmp_path / "cifar10.pt")
    assert images.source == "CIFAR-10, original, by torchvision"
    assert torch.equal(images.test_images[4].permute(1, 2, 0), torch.from_numpy(pixels[34]))
    assert images.test_labels.tolist() == list(range(10))


@pytest.mark.parametrize("failure", [RuntimeError("Dataset not found or corrupted."), OSError("no network")])
def test_a_failed_download_is_one_line(script, tmp_path, capsys, monkeypatch, failure):
    def cifar10(*_, **__):
        raise failure

    monkeypatch.setattr("torchvision.datasets.CIFAR10", cifar10)
    assert str(failure) in refused(script, capsys, "torchvision", tmp_path / "data")


def test_a_missing_image_is_counted(script, tmp_path, capsys):
    source = write_images(tmp_path / "cifar", script.CLASSES)
    (source / "train" / "cat" / "2.png").unlink()
    assert "train/cat has 2 images, expected 3" in refused(script, capsys, source, tmp_path / "data")


def test_another_class_is_refused(script, tmp_path, capsys):
    source = write_images(tmp_path / "cifar", ("lynx", *script.CLASSES[1:]))
    message = refused(script, capsys, source, tmp_path / "data")
    assert "the classes must be airplane, automobile, " in message and "lynx" in message


def test_unlabeled_images_are_refused(script, tmp_path, capsys):
    source = write_images(tmp_path / "cifar", script.CLASSES)
    (source / "train" / "unlabeled").mkdir()
    (source / "train" / "cat" / "2.png").rename(source / "train" / "unlabeled" / "2.png")
    refused(script, capsys, source, tmp_path / "data")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is not a PNG, JPEG, WebP, BMP, TIFF or GIF image"),
        ("half", "is damaged: "),
        ((16, 16), "is 16×16 pixels, not 32×32"),
    ],
)
def test_a_bad_image_is_named(script, tmp_path, capsys, content, message):
    source = write_images(tmp_path / "cifar", script.CLASSES)
    file = source / "test" / "frog" / "0.png"
    if content == "half":
        file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    elif isinstance(content, tuple):
        Image.new("RGB", content).save(file)
    else:
        file.write_bytes(content)
    assert f"{source}: 'test/frog/0.png' {message}" in refused(script, capsys, source, tmp_path / "data")


def test_an_archive_with_a_link_is_refused(script, tmp_path, capsys):
    source = write_images(tmp_path / "cifar", script.CLASSES)
    with tarfile.open(tmp_path / "cifar.tar.xz", "w:xz") as archive:
        archive.add(source, "cifar")
        link = tarfile.TarInfo("cifar/train/cat/9.png")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    message = refused(script, capsys, tmp_path / "cifar.tar.xz", tmp_path / "data")
    assert "'cifar/train/cat/9.png' is a link or a device" in message


def test_a_full_disk_is_one_line_and_the_old_file_stays(script, tmp_path, capsys, monkeypatch):
    source, out = write_images(tmp_path / "cifar", script.CLASSES), tmp_path / "data"
    assert script.main(["--source", str(source), "--out", str(out)]) == 0
    before = (out / "cifar10.pt").read_bytes()
    capsys.readouterr()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", full)
    assert script.main(["--source", str(source), "--out", str(out)]) == 2
    assert capsys.readouterr().err == f"cifar10.py: {out / 'cifar10.pt'}: No space left on device\n"
    assert [file.name for file in out.iterdir()] == ["cifar10.pt"] and (out / "cifar10.pt").read_bytes() == before


@pytest.mark.parametrize("name", ["cifar10.pt", "cifar10-jpeg.pt"])
def test_a_file_that_is_no_packed_data_set_stays(script, tmp_path, capsys, name):
    source, out = write_images(tmp_path / "cifar", script.CLASSES), tmp_path / "data"
    out.mkdir()
    torch.save({"weights": torch.ones(3)}, out / name)
    before = (out / name).read_bytes()
    assert script.main(["--source", str(source), "--out", str(out)]) == 2
    told = f"cifar10.py: {out / name} is there, and is no packed data set: move it away\n"
    assert capsys.readouterr().err == told and (out / name).read_bytes() == before


def test_as_a_program_it_ends_with_code_2_and_one_line(tmp_path):
    run = subprocess.run(
        [sys.executable, SCRIPT, "--source", tmp_path / "nowhere.tar", "--out", tmp_path],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.returncode == 2 and run.stdout == ""
    assert run.stderr == f"cifar10.py: {tmp_path / 'nowhere.tar'}: no such file or folder\n"


needs_jpeg_copy = pytest.mark.skipif(
    not JPEG_COPY.is_file(), reason="DMT_DATA does not name a folder with cifar10-jpeg.tar.xz"
)


@pytest.fixture(scope="module")
def packed_jpeg_copy(tmp_path_factory):
    """All 60,000 images of the JPEG copy, packed by the program itself: about 15 seconds."""
    out = tmp_path_factory.mktemp("cifar10")
    run = subprocess.run(
        [sys.executable, SCRIPT, "--out", out], capture_output=True, text=True, check=False, timeout=300
    )
    assert run.returncode == 0 and run.stderr == "", run.stderr
    assert run.stdout.startswith("These are JPEG images, a lossy copy of CIFAR-10")
    return read_packed(out / "cifar10-jpeg.pt")


@needs_jpeg_copy
@pytest.mark.xdist_group("cifar10-jpeg")
def test_the_jpeg_copy_is_cifar10(packed_jpeg_copy):
    images = packed_jpeg_copy
    assert images.train_images.shape == (50_000, 3, 32, 32) and images.test_images.shape == (10_000, 3, 32, 32)
    assert set(images.counts("train").values()) == {5_000} and set(images.counts("test").values()) == {1_000}
    pixels = images.train_images[::10].double() / 255  # against the original's mean and std
    assert torch.allclose(pixels.mean(dim=(0, 2, 3)), torch.tensor([0.49137, 0.48235, 0.44667]).double(), atol=5e-3)
    assert torch.allclose(pixels.std(dim=(0, 2, 3)), torch.tensor([0.24706, 0.24353, 0.26157]).double(), atol=5e-3)


@needs_jpeg_copy
@pytest.mark.xdist_group("cifar10-jpeg")
def test_images_of_the_jpeg_copy_are_those_of_the_archive(packed_jpeg_copy):
    with tarfile.open(JPEG_COPY, "r|xz") as archive:
        for member in archive:
            parts = member.name.split("/")
            if len(parts) == 3 and parts[1] == "airplane" and member.isfile():
                content = archive.extractfile(member).read()
                break
    first = np.asarray(Image.open(io.BytesIO(content))).transpose(2, 0, 1)
    part = packed_jpeg_copy.train_images if parts[0] == "train" else packed_jpeg_copy.test_images
    assert np.array_equal(part[int(parts[2].split(".")[0])].numpy(), first)
