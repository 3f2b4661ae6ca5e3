"""data_prep/cityscapes.py on a few images in the official layout: cities, leftImg8bit and gtFine names."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from prep import load_script, refused

from dmtlib.data.pixels.datasets import load_prepared
from dmtlib.data.pixels.masks import VOID

NAMES = {"train": ["ulm_000000_000019", "aachen_000001_000019"], "val": ["lindau_000000_000019"]}

# Raw id → class, as Cityscapes' own scripts print them.
SCORED = {
    7: "road", 8: "sidewalk", 11: "building", 12: "wall", 13: "fence", 17: "pole", 19: "traffic light",
    20: "traffic sign", 21: "vegetation", 22: "terrain", 23: "sky", 24: "person", 25: "rider", 26: "car", 27: "truck",
    28: "bus", 31: "train", 32: "motorcycle", 33: "bicycle",
}  # fmt: skip


@pytest.fixture
def script(monkeypatch):
    return load_script("cityscapes", monkeypatch, {"train": 2, "val": 1})


def raw_ids(rows=1024, columns=2048) -> np.ndarray:
    """All ids, and the licence plate's −1, which is stored as 255, in stripes of 58 columns."""
    ids = np.minimum(np.arange(columns) // 58, 34).astype(np.uint8)
    ids[ids == 34] = 255
    return np.tile(ids, (rows, 1))


def file_of(root: Path, part: str, name: str, kind: str) -> Path:
    folder = "leftImg8bit" if kind == "leftImg8bit" else "gtFine"
    file = root / folder / part / name.split("_")[0] / f"{name}_{kind}.png"
    file.parent.mkdir(parents=True, exist_ok=True)
    return file


@pytest.fixture
def root(tmp_path) -> Path:
    pixels = np.zeros((1024, 2048, 3), np.uint8)
    pixels[:, 1::2] = 200  # every second column: at half size, grey
    for part, names in NAMES.items():
        for name in names:
            Image.fromarray(pixels).save(file_of(tmp_path, part, name, "leftImg8bit"), compress_level=1)
            Image.fromarray(raw_ids()).save(file_of(tmp_path, part, name, "gtFine_labelIds"), compress_level=1)
            Image.new("RGB", (4, 2)).save(file_of(tmp_path, part, name, "gtFine_color"))  # never looked at
    return tmp_path


def test_ids_become_the_19_classes_at_half_size(script, root, tmp_path, capsys):
    assert script.main(["--source", str(root), "--out", str(tmp_path / "data")]) == 0
    assert capsys.readouterr().out.endswith("2 train, 1 val images of 512×1024 pixels, 19 classes\n")
    data = load_prepared("cityscapes", tmp_path / "data" / "cityscapes")
    assert data.parts["train"].names == ("aachen_000001_000019", "ulm_000000_000019")  # as a sorted list has them
    image, mask = data.parts["val"][0]
    assert image.shape == (3, 512, 1024) and mask.shape == (512, 1024)
    assert set(image[:, 5:-5, 5:-5].unique().tolist()) <= {99, 100, 101}  # antialiased
    for raw in range(34):
        middle = mask[:, (58 * raw + 29) // 2]
        expected = data.classes.index(SCORED[raw]) if raw in SCORED else VOID
        assert (middle == expected).all()
    assert (mask[:, -5:] == VOID).all()
    assert [data.classes.index(name) for name in SCORED.values()] == list(range(19))


def write_unknown_id(root: Path) -> None:
    ids = raw_ids()
    ids[3, 3] = 34
    Image.fromarray(ids).save(file_of(root, "val", NAMES["val"][0], "gtFine_labelIds"), compress_level=1)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (write_unknown_id, "lindau_000000_000019_gtFine_labelIds.png has the unknown id 34 (1 pixel); known are 0…33"),
        (lambda r: file_of(r, "val", NAMES["val"][0], "gtFine_labelIds").unlink(), "labelIds.png: no such file"),
        (
            lambda r: file_of(r, "val", NAMES["val"][0], "leftImg8bit").unlink(),
            "0 images in folders of cities, exp",
        ),
        (
            lambda r: Image.new("RGB", (1024, 512)).save(file_of(r, "val", NAMES["val"][0], "leftImg8bit")),
            "leftImg8bit.png has 512×1024 pixels, not 1024×2048",
        ),
        (
            lambda r: Image.new("L", (1024, 512)).save(file_of(r, "val", NAMES["val"][0], "gtFine_labelIds")),
            "gtFine_labelIds.png has 512×1024 pixels, its image 1024×2048",
        ),
    ],
)
def test_whatever_is_wrong_is_one_line(script, root, tmp_path, capsys, spoil, message):
    spoil(root)
    assert message in refused(script, "cityscapes", ["--source", str(root)], tmp_path / "data", capsys)
