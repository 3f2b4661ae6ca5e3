"""data_prep/voc.py on a few images in the official layout: palette PNGs, .mat files, four lists."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from prep import load_script, refused
from scipy.io import savemat
from scipy.sparse import csc_array
from torchvision.datasets import SBDataset, VOCSegmentation

from dmtlib.data.pixels.datasets import load_prepared
from dmtlib.data.pixels.masks import VOID

VOC = {"train": ["2007_000032", "2007_000063"], "val": ["2007_000033", "2008_000001"]}
SBD = {"train": ["2008_000002", "2007_000063", "2008_000001"], "val": ["2008_000003"]}
TRAIN = ["2007_000032", "2007_000063", "2008_000002", "2008_000003"]  # 2008_000001 is one of VOC's validation images
SHAPE = (6, 8)


@pytest.fixture
def script(monkeypatch):
    return load_script("voc", monkeypatch, {"train": 4, "val": 2, "labeled": 2})


def random_ids(name: str, *others: int) -> np.ndarray:
    return np.random.default_rng(sum(name.encode())).choice([*range(21), *others], SHAPE).astype(np.uint8)


def write_image(file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(len(file.name)).integers(0, 256, (*SHAPE, 3), dtype=np.uint8)).save(file)


def write_mat(file: Path, ids: np.ndarray) -> None:
    """SBD's struct: the regions, and for each class the boundaries that torchvision hands out by default."""
    boundaries = np.empty((20, 1), dtype=object)
    for c in range(20):
        boundaries[c, 0] = csc_array((ids == c + 1).astype(np.uint8))
    present = np.unique(ids[(ids > 0) & (ids < VOID)])
    file.parent.mkdir(parents=True, exist_ok=True)
    savemat(file, {"GTcls": {"Boundaries": boundaries, "Segmentation": ids, "CategoriesPresent": present}})


@pytest.fixture
def root(tmp_path) -> Path:
    voc, sbd = tmp_path / "VOCdevkit" / "VOC2012", tmp_path / "sbd"
    for part, names in VOC.items():
        lists = voc / "ImageSets" / "Segmentation"
        lists.mkdir(parents=True, exist_ok=True)
        (lists / f"{part}.txt").write_text("".join(f"{name}\n" for name in names))
        for name in names:
            write_image(voc / "JPEGImages" / f"{name}.jpg")
            mask = Image.fromarray(random_ids(name, VOID))
            mask.putpalette([(37 * i) % 256 for i in range(768)])
            (voc / "SegmentationClass").mkdir(exist_ok=True)
            mask.save(voc / "SegmentationClass" / f"{name}.png")
    for part, names in SBD.items():
        for name in names:
            write_image(sbd / "img" / f"{name}.jpg")
            write_mat(sbd / "cls" / f"{name}.mat", random_ids(f"sbd {name}"))
        (sbd / f"{part}.txt").write_text("".join(f"{name}\n" for name in names))
    return tmp_path


def test_the_lists_are_vocs_and_sbds_without_what_is_scored(script, root, tmp_path, capsys):
    assert script.main(["--source", str(root), "--out", str(tmp_path / "data")]) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'data/voc'}: 4 train, 2 val, 2 labeled images, 21 classes\n"
    data = load_prepared("voc", tmp_path / "data" / "voc")
    assert list(data.parts["train"].names) == TRAIN and list(data.parts["val"].names) == VOC["val"]
    assert list(data.labeled) == VOC["train"] and data.evaluation_size == (505, 505)


def test_masks_are_vocs_own_with_their_rim_or_else_sbds(script, root, tmp_path):
    assert script.main(["--source", str(root), "--out", str(tmp_path / "data")]) == 0
    data = load_prepared("voc", tmp_path / "data" / "voc")
    for part in data.parts.values():
        for i, name in enumerate(part.names):
            of_voc = name in VOC["train"] + VOC["val"]
            stored = random_ids(name, VOID) if of_voc else random_ids(f"sbd {name}")
            assert np.array_equal(part.mask(i).numpy(), stored)


def test_masks_are_those_that_torchvision_reads(script, root, tmp_path):
    assert script.main(["--source", str(root), "--out", str(tmp_path / "data")]) == 0
    train = load_prepared("voc", tmp_path / "data" / "voc").parts["train"]
    sbd, voc = SBDataset(root / "sbd", "val", mode="segmentation"), VOCSegmentation(root, image_set="train")
    for image, mask, name in ((*sbd[0], "2008_000003"), (*voc[0], "2007_000032")):
        ours = train[train.names.index(name)]
        assert np.array_equal(ours[1].numpy(), np.asarray(mask))
        assert np.array_equal(ours[0].numpy().transpose(1, 2, 0), np.asarray(image.convert("RGB")))


def test_torchvision_downloads_what_is_not_there(script, tmp_path, monkeypatch, capsys):
    asked = []

    def bring(root, image_set="train", download=False, **options):
        asked.append((Path(root).name, image_set, download))
        raise RuntimeError("no network")

    monkeypatch.setattr("torchvision.datasets.VOCSegmentation", bring)
    told = refused(script, "voc", [], tmp_path / "data", capsys)
    assert asked == [("torchvision", "train", True)] and told.endswith("no network")
    refused(script, "voc", ["--source", str(tmp_path)], tmp_path / "data", capsys)
    assert asked[1] == (tmp_path.name, "train", False)


def unknown_id(root: Path) -> None:
    ids = random_ids("sbd 2008_000003")
    ids[1, 1] = 21
    write_mat(root / "sbd/cls/2008_000003.mat", ids)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (unknown_id, "sbd/cls/2008_000003.mat has the unknown id 21 (1 pixel); known are 0…20 and 255 (void)"),
        (
            lambda r: write_mat(r / "sbd/cls/2008_000002.mat", np.zeros((8, 6), np.uint8)),
            "is uint8 of shape (8, 6)",
        ),
        (lambda r: (r / "sbd/cls/2008_000002.mat").write_bytes(b"x" * 200), "2008_000002.mat is damaged, or no mask"),
        (lambda r: savemat(r / "sbd/cls/2008_000002.mat", {"a": 1}), "2008_000002.mat is damaged, or no mask of SBD"),
        (lambda r: (r / "sbd/cls/2008_000002.mat").unlink(), "2008_000002.mat"),
        (lambda r: (r / "sbd/val.txt").unlink(), "VOC 2012 and SBD are not complete there"),
        (lambda r: (r / "sbd/val.txt").write_text(""), "train.txt: 3 names, expected 4"),
        (
            lambda r: Image.new("P", (6, 8)).save(r / "VOCdevkit/VOC2012/SegmentationClass/2007_000033.png"),
            "2007_000033.png has 8×6 pixels, its image 6×8",
        ),
    ],
)
def test_whatever_is_wrong_is_one_line(script, root, tmp_path, capsys, spoil, message):
    spoil(root)
    assert message in refused(script, "voc", ["--source", str(root)], tmp_path / "data", capsys)
