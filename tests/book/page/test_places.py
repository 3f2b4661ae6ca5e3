"""What is missing is said in one line, and packed where a folder has it."""

import pytest

from book.page import places

SCRIPT = """
import sys
from pathlib import Path

source, out = sys.argv[2], Path(sys.argv[4])
if Path(source).read_text() != "images":
    sys.exit("cifar10.py: damaged")
out.mkdir()
(out / "cifar10-jpeg.pt").touch()
"""

CAMVID = """
import sys
from pathlib import Path

Path(sys.argv[4], "camvid").mkdir(parents=True)
"""


@pytest.fixture
def clone(tmp_path, monkeypatch):
    """A clone without data, whose script packs in no time."""
    (tmp_path / "clone/data_prep").mkdir(parents=True)
    (tmp_path / "clone/data_prep/cifar10.py").write_text(SCRIPT)
    monkeypatch.setattr(places, "repository", lambda: tmp_path / "clone")
    (tmp_path / "clone/data_prep/camvid.py").write_text(CAMVID)
    monkeypatch.setattr(places, "prepared", lambda name: tmp_path / "clone/data" / name)
    monkeypatch.delenv("DMT_DATA", raising=False)
    return tmp_path / "clone"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("cifar10", "data/cifar10.pt is not there; `python data_prep/cifar10.py --source torchvision` makes it."),
        (
            "cifar10-jpeg",
            "data/cifar10-jpeg.pt is not there; `python data_prep/cifar10.py --source PATH` makes it from",
        ),
        ("cifar10-mini", "data/cifar10-jpeg.pt is not there"),
        ("camvid", "data/camvid is not there; `python data_prep/camvid.py --source PATH` makes it"),
        ("camvid-quarter", "data/camvid is not there"),
    ],
)
def test_what_is_missing_is_said_with_what_brings_it(clone, name, words):
    assert words in places.missing_data(name)
    assert not (clone / "data").exists()


@pytest.mark.parametrize("name", ["digits", "scenes", "packed:mine.pt", "folder:mine"])
def test_other_data_need_no_packing(clone, name):
    assert places.missing_data(name) is None


def test_the_copy_is_packed_once_where_a_folder_has_it(clone, tmp_path, monkeypatch):
    monkeypatch.setenv("DMT_DATA", str(tmp_path))
    (tmp_path / "cifar10-jpeg.tar.xz").write_text("images")
    assert places.missing_data("cifar10-mini") is None
    assert (clone / "data/cifar10-jpeg.pt").exists()
    (tmp_path / "cifar10-jpeg.tar.xz").unlink()
    assert places.missing_data("cifar10-jpeg") is None
    assert "torchvision" in places.missing_data("cifar10")  # the copy is not the original


def test_what_cannot_be_packed_is_told(clone, tmp_path, monkeypatch):
    monkeypatch.setenv("DMT_DATA", str(tmp_path))
    (tmp_path / "cifar10-jpeg.tar.xz").write_text("half the images")
    told = places.missing_data("cifar10-jpeg")
    assert told == "data/cifar10-jpeg.pt is not there and could not be made: cifar10.py: damaged"


def test_camvid_is_brought_once_where_a_folder_has_it(clone, tmp_path, monkeypatch):
    monkeypatch.setenv("DMT_DATA", str(tmp_path))
    (tmp_path / "camvid.tar").write_text("images")
    assert places.missing_data("camvid-quarter") is None  # a second time, the script would fail
    assert (clone / "data/camvid").is_dir() and places.missing_data("camvid") is None
