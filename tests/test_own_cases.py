"""What people really bring: each case with its right answer, and the same rule for every reader of images."""

import ast
import os
import re
import shutil
import signal
import struct
import sys
import tarfile
import tempfile
import unicodedata
import zipfile
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import yaml
from data_page import PAGE, ROOT, page
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from own import UPRIGHT, exif, photos, raw_png, raw_tiff, streets
from PIL import Image

from dmtlib.cli import app, main
from dmtlib.data import entry
from dmtlib.data.finding import FORMATS, OTHERS, SUFFIXES, find, is_almost_unlabeled
from dmtlib.data.images.datasets import load_dataset
from dmtlib.data.images.folders import read_own_images
from dmtlib.data.pictures import decode_rgb, picture, upright_size
from dmtlib.data.pixels.datasets import load_folder, load_segmentation
from dmtlib.data.pixels.folder import find_pictures, read_lines, read_own_folder
from dmtlib.prediction import check_place, find_images
from dmtlib.presets import preset
from dmtlib.training.images.curriculum import Curriculum

pytestmark = pytest.mark.filterwarnings("ignore:::PIL")  # of broken pictures
REFUSALS = yaml.safe_load((ROOT / "book/refusals.yml").read_text())


@pytest.fixture
def here(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


# --- What is refused: one line each, which the page tells ---------------------------------------------------------


def _spoil(change, make=photos, read=lambda root: load_dataset(f"folder@8:{root}"), **options):
    def case(root):
        change(make(root, **options))
        read(root)

    return case


def _masks(change, **options):
    return _spoil(change, streets, load_folder, **options)


def _as_jpeg(root):
    for mask in sorted(root.glob("masks/*"))[:5]:
        Image.open(mask).save(mask.with_suffix(".jpg"))
        mask.unlink()


def _turned(root):
    Image.new("RGB", (64, 48)).save(root / "images/s00.jpg", exif=exif([UPRIGHT]))
    (root / "images/s00.png").unlink()
    Image.new("L", (64, 48)).save(root / "masks/s00.png")


def _bright(root):
    for mask in root.glob("masks/*"):
        Image.fromarray((np.array(Image.open(mask)) > 0) * np.uint8(254)).save(mask)


def _copy(file, name):
    shutil.copy(file, file.with_name(name))


def _draw(config):
    return lambda root: Curriculum.draw(config, load_dataset(f"folder@8:{root}"))


def _write(name, content, **options):
    return lambda root: (root / name).write_text(content, **options)


def _archive(write, name="a.tar", **limits):
    """An archive beside the photographs, made of them or not; ``limits`` are those of its reader."""

    def case(root):
        write(photos(root), file := root.with_name(name))
        with pytest.MonkeyPatch.context() as patch:
            for limit, value in limits.items():
                patch.setattr(f"dmtlib.data.archives.{limit}", value)
            load_dataset(f"folder@8:{file}")

    return case


def _tar(root, file, kind="", change=lambda content: content):
    with tarfile.open(file, f"w:{kind}") as archive:
        archive.add(root, ".")
    file.write_bytes(change(file.read_bytes()))


def _member(content=b"", **fields):
    """A tar of one file, as its header says; ``content`` is what really follows."""

    def write(_, file):
        member = tarfile.TarInfo("cat/0.png")
        for field, value in fields.items():
            setattr(member, field, value)
        file.write_bytes(member.tobuf(tarfile.GNU_FORMAT) + content + bytes(10240))

    return _archive(write)


def _zip(name="cat/0.png", flag=0, change=lambda content: content, method=zipfile.ZIP_STORED):
    def write(_, file):
        with zipfile.ZipFile(file, "w", method) as archive:
            info = zipfile.ZipInfo("x")
            info.filename, info.compress_type = name, method
            archive.writestr(info, b"x")
        content = bytearray(change(file.read_bytes()))
        for header, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
            content[content.index(header) + at] |= flag
        file.write_bytes(content)

    return _archive(write, "a.zip")


def _false_png(root):
    Image.open(root / "masks/s00.png").save(root / "masks/x.jpg")
    (root / "masks/x.jpg").rename(root / "masks/s00.png")


def _turned_mask(root):
    turned = Image.Exif()
    turned[274] = 3
    with Image.open(root / "masks/s00.png") as mask:
        mask.save(root / "masks/s00.png", exif=turned.tobytes())


def _of_command(command, make=streets, **options):
    """What the whole command says, as :func:`dmtlib.cli.main` would."""

    def case(root):
        make(root, **options)
        app(command.format(data=root).split(), standalone_mode=False)

    return case


def _many_folders(root):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("dmtlib.data.finding.MAX_FOLDERS", 2)
        load_dataset(f"folder@8:{root}")


GREY, RGB = 0, 2  # of PNG
NF = ("NFC", "NFD")
DRAWN, ALL = (preset("digits-40", "dmt", all_labels=all_labels) for all_labels in (False, True))
CASES = {
    "other_format": _spoil(lambda root: _copy(root / "train/cat/0.png", "1.heic")),
    "no_picture": _spoil(lambda root: (root / "train/cat/0.png").write_bytes(b"x")),
    "cut_off": _masks(
        lambda root: (root / "images/s10.jpg").write_bytes((root / "images/s10.jpg").read_bytes()[:500]), ext="jpg"
    ),
    "too_many_pixels": _spoil(lambda root: Image.new("1", (12000, 9000)).save(root / "train/cat/9.png")),
    "many_bits": _spoil(lambda root: Image.fromarray(np.zeros((9, 9), "int32")).save(root / "train/cat/9.tif")),
    "signed": _spoil(lambda root: (root / "train/cat/9.tif").write_bytes(raw_tiff(bytes(8), 16, sign=2))),
    "clear_of_16_bits": _spoil(
        lambda root: (root / "train/cat/9.png").write_bytes(raw_png(bytes(6), 16, RGB, clear=bytes(6)))
    ),
    "rare_tiff": _spoil(lambda root: (root / "train/cat/9.tif").write_bytes(raw_tiff(bytes(8), 12, white_is_0=True))),
    "long_text": _spoil(
        lambda root: (root / "train/cat/9.png").write_bytes(raw_png(b"\0", 8, GREY, text=bytes(80 << 20)))
    ),
    "long_name": _masks(_write("classes.txt", f"background\n{'c' * 256}\n")),
    "dangling": _spoil(lambda root: (root / "train/cat/9.png").symlink_to("nowhere")),
    "not_utf8": _spoil(lambda root: _copy(root / "train/cat/0.png", os.fsdecode(b"\xe9.png"))),
    "two_forms": _spoil(lambda r: [_copy(r / "train/cat/0.png", unicodedata.normalize(f, "é.png")) for f in NF]),
    "nothing_there": _spoil(lambda root: [f.rename(f.with_suffix(".txt")) for f in root.rglob("*.png")]),
    "too_deep": _spoil(lambda root: shutil.copytree(root / "train/cat", root / "train/cat/more")),
    "one_class": _spoil(lambda root: [shutil.rmtree(root / part / "dog") for part in ("train", "test")]),
    "empty_class": _spoil(lambda root: (root / "train/bird").mkdir()),
    "beside": _spoil(
        lambda root: [shutil.rmtree(root / "test"), shutil.move(root / "train", root / "in/a"), (root / "b").mkdir()]
    ),
    "unlabelled": _spoil(lambda root: (root / "train/unlabeled").rename(root / "train/Unlabelled")),
    "unknown_class": _spoil(lambda root: shutil.copytree(root / "test/cat", root / "test/cow")),
    "no_test": _spoil(lambda root: shutil.rmtree(root / "test/cat")),
    "masks_for_images": _spoil(lambda root: None, streets),
    "all_labels_forgotten": _spoil(lambda root: None, read=_draw(DRAWN)),
    "few_labels": _spoil(lambda root: None, read=_draw(DRAWN), classes=[f"c{i}" for i in range(41)], n=1, test=1),
    "few_unlabeled": _spoil(lambda root: None, read=_draw(ALL), unlabeled=4),
    "classes_for_pixels": _spoil(lambda root: None, read=load_folder),
    "one_name": _masks(_write("classes.txt", "car\n")),
    "utf16": _masks(_write("classes.txt", "background\ncar\n", encoding="utf-16")),
    "jpeg_mask": _masks(_as_jpeg),
    "mask_suffix": _masks(lambda root: (root / "masks/s00.png").rename(root / "masks/s00_mask.png")),
    "ending_in_list": _masks(_write("val.txt", "s00.png\n")),
    "coloured_mask": _masks(lambda root: Image.new("RGB", (64, 64)).save(root / "masks/s00.png")),
    "bright_mask": _masks(_bright),
    "black_and_white": _masks(lambda root: None, on=255),
    "absent_class": _masks(_write("classes.txt", "background\ncar\nbus\n")),
    "turned_image": _masks(_turned),
    "same_stem": _masks(
        lambda root: [Image.open(root / "images/s01.png").save(root / f"images/1.{e}") for e in ("jpg", "png")]
    ),
    "no_folder": lambda root: load_dataset(f"folder@8:{root}"),
    "folder_forgotten": _of_command("train scenes-small --data {data}"),
    "side": _spoil(lambda root: None, read=lambda root: load_dataset(f"folder@0:{root}")),
    "not_readable": _spoil(lambda root: os.mkfifo(root / "train/cat/9.png")),
    "many_folders": _spoil(lambda root: None, read=_many_folders),
    "two_images": _spoil(lambda root: shutil.rmtree(root / "test"), n=1),
    "no_archive": _archive(lambda root, file: file.write_text("x")),
    "cut_archive": _archive(partial(_tar, change=lambda content: content[:9000])),
    "without_end": _archive(
        partial(_tar, change=lambda content: content[: content.rindex(b"IEND") // 512 * 512 + 512])
    ),
    "more_around_zip": _zip(change=lambda content: content + b"x"),
    "more_after_end": _archive(partial(_tar, change=lambda content: 2 * content)),
    "linked_member": _member(type=tarfile.SYMTYPE, linkname="x"),
    "backslash": _member(name="cat\\0.png"),
    "outside": _member(name="../0.png"),
    "large_member": _member(size=65 << 20),
    "large_header": _member(bytes(2 << 20), type=tarfile.GNUTYPE_LONGNAME, size=2 << 20),
    "unpacking": _archive(partial(_tar, kind="xz"), "a.tar.xz", MAX_UNPACKING_BYTES=2**16),
    "password": _zip(flag=1),
    "rare_packing": _zip(method=zipfile.ZIP_LZMA),
    "zip_names": _zip("c\xe9t/0.png", change=lambda content: content.replace("\xe9".encode(), b"\xff\xfe")),
    "empty_line": _masks(_write("classes.txt", "background\n \ncar\n")),
    "odd_line": _masks(_write("classes.txt", "background\ncar\u2028bus\n", encoding="utf-8")),
    "empty_list": _masks(_write("val.txt", "\n")),
    "list_outside": _masks(_write("val.txt", "../s00\n")),
    "near_list": _masks(_write("Val.txt", "s00\n")),
    "in_two_lists": _masks(lambda root: [(root / f"{part}.txt").write_text("s00\n") for part in ("train", "val")]),
    "no_mask": _masks(_write("val.txt", "s00\ns01\n"), masks=2),
    "one_mask": _masks(lambda root: None, masks=1),
    "false_png": _masks(_false_png),
    "turned_mask": _masks(_turned_mask),
    "runs_inside": _of_command("train scenes-small --data folder:{data} --runs {data}/runs"),
    "out_inside": _masks(lambda root: check_place(root / "out", Path("run"), Path("in"))),
}


@pytest.mark.parametrize("row", REFUSALS, ids=lambda row: row["case"])
def test_what_is_refused_is_one_line_that_the_page_has(row, here):
    with pytest.raises(ValueError) as error:
        CASES[row["case"]](Path("data"))
    told = str(error.value)
    assert re.fullmatch(re.escape(row["line"]).replace("…", ".*") + ".*", told), told
    assert "\n" not in told


def test_every_case_is_on_the_page_and_the_page_is_made_from_the_tables():
    assert sorted(row["case"] for row in REFUSALS) == sorted(CASES)
    assert PAGE.read_text() == page(), "python tools/data_page.py writes it"
    assert all(f"`{ending}`" in page() for ending in (*SUFFIXES, *OTHERS))


ELSEWHERE = {  # of arguments, of memory, and what the rows of others say
    "test_share must lie in",
    " pixels, not ",
    " needs more memory than there is",
}


@pytest.mark.parametrize(
    "module", ["archives", "finding", "pictures", "images/folders", "pixels/folder", "pixels/masks"]
)
def test_whatever_the_readers_of_data_refuse_is_on_the_page(module):
    text = page()
    for node in ast.walk(ast.parse((ROOT / f"dmtlib/data/{module}.py").read_text())):
        if isinstance(node, ast.Raise) and getattr(getattr(node.exc, "func", None), "id", "") in (
            "ValueError",
            "Refused",
        ):
            inner = {
                id(n) for value in ast.walk(node.exc) if isinstance(value, ast.FormattedValue) for n in ast.walk(value)
            }
            said = [n.value for n in ast.walk(node.exc) if isinstance(n, ast.Constant) and id(n) not in inner]
            longest = max(map(str, said), key=len, default="").strip()
            assert longest in text or any(words in max(map(str, said), key=len) for words in ELSEWHERE), longest


# --- What is read, and what is told -------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", SUFFIXES)
def test_every_format_is_read_by_every_reader(here, ending):
    root = photos(Path("p"), ("bird", "cat", "dog"), side=16)
    kind = next(kind for kind, endings in FORMATS.items() if ending in endings)
    for file in list(root.glob("*/bird/*.png")):
        Image.open(file).save(file.with_suffix(ending.upper()), kind.upper())
        if ending != ".png":
            file.unlink()
    data = load_dataset(f"folder@8:{root}")
    assert data.classes == ("bird", "cat", "dog") and len(data.train_images) == len(find_images(root / "train").images)


def test_a_linked_class_is_read_alike_and_a_circle_ends(here):
    root = photos(Path("p"))
    shutil.move(root / "train/cat", "elsewhere")
    (root / "train/cat").symlink_to(Path("elsewhere").resolve())
    (here / "elsewhere/again").symlink_to((root / "train").resolve())
    assert len(read_own_images(root)[0].train_images) == len(find_images(root / "train").images) == 32
    street = streets(Path("s"))
    for part in ("images", "masks"):
        (street / part).rename(here / part)
        (street / part).mkdir()
        (street / part / "cam").symlink_to(here / part)
    assert len(read_own_folder(street).masks) == 8


@pytest.mark.parametrize("field", [(282, 2, 3, b"72\0"), (282, 10, 1, struct.pack("<ii", -1, 0)), (274, 2, 9, b"6")])
@pytest.mark.parametrize("ending", ["jpg", "png", "webp", "tif"])
def test_of_exif_the_orientation_alone_matters(tmp_path, field, ending):
    file = tmp_path / f"x.{ending}"
    image = Image.fromarray(np.arange(24, dtype=np.uint8).reshape(4, 6) * 10).convert("RGB")
    block = exif([field] if field[0] == 274 else [UPRIGHT, field])
    image.save(file, **({} if ending == "tif" else {"exif": block}))
    size = (4, 6) if field[0] == 274 or ending == "tif" else (6, 4)
    content = file.read_bytes()
    assert upright_size(content, "x") == decode_rgb(content, "x").shape[1:] == size


def test_broken_exif_is_never_a_reason_to_refuse(tmp_path):
    rng, file = np.random.default_rng(0), tmp_path / "x.jpg"
    block = bytearray(exif([UPRIGHT, (282, 5, 1, struct.pack("<II", 72, 1)), (305, 2, 9, b"software\0")]))
    image = Image.fromarray(rng.integers(0, 255, (8, 12, 3), dtype=np.uint8))
    for _ in range(300):
        broken = bytearray(block)
        for place in rng.integers(6, len(block), 3):
            broken[place] = rng.integers(256)
        image.save(file, exif=bytes(broken))
        content = file.read_bytes()
        assert upright_size(content, "x") == decode_rgb(content, "x").shape[1:]


def test_transparent_becomes_white_and_sixteen_bits_eight(tmp_path):
    def read(image: Image.Image, ending="png", **options):
        image.save(tmp_path / f"x.{ending}", **options)
        return np.asarray(picture((tmp_path / f"x.{ending}").read_bytes(), "x"))

    clear = Image.new("RGBA", (2, 2), (255, 0, 0, 0))
    for image in (clear, clear.convert("LA"), Image.new("P", (2, 2))):
        assert (read(image, transparency=0 if image.mode == "P" else None) == 255).all()
    assert read(Image.new("RGBA", (1, 1), (0, 0, 0, 127))).tolist() == [[[128, 128, 128]]]
    levels = np.array([[0, 255, 256, 40_000, 65_535]], "uint16")
    for ending in ("png", "tif"):
        assert read(Image.fromarray(levels), ending)[0, :, 0].tolist() == [0, 0, 1, 156, 255]


@pytest.mark.parametrize(
    ("content", "levels"),
    [
        (raw_png(b"\x1b", 2, GREY, clear=b"\0\1"), [0, 255, 170, 255]),
        (raw_png(b"\x01\x3f", 4, GREY, clear=b"\0\3"), [0, 17, 255, 255]),
        (raw_png(b"\0\3\4", 8, GREY, clear=b"\0\3"), [0, 255, 4]),
        (raw_png(b"\1\2\3\4\4\4", 8, RGB, clear=b"\0\1\0\2\0\3"), [255, 4]),
        (raw_tiff(struct.pack("<4H", 0, 256, 40_000, 65_535), 16), [0, 1, 156, 255]),
        (raw_tiff(struct.pack("<4H", 0, 256, 40_000, 65_535), 16, white_is_0=True), [255, 254, 99, 0]),
        (raw_tiff(bytes.fromhex("000400800fff"), 12), [0, 64, 128, 255]),
        (raw_tiff(b"\0\1\xfe\xff", 8, white_is_0=True), [255, 254, 1, 0]),
        (raw_tiff(b"\0\0\x64\x80", 8, alpha=True), [255, 227]),
    ],
)
def test_levels_mean_what_they_look_like(content, levels):
    assert np.asarray(picture(content, "x"))[0, :, 0].tolist() == levels


@pytest.mark.parametrize(("turned", "told"), [(1, False), (3, True), (6, True)])
def test_a_mask_that_may_lie_on_another_image_is_told(here, turned, told, capsys):
    """EXIF turns the image, and its size doesn't tell."""
    street = streets(Path("s"))
    with Image.open(street / "images/s00.png") as image:
        image.save(street / "images/s00.png", exif=exif([(274, 3, 1, struct.pack("<H", turned))]))
    assert main(["check", str(street)]) == 0
    line = "warning: upright by EXIF, and no size tells whether masks are: 1 image, as 's00'"
    assert (line in capsys.readouterr().out) == told


def test_marks_before_a_text_and_forms_of_accents_split_no_names(here):
    street = streets(Path("s"))
    (street / "classes.txt").write_text("background\ncafé\n", encoding="utf-8-sig")
    for folder, form in (("images", "NFD"), ("masks", "NFC")):
        name = unicodedata.normalize(form, "é")
        (street / folder / "s00.png").rename(street / folder / f"{name}.png")
    (street / "val.txt").write_text(unicodedata.normalize("NFD", "é\ns01\n"), encoding="utf-8-sig")
    data = load_segmentation(f"folder:{street}")
    assert data.classes == ("background", "café") and data.parts["val"].names == ("é", "s01")
    root = photos(Path("p"))
    for part, form in (("train", "NFC"), ("test", "NFD")):
        (root / part / "cat").rename(root / part / unicodedata.normalize(form, "été"))
    assert load_dataset(f"folder:{root}").classes == ("dog", "été")


def test_a_channel_without_contrast_is_shifted_and_not_scaled(here):
    root = photos(Path("p"))
    for file in root.rglob("*.png"):
        pixels = np.array(Image.open(file))
        pixels[..., 2] = 0
        Image.fromarray(pixels).save(file)
    data = load_dataset(f"folder@8:{root}")
    assert data.std[2] == 1.0 and data.mean[2] == 0.0 and min(data.std[:2]) > 0.1
    train = ["train", "digits-40", "--method", "baseline", "--data", f"folder@8:{root}", "--all-labels"]
    assert main([*train, "--budget", "0.005"]) == 0


def test_what_is_passed_over_is_told(here, capsys):
    root = photos(Path("p"))
    for name in ("train/cat/._0.png", "train/.DS_Store", "Thumbs.db", "notes.txt", "train/cat/0"):
        (root / name).write_bytes(b"\0\5\26\7")
    _copy(root / "train/cat/0.png", "7.png")
    shutil.copy(root / "train/cat/1.png", root / "train/dog/7.png")
    shutil.copy(root / "train/cat/2.png", root / "test/cat/7.png")
    Image.new("RGB", (30, 20)).save(root / "train/dog/8.png")
    assert main(["check", str(root), "--preset", "digits-40"]) == 0
    told = capsys.readouterr().out
    for line in (
        "p: 35 images to train on, 15 of them with a label; 9 to test on",
        "2 classes: cat 7, dog 8",
        "sizes: 12×12…30×20 pixels",
        "warning: nearly black, with no value above 31 of 255: 1 picture, as 'train/dog/8.png'",
        "warning: in two parts: 1 picture, as 'test/cat/7.png' and 'train/cat/2.png'",
        "warning: in two classes: 1 picture, as 'train/cat/1.png' and 'train/dog/7.png'",
        "left out: 1 .txt ('notes.txt'), 3 hidden (",
        "1 without an ending ('train/cat/0')",
        "digits-40: 15 labels, 20 unlabeled",
        "a baseline tells: dmtlib train digits-40 --method baseline --data folder:p --all-labels",
    ):
        assert line in told, line


def test_masks_of_black_and_white_among_others_are_told(here, capsys):
    street = streets(Path("s"))
    Image.fromarray(np.kron([[0, 1], [1, 1]], np.ones((32, 32))).astype("uint8") * 255).save(street / "masks/s00.png")
    assert main(["check", str(street)]) == 0
    assert "warning: 0 and 255 alone: 1 mask, as 's00'; 255 means ignore" in capsys.readouterr().out


def test_what_is_drawn_to_test_on_or_to_score_is_told(here, capsys):
    root = photos(Path("p"))
    shutil.rmtree(root / "test")
    (root / "test").mkdir()
    assert main(["check", str(root)]) == main(["check", str(streets(Path("s")))]) == 0
    told = capsys.readouterr().out
    assert "no image in a folder 'test': 2 images drawn to test on, 20% of each class" in told
    assert "no val.txt: 2 masks drawn to score, 20% of all" in told


def test_a_class_that_no_drawn_label_has_is_told(here, capsys):
    street = streets(Path("s"))
    for mask in sorted(street.glob("masks/*"))[1:]:
        Image.fromarray(np.zeros((64, 64), "uint8")).save(mask)
    (street / "labeled.txt").write_text("s01\ns02\n")
    (street / "val.txt").write_text("s03\ns04\n")
    command = ["check", str(street), "--preset", "scenes-small"]
    assert main(command) == 0
    warning = "warning: car: in none of these labels, so nothing teaches it"
    assert warning in capsys.readouterr().out
    (street / "labeled.txt").write_text("s00\ns02\n")
    assert main(command) == 0 and warning not in capsys.readouterr().out


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_lines_end_in_what_editors_write_and_in_nothing_else(here, end):
    street = streets(Path("s"))
    (street / "classes.txt").write_bytes(f"background{end} car \x0c{end}{end}".encode())
    (street / "val.txt").write_bytes(f"s01{end}s00".encode())
    data = load_folder(street)
    assert data.classes == ("background", "car") and data.parts["val"].names == ("s01", "s00")


@pytest.mark.parametrize("name", ["classes.txt", "train.txt", "val.txt", "test.txt", "labeled.txt"])
@pytest.mark.parametrize("end", [*"\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029", "\n\n", "\n\u2028\n"])
def test_no_list_has_lines_that_may_count_or_not(here, name, end):
    street = streets(Path("s"))
    (street / name).write_text(f"s00\ns01{end}s02\n", encoding="utf-8")
    with pytest.raises(ValueError, match=rf"{name}: line [23] (has '.*', which looks like 2 lines|is empty)"):
        read_lines(street / name)


@pytest.mark.filterwarnings("error")
def test_a_picture_of_one_pixel_is_read_without_a_word(here):
    street = streets(Path("s"))
    for folder, mode in (("images", "RGB"), ("masks", "L")):
        Image.new(mode, (1, 1)).save(street / folder / "t.png")
    assert len(load_folder(street).parts["train"]) == 11


def test_a_renamed_class_is_another_data_set(here, capsys):
    root = photos(Path("p"))
    train = ["train", "digits-40", "--method", "baseline", "--data", f"folder@8:{root}", "--all-labels"]
    assert main([*train, "--budget", "0.005"]) == 0
    for part in ("train", "test"):
        (root / part / "cat").rename(root / part / "cow")
    capsys.readouterr()
    assert main([*train, "--budget", "0.005"]) == 2
    assert "classes is ['cat', 'dog'] there and ['cow', 'dog'] now" in capsys.readouterr().err


def test_a_path_may_begin_with_a_tilde_and_end_with_a_slash(here, monkeypatch):
    monkeypatch.setenv("HOME", str(here))
    photos(Path("p"))
    configs = [preset("digits-40", "dmt", data=d) for d in ("folder@8:~/p/", f"folder@8:{here}/p")]
    assert configs[0] == configs[1]
    assert load_dataset("folder@8:~/p/").classes == ("cat", "dog")


@pytest.mark.parametrize("kind", ["images", "masks"])
def test_a_second_start_reads_only_what_changed_and_goes_on_after_a_repair(here, kind, monkeypatch):
    root = photos(Path("p")) if kind == "images" else streets(Path("p"))
    load = (lambda: load_dataset(f"folder@8:{root}")) if kind == "images" else (lambda: load_folder(root))
    file = sorted(root.rglob("*.png"))[-1 if kind == "images" else 5]
    whole = file.read_bytes()
    file.write_bytes(whole[:60])
    monkeypatch.setattr(entry, "SETTLED", -1)
    with pytest.raises(ValueError, match="damaged|not a PNG"):
        load()
    file.write_bytes(whole)
    read = []
    facts = entry.facts
    for module in (sys.modules["dmtlib.data.images.folders"], sys.modules["dmtlib.data.pixels.datasets"]):
        monkeypatch.setattr(module, "facts", lambda image: read.append(0) or facts(image))
    first = load()
    assert 1 <= len(read) <= 20
    read.clear()
    again = load()
    assert not read and again.fingerprint == first.fingerprint and again.summary == first.summary
    os.utime(file)
    load()
    assert len(read) == 1


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    train = ["train", "digits-40", "--method", "baseline", "--all-labels", "--budget", "0.005"]
    assert main([*train, "--data", f"folder@8:{photos(folder / 'p', n=60, test=60)}", "--runs", str(folder)]) == 0
    return folder / "digits-40/baseline/seed-0"


def test_predict_can_skip_what_is_unreadable(run, here, capsys):
    shutil.copytree(run.parents[2] / "p/test/cat", "in")
    Path("in/0.png").write_bytes(b"")
    Path("in/x.avif").touch()
    command = ["predict", str(run), "in", "--out", "out.csv"]
    assert main(command) == 2 and not Path("out.csv").exists()
    capsys.readouterr()
    assert main([*command, "--skip-unreadable"]) == 0
    told = capsys.readouterr()
    assert "59 images predicted" in told.out and len(Path("out.csv").read_text().splitlines()) == 60
    assert "skipped: in/0.png is not a PNG" in told.err and "skipped: in: 'x.avif' is .avif" in told.err
    for file in Path("in").glob("*.png"):
        file.write_bytes(b"")
    assert main([*command, "--skip-unreadable"]) == 2
    assert "error: in: no image left: all were skipped" in capsys.readouterr().err


def test_a_stopped_prediction_says_that_it_starts_anew(run, here, capsys, monkeypatch):
    monkeypatch.setattr("dmtlib.prediction.load_run", lambda *_: signal.raise_signal(signal.SIGTERM))
    assert main(["predict", str(run), str(run.parents[2] / "p/test"), "--out", "out.csv"]) == 130
    assert capsys.readouterr().err == "stopped; nothing was written, and the same command starts anew\n"


def test_check_judges_a_baseline_that_has_learned_the_data(run, capsys):
    folder = run.parents[2]
    assert main(["check", f"folder@8:{folder / 'p'}", "--preset", "digits-40", "--runs", str(folder)]) == 0
    told = capsys.readouterr().out
    assert f"{run}: " in told and "of the 24 surest held-out answers" in told and "held-out images:" not in told


@pytest.mark.parametrize(
    "name", ["unlabelled", "Unlabeled", "UNLABELED", "un-labeled", "unlabled", "unlabeled images"]
)
def test_almost_unlabeled_is_refused(name):
    assert is_almost_unlabeled(name)


@pytest.mark.parametrize("name", ["unlabeled", "labeled", "label", "unladen", "cat", "unripe", "utensil"])
def test_other_names_are_classes(name):
    assert not is_almost_unlabeled(name)


# --- One rule for every reader ------------------------------------------------------------------------------------

NAMES = st.sampled_from(["a", "b", "é", "e\u0301", "._c", ".d", "E f", "thumbs"])
ENDINGS = st.sampled_from([*SUFFIXES, ".PNG", ".JPG", ".heic", ".txt", "", ".db"])
PLACES = st.sampled_from(["", "in/", "in/deep/", ".hidden/", "__MACOSX/", "Ünter/"])


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(st.sets(st.tuples(PLACES, NAMES, ENDINGS), min_size=1, max_size=8))
def test_any_tree_gives_one_set_of_images_or_one_line(tree):
    picture = Image.new("RGB", (4, 4), "red")
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for place, name, ending in tree:
            for other, rest in (("train/cat", "x"), ("train/dog", "y"), ("p", "")):
                file = root / other / place / f"{name}{ending}"
                file.parent.mkdir(parents=True, exist_ok=True)
                picture.save(file, "PNG") if rest != "y" or not file.exists() else None

        def answer(read):
            try:
                return sorted(read())
            except ValueError as error:
                assert "\n" not in str(error)
                return re.sub(r".*?: ", "", str(error).replace("in/deep", ""), count=1)

        found = answer(lambda: find(root / "p").require_whole().images)
        predicted = answer(lambda: find_images(root / "p").images)
        listed = answer(lambda: [f.relative_to(root / "p").as_posix() for f in find_pictures(root / "p")[0].values()])
        if isinstance(found, str):
            assert isinstance(predicted, str) and isinstance(listed, str)
            return
        if isinstance(listed, list):
            assert sorted(unicodedata.normalize("NFC", name) for name in listed) == found
        elif found:
            assert "as well" in listed
        assert predicted == found or (not found and isinstance(predicted, str))
        trained = answer(lambda: read_own_images(root / "train", 4, test_share=0.01)[0].train_labels.tolist())
        if isinstance(trained, list):
            assert len(trained) == 2 * len(found) - 2


def test_variants_of_the_cases(tmp_path, monkeypatch, capsys):
    """What a stranger tried next."""
    monkeypatch.chdir(tmp_path)
    command = "train scenes-small --method baseline --all-labels --budget 0.002 --data folder:"

    def refusal(more: str) -> str:
        assert main([*(command + more).split()]) == 2
        return capsys.readouterr().err.splitlines()[-1]

    turned = streets(Path("turned")) / "masks/s00.png"
    with Image.open(turned) as image:
        exif = Image.Exif()
        exif[274] = 3
        image.save(turned, exif=exif.tobytes())
    assert refusal("turned") == f"error: {turned} has EXIF orientation 3: turn its pixels, and save it without EXIF"
    for name in ("Val.txt", "val.txt.txt", "LABELED.TXT"):
        (streets(Path(f"lists-{name}")) / name).write_text("s00\n")
        assert "call it " in refusal(f"lists-{name}") and not Path("runs").exists()
    (streets(Path("linked")) / "val.txt").symlink_to("nowhere")
    assert "linked/val.txt" in refusal("linked")
    streets(Path("inside"))
    assert "error: inside/masks/" in (told := refusal("inside --results inside/masks")) and "lies in the data" in told
    assert "error: inside/runs/" in (told := refusal("inside --runs inside/runs")) and "lies in the data" in told
    for data, place in ("scenes-small", "--runs ."), ("scenes-small-budget-0.002", "--results ."):  # where output goes
        streets(Path(data))
        assert f"lies in the data {data}: choose another folder" in refusal(f"{data} {place}")
        assert sorted(path.name for path in Path(data).iterdir()) == ["classes.txt", "images", "masks"]
    made = Path("inside/images/predicted")
    made.mkdir()
    (made / ".made-by-dmtlib.json").write_text("[]")
    shutil.copy("inside/images/s00.png", made / "other.png")
    assert main(["check", "folder:inside"]) == 0
    assert "1 made by dmtlib ('predicted')" in capsys.readouterr().out
