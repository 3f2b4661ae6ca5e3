"""Segmentation data sets as folders: what is read, and what is refused in one line that names the file."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from dmtlib.data.finding import NAMES
from dmtlib.data.pixels import datasets as segmentation
from dmtlib.data.pixels.datasets import ROWS, Row, load_folder, load_prepared, load_segmentation
from dmtlib.data.pixels.masks import VOID

CLASSES = ("sky", "tree", "road")


def write(folder: Path, name: str, size=(6, 8), ids=None, suffix=".png") -> None:
    rng = np.random.default_rng(sum(name.encode()))
    image, mask = folder / "images" / f"{name}{suffix}", folder / "masks" / f"{name}.png"
    for file in (image, mask):
        file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(rng.integers(0, 256, (*size, 3), dtype=np.uint8)).save(image)
    ids = rng.choice([0, 1, 2, VOID], size).astype(np.uint8) if ids is None else ids
    Image.fromarray(ids).save(mask)


@pytest.fixture
def folder(tmp_path) -> Path:
    for i in range(10):
        write(tmp_path, f"{i}", size=(6, 8 + i))
    (tmp_path / "classes.txt").write_text("\n".join(CLASSES))
    return tmp_path


def names_in(data, part):
    return set(data.parts[part].names)


def test_any_folder_of_images_and_masks_is_a_data_set(folder):
    data = load_segmentation(f"folder:{folder}")
    assert data.classes == CLASSES and data.labeled is None and data.evaluation_size is None
    assert len(data.parts["train"]) == 8 and len(data.parts["val"]) == 2  # a fifth is scored
    assert names_in(data, "train") | names_in(data, "val") == {str(i) for i in range(10)}
    assert data.parts["val"].names == load_folder(folder).parts["val"].names
    images = data.parts["train"]
    for i, name in enumerate(images.names):
        image, mask = images[i]
        stored = np.asarray(Image.open(folder / "images" / f"{name}.png"))
        assert np.array_equal(image.numpy().transpose(1, 2, 0), stored)
        assert np.array_equal(mask.numpy(), np.asarray(Image.open(folder / "masks" / f"{name}.png")))


def test_lists_are_followed(folder):
    (folder / "val.txt").write_text("3\n1\n\n")
    (folder / "test.txt").write_text("0\n")
    data = load_folder(folder)
    assert data.parts["val"].names == ("3", "1") and data.parts["test"].names == ("0",)
    assert names_in(data, "train") == {"2", "4", "5", "6", "7", "8", "9"}
    (folder / "train.txt").write_text("9\n8\n")
    (folder / "labeled.txt").write_text("8\n")
    data = load_folder(folder)
    assert data.parts["train"].names == ("9", "8") and data.labeled == ("8",)


def test_an_image_without_a_mask_is_unlabeled_and_all_void(folder):
    (folder / "masks" / "4.png").unlink()
    (folder / "val.txt").write_text("1\n")
    data = load_folder(folder)
    train = data.parts["train"]
    assert data.labeled == tuple(name for name in train.names if name != "4")
    mask = train.mask(train.names.index("4"))
    assert mask.shape == (6, 12) and (mask == VOID).all()


def test_jpeg_grey_and_nested_names(folder):
    write(folder, "street/a.b", suffix=".JPG")
    Image.fromarray(np.full((6, 8), 90, np.uint8)).save(folder / "images" / "grey.png")
    Image.fromarray(np.zeros((6, 8), np.uint8)).save(folder / "masks" / "grey.png")
    (folder / "train.txt").write_text("street/a.b\ngrey\n")
    (folder / "val.txt").write_text("1\n")
    train = load_folder(folder).parts["train"]
    assert train.image(0).shape == (3, 6, 8)
    assert torch.equal(train.image(1), torch.full((3, 6, 8), 90, dtype=torch.uint8))


def refusal(folder) -> str:
    with pytest.raises(ValueError) as error:
        load_segmentation(f"folder:{folder}")
    assert "\n" not in str(error.value)
    return str(error.value)


def test_an_unknown_id_is_found_on_entry(folder):
    ids = np.zeros((6, 8), np.uint8)
    ids[2, 3] = 7
    write(folder, "5", ids=ids)
    file = folder / "masks" / "5.png"
    assert refusal(folder) == f"{file} has the unknown id 7 (1 pixel); known are 0…2 and 255 (void)"


def test_a_mask_of_another_size_is_found_on_entry(folder):
    Image.fromarray(np.zeros((6, 9), np.uint8)).save(folder / "masks" / "0.png")
    assert refusal(folder) == f"{folder / 'masks' / '0.png'} has 6×9 pixels, its image 6×8"


def test_broken_files_are_found_on_entry(folder):
    (folder / "images" / "5.png").write_bytes(b"no picture")
    assert refusal(folder) == f"{folder / 'images' / '5.png'} is not a {NAMES} image"


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("classes.txt", "sky\n", "must name 2…255 classes, one a line, got 1"),
        ("classes.txt", "sky\ntree\nsky\n", "'sky' is there twice"),
        ("classes.txt", "", "is empty"),
        ("classes.txt", None, "cannot be read: No such file or directory"),
        ("val.txt", "1\n1\n", "'1' is there twice"),
        ("val.txt", "nobody\n", "there is no image named 'nobody'"),
        ("val.txt", "../1\n", "'../1' leads outside the folder of images"),
        ("val.txt", "/1\n", "leads outside"),
        ("labeled.txt", "12\n", "there is no training image with a mask named '12'"),
        ("masks/extra.png", "", "there is no image of that name"),
        ("images/1.jpg", "", None),
    ],
)
def test_what_does_not_fit_together_is_told(folder, file, content, message):
    if content is None:
        (folder / file).unlink()
    else:
        (folder / file).write_text(content)
    told = refusal(folder)
    assert told.startswith(f"{folder}/") and (message or "there is '1.jpg' as well") in told


def test_an_image_in_two_lists_is_told(folder):
    (folder / "train.txt").write_text("1\n2\n")
    (folder / "val.txt").write_text("2\n")
    assert refusal(folder) == f"{folder}: an image is in two of train.txt, val.txt"


def test_a_scored_image_needs_a_mask(folder):
    (folder / "masks" / "1.png").unlink()
    (folder / "val.txt").write_text("1\n")
    assert refusal(folder) == f"{folder / 'val.txt'}: there is no mask named '1'"


def test_folders_without_any_use_are_told(folder, tmp_path):
    assert refusal(tmp_path / "nowhere") == f"{tmp_path / 'nowhere'}: no such file or folder"
    for i in range(1, 10):
        (folder / "masks" / f"{i}.png").unlink()
    assert "at least two training images need masks" in refusal(folder)
    (folder / "val.txt").write_text("0\n")
    assert refusal(folder) == f"{folder}: no training image has a mask"


def test_unknown_data_are_told():
    with pytest.raises(
        ValueError,
        match="data must be scenes, scenes-300, voc, .*, camvid-quarter, camvid-half or folder:PATH, got 'ade20k'",
    ):
        load_segmentation("ade20k")


@pytest.mark.parametrize(("name", "classes", "counts"), [
    ("voc", 21, {"train": 10_582, "val": 1_449, "labeled": 1_464}),
    ("cityscapes", 19, {"train": 2_975, "val": 500}),
    ("camvid", 11, {"train": 367, "val": 101, "test": 233}),
])  # fmt: skip
def test_rows_are_the_official_sizes(name, classes, counts):
    assert len(ROWS[name].classes) == len(set(ROWS[name].classes)) == classes and ROWS[name].counts == counts


@pytest.fixture
def prepared(folder, monkeypatch) -> Path:
    monkeypatch.setitem(ROWS, "voc", Row(CLASSES, {"train": 4, "val": 2, "labeled": 1}, (505, 505)))
    (folder / "train.txt").write_text("0\n1\n2\n3\n")
    (folder / "val.txt").write_text("4\n5\n")
    (folder / "labeled.txt").write_text("2\n")
    return folder


def test_prepared_data_are_read_by_their_row(prepared):
    data = load_prepared("voc", prepared)
    assert data.parts["train"].names == ("0", "1", "2", "3") and data.parts["val"].names == ("4", "5")
    assert data.labeled == ("2",) and data.evaluation_size == (505, 505) and list(data.parts) == ["train", "val"]


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("train.txt", "0\n1\n2\n", "train.txt: 3 names, expected 4"),
        ("val.txt", "4\nx\n", "val.txt: there is no image named 'x'"),
        ("labeled.txt", "4\n", "labeled.txt: there is no training image named '4'"),
    ],
)
def test_incomplete_prepared_data_are_told(prepared, file, content, message):
    (prepared / file).write_text(content)
    with pytest.raises(ValueError) as error:
        load_prepared("voc", prepared)
    assert str(error.value) == f"{prepared}/{message}"


def test_who_lacks_the_data_is_told_what_brings_them(tmp_path, monkeypatch):
    monkeypatch.setattr(segmentation, "prepared", lambda name: tmp_path / "data" / name)
    for name in ("camvid", "camvid-quarter"):
        with pytest.raises(ValueError, match=r"data/camvid: no such folder; data_prep/camvid\.py makes it"):
            load_segmentation(name)


def test_the_fingerprint_sees_names_labels_and_classes(folder):
    first = load_folder(folder).fingerprint
    assert load_folder(folder).fingerprint == first
    mask = np.array(Image.open(folder / "masks" / "3.png"))
    mask[0, 0] = 1 if mask[0, 0] != 1 else 2
    Image.fromarray(mask).save(folder / "masks" / "3.png")
    second = load_folder(folder).fingerprint
    (folder / "classes.txt").write_text("sky\ntree\nriver\n")
    third = load_folder(folder).fingerprint
    assert len({first, second, third}) == 3


@pytest.mark.parametrize("ending", ["bmp", "tif"])
def test_the_fingerprint_sees_other_pixels_in_as_many_bytes(folder, ending):
    (folder / "images/3.png").unlink()
    seen = []
    for colour in ("red", "blue"):
        Image.new("RGB", (11, 6)).save(image := folder / f"images/3.{ending}")
        before = image.stat().st_size
        Image.new("RGB", (11, 6), colour).save(image)
        assert image.stat().st_size == before
        seen.append(load_folder(folder).fingerprint)
    assert len({*seen}) == 2


def test_the_fingerprint_of_prepared_data_is_what_it_was(prepared):
    """Records have it."""
    digest = hashlib.sha256(repr(CLASSES).encode())
    for part, names in (("train", "0123"), ("val", "45")):
        images = hashlib.sha256()
        for name in names:
            images.update(f"{name}\n{(prepared / f'images/{name}.png').stat().st_size}\n".encode())
            images.update((prepared / f"masks/{name}.png").read_bytes())
        digest.update(part.encode() + images.digest())
    assert load_prepared("voc", prepared).fingerprint == digest.hexdigest()


def test_a_data_loader_takes_it_in_other_processes(folder):
    images = load_folder(folder).parts["train"]
    loader = torch.utils.data.DataLoader(images, batch_size=None, num_workers=1)
    for (image, mask), i in zip(loader, range(len(images)), strict=True):
        assert torch.equal(image, images.image(i)) and torch.equal(mask, images.mask(i))
