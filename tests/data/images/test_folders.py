"""Image folders and archives of them: layouts, sizes, modes, and everything that has to be refused in one line."""

from __future__ import annotations

import io
import tarfile
import zipfile

import numpy as np
import pytest
import torch
from PIL import Image

from dmtlib.data import pictures
from dmtlib.data.archives import read_files
from dmtlib.data.images import folders
from dmtlib.data.images.folders import read_own_images, square
from dmtlib.data.images.packed import UNKNOWN, PackedImages


def picture(value: int = 0, size: tuple[int, int] = (32, 32), mode: str = "RGB", kind: str = "PNG") -> bytes:
    rng = np.random.default_rng(value)
    image = Image.fromarray(rng.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)).convert(mode)
    file = io.BytesIO()
    image.save(file, kind)
    return file.getvalue()


def two_parts() -> dict[str, bytes]:
    names = [f"{part}/{label}/{i}.png" for part in ("train", "test") for label in ("cat", "dog") for i in range(3)]
    return {name: picture(i) for i, name in enumerate(names)}


def make(files: dict[str, bytes], path):
    """Write ``files`` as a folder or archive, by the suffix of ``path``."""
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in files.items():
                archive.writestr(name, content)
    elif ".tar" in path.suffixes:
        with tarfile.open(path, "w:" + path.suffix.removeprefix(".").replace("tar", "")) as archive:
            for name, content in files.items():
                add_member(archive, name, content)
    else:
        for name, content in files.items():
            (path / name).parent.mkdir(parents=True, exist_ok=True)
            (path / name).write_bytes(content)
    return path


def add_member(archive: tarfile.TarFile, name: str, content: bytes = b"", kind=tarfile.REGTYPE, link: str = ""):
    member = tarfile.TarInfo(name)
    member.size, member.type, member.linkname = len(content), kind, link
    archive.addfile(member, io.BytesIO(content))


def read_image_folder(*arguments, **options) -> PackedImages:
    return read_own_images(*arguments, **options)[0]


def refusal(call, *arguments, **options) -> str:
    with pytest.raises(ValueError) as error:
        call(*arguments, **options)
    assert "\n" not in str(error.value)
    return str(error.value)


CONTAINERS = ["folder", "a.tar", "a.tar.gz", "a.tar.xz", "a.zip"]


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("top", ["", "pictures/"])
def test_train_and_test_folders(tmp_path, container, top):
    files = two_parts()
    path = make({top + name: content for name, content in files.items()}, tmp_path / container)
    images = read_image_folder(path)
    assert images.classes == ("cat", "dog") and images.source == str(path)
    assert images.train_images.shape == images.test_images.shape == (6, 3, 32, 32)
    assert images.train_labels.tolist() == images.test_labels.tolist() == [0, 0, 0, 1, 1, 1]
    for tensor, names in ((images.train_images, list(files)[:6]), (images.test_images, list(files)[6:])):
        for image, name in zip(tensor, names, strict=True):
            expected = np.asarray(Image.open(io.BytesIO(files[name]))).transpose(2, 0, 1)
            assert torch.equal(image, torch.from_numpy(expected.copy())), name


def test_the_order_of_an_archive_does_not_matter(tmp_path):
    files = two_parts()
    first = read_image_folder(make(files, tmp_path / "a.tar"))
    second = read_image_folder(make(dict(reversed(files.items())), tmp_path / "b.tar"))
    assert torch.equal(first.train_images, second.train_images)


@pytest.mark.parametrize("top", ["", "train/"])
def test_without_a_test_folder_a_seeded_share_of_each_class_is_set_apart(tmp_path, top, monkeypatch):
    files = {f"{top}{label}/{i:02}.png": picture(i + n) for n, label in ((10, "cat"), (60, "dog")) for i in range(n)}
    path = make(files, tmp_path / "a.tar")
    images, again = (read_image_folder(path) for _ in range(2))
    monkeypatch.setattr(folders, "TEST_SEED", 1)
    other = read_image_folder(path)
    assert images.counts("test") == {"cat": 2, "dog": 12} and images.counts("train") == {"cat": 8, "dog": 48}
    assert torch.equal(images.test_images, again.test_images)
    assert not torch.equal(images.test_images, other.test_images)
    everything = {image.numpy().tobytes() for image in torch.cat([images.train_images, images.test_images])}
    assert len(everything) == 70


def test_each_class_gives_at_least_one_test_image_and_keeps_one(tmp_path):
    files = {f"{label}/{i}.png": picture(i) for label in "ab" for i in range(2)}
    images = read_image_folder(make(files, tmp_path / "a.zip"))
    assert images.counts("test") == images.counts("train") == {"a": 1, "b": 1}


@pytest.mark.parametrize("layout", ["train/", ""])
def test_unlabeled_images_are_for_training_only(tmp_path, layout):
    files = {f"{layout}{label}/{i}.png": picture(i) for label in ("unlabeled", "a", "zebra") for i in range(4)}
    images = read_image_folder(make(files, tmp_path / "a.tar"))
    assert images.classes == ("a", "zebra")
    assert images.counts("train") == {"a": 3, "zebra": 3, "unlabeled": 4}
    assert images.train_labels[-4:].tolist() == [UNKNOWN] * 4 and UNKNOWN not in images.test_labels


def test_sizes_are_brought_to_one_side_antialiased(tmp_path):
    stripes = np.zeros((240, 480, 3), dtype=np.uint8)
    stripes[:, ::2] = 255  # the finest pattern there is: antialiased it turns grey, picked pixel by pixel it stays
    stripes[:, :120] = stripes[:, 360:] = 0  # only the middle square is kept
    file = io.BytesIO()
    Image.fromarray(stripes).save(file, "PNG")
    files = {"a/1.png": file.getvalue(), "a/2.png": picture(2, (9, 50))}
    files |= {f"b/{i}.jpg": picture(i, kind="JPEG") for i in range(2)}
    images = read_image_folder(make(files, tmp_path / "a.zip"), side=24)
    assert images.train_images.shape[1:] == images.test_images.shape[1:] == (3, 24, 24)
    pixels = square(pictures.picture(files["a/1.png"], "a/1.png"), 24).astype(float)
    assert 120 < pixels[:, :, 2:-2].min() <= pixels[:, :, 2:-2].max() < 136


@pytest.mark.parametrize(
    ("mode", "kind"),
    [("L", "PNG"), ("LA", "PNG"), ("RGBA", "PNG"), ("P", "PNG"), ("1", "PNG"), ("L", "JPEG"), ("CMYK", "JPEG")],
)
def test_every_mode_becomes_rgb(tmp_path, mode, kind):
    content = picture(3, mode=mode, kind=kind)
    path = make({f"{label}/{i}.png": content for label in "ab" for i in range(2)}, tmp_path / "a.zip")
    expected = np.asarray(Image.open(io.BytesIO(content)).convert("RGB")).transpose(2, 0, 1)
    assert torch.equal(read_image_folder(path).train_images[0], torch.from_numpy(expected.copy()))


def test_a_photograph_is_turned_as_its_camera_says():
    image = Image.fromarray(np.arange(32 * 32 * 3, dtype=np.uint32).astype(np.uint8).reshape(32, 32, 3))
    exif = Image.Exif()
    exif[0x0112] = 6  # to be shown turned by 90° clockwise
    file = io.BytesIO()
    image.save(file, "PNG", exif=exif)
    pixels = square(pictures.picture(file.getvalue(), "a/1.png"), 32)
    assert np.array_equal(pixels.transpose(1, 2, 0), np.asarray(image.transpose(Image.Transpose.ROTATE_270)))


def test_other_and_hidden_files_are_passed_over(tmp_path):
    others = ("labels.txt", "train/cat/.1.png", "__MACOSX/train/cat/._1.png", "a.PDF")
    files = two_parts() | dict.fromkeys(others, b"x")
    assert len(read_image_folder(make(files, tmp_path / "a.tar")).train_images) == 6
    assert len(read_image_folder(make(files, tmp_path / "folder")).train_images) == 6


@pytest.mark.parametrize("container", ["folder", "a.tar.gz", "a.zip"])
@pytest.mark.parametrize("damage", ["cut", "empty", "text", "32 bit"])
def test_a_damaged_image_is_named(tmp_path, container, damage):
    good = picture(1)
    deep = io.BytesIO()
    Image.fromarray(np.zeros((32, 32), dtype=np.int32)).save(deep, "TIFF")
    bad = {"cut": good[: len(good) // 2], "empty": b"", "text": b"no image", "32 bit": deep.getvalue()}[damage]
    path = make(two_parts() | {"train/dog/1.png": bad}, tmp_path / container)
    message = refusal(read_image_folder, path)
    assert message.startswith(f"{path}: 'train/dog/1.png' ")


def test_a_truncated_jpeg_is_named(tmp_path):
    good = picture(1, (64, 64), kind="JPEG")
    path = make(two_parts() | {"test/cat/9.jpg": good[: len(good) // 2]}, tmp_path / "a.tar")
    assert "'test/cat/9.jpg' is damaged: image file is truncated" in refusal(read_image_folder, path)


def test_another_size_is_refused_where_none_is_resized(tmp_path):
    path = make(two_parts() | {"train/dog/1.png": picture(0, (33, 32))}, tmp_path / "a.tar")
    assert refusal(read_own_images, path, 32, resize=False) == f"{path}: 'train/dog/1.png' is 33×32 pixels, not 32×32"


def test_a_picture_that_would_fill_the_memory_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    path = make(two_parts(), tmp_path / "a.tar")
    assert "'train/cat/0.png' has 1,024 pixels; up to 100 are read" in refusal(read_image_folder, path)


@pytest.mark.parametrize(
    ("name", "kind", "link"),
    [
        ("train/cat/evil.png", tarfile.SYMTYPE, "/etc/passwd"),
        ("train/cat/evil.png", tarfile.LNKTYPE, "train/cat/0.png"),
        ("train/cat/evil.png", tarfile.CHRTYPE, ""),
        ("train/cat/evil.png", tarfile.FIFOTYPE, ""),
        ("/train/cat/evil.png", tarfile.REGTYPE, ""),
        ("../train/cat/evil.png", tarfile.REGTYPE, ""),
        ("train/../../evil.png", tarfile.REGTYPE, ""),
        ("C:/train/cat/evil.png", tarfile.REGTYPE, ""),
        ("train\\cat\\evil.png", tarfile.REGTYPE, ""),
        ("train/cat/..", tarfile.DIRTYPE, ""),
    ],
)
def test_an_unsafe_tar_member_is_refused_by_name(tmp_path, name, kind, link):
    path = tmp_path / "a.tar"
    with tarfile.open(path, "w") as archive:
        add_member(archive, "train/cat/0.png", picture())
        add_member(archive, name, kind=kind, link=link)
    message = refusal(read_image_folder, path)
    assert repr(name) in message and message.endswith("refused")
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("name", "mode"), [("../x.png", 0), ("/x.png", 0), ("train/cat/x.png", 0o120777), ("dev", 0o020666)]
)
def test_an_unsafe_zip_member_is_refused_by_name(tmp_path, name, mode):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        member = zipfile.ZipInfo(name)
        member.external_attr = mode << 16
        archive.writestr(member, b"target")
    message = refusal(read_image_folder, path)
    assert repr(name) in message and message.endswith("refused")


def test_a_file_too_large_for_a_picture_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("dmtlib.data.archives.MAX_FILE_BYTES", 100)
    monkeypatch.setattr("dmtlib.data.pictures.MAX_FILE_BYTES", 100)
    for container in ("folder", "a.tar", "a.zip"):
        path = make(two_parts(), tmp_path / container)
        assert "larger than 9.53674e-05 MiB" in (told := refusal(read_image_folder, path)) or "larger than 0" in told


@pytest.mark.parametrize("container", ["a.tar", "a.tar.gz", "a.tar.bz2", "a.tar.xz", "a.zip"])
@pytest.mark.parametrize("kind", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_an_archive_that_is_cut_short_anywhere_is_refused(tmp_path, container, kind, monkeypatch):
    monkeypatch.setattr(tarfile.TarFile, "format", kind)
    files = {name[:-4] + "x" * (101 * (i % 5 == 0)) + ".png": picture(i, (4, 4)) for i, name in enumerate(two_parts())}
    path = make(files, tmp_path / container)
    whole = path.read_bytes()
    images = read_image_folder(path, 4)
    end = len(whole) - 1
    if container == "a.tar":  # one of the two blocks of zeros is enough
        end = -(-len(whole.rstrip(b"\0")) // 512) * 512 + 512
    for length in {*range(0, end, 256), *range(end - 3, end)}:
        path.write_bytes(whole[:length])
        assert refusal(read_image_folder, path, 4).startswith(f"{path}: "), length
    path.write_bytes(whole)
    again = read_image_folder(path, 4)
    assert len(again.train_images) + len(again.test_images) == 12 and again.train_images.equal(images.train_images)


def test_a_changed_byte_in_a_zip_is_noticed(tmp_path):
    path = make(two_parts(), tmp_path / "a.zip")
    content = bytearray(path.read_bytes())
    content[len(content) // 3] ^= 255
    path.write_bytes(content)
    assert refusal(read_image_folder, path).startswith(f"{path}: damaged after ")


def test_what_is_no_archive_is_refused(tmp_path):
    (tmp_path / "notes.txt").write_text("no archive")
    assert "neither a folder nor a readable" in refusal(read_image_folder, tmp_path / "notes.txt")
    assert refusal(read_image_folder, tmp_path / "nowhere") == f"{tmp_path / 'nowhere'}: no such file or folder"


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"readme.txt": b"x"}, "GIF image in class folders; in it: 1 .txt ("),
        ({"a/1.png": picture(), "a/2.png": picture()}, "at least two class folders are needed, found a"),
        ({"a/1.png": picture(), "a/2.png": picture(), "b/1.png": picture()}, "class 'b' needs two images or more"),
        (two_parts() | {"train/cow/1.png": picture()}, "class 'cow' has no test image"),
        (two_parts() | {"test/cow/1.png": picture()}, "'test/cow/1.png' is of a class that no training image has"),
        (two_parts() | {"test/unlabeled/1.png": picture()}, "'test/unlabeled/1.png' is of a class that no training"),
        (two_parts() | {"val/cat/1.png": picture()}, "'val/cat/1.png' is neither train/<class>/<image> nor"),
        (two_parts() | {"train/1.png": picture()}, "'train/1.png' is neither train/<class>/<image> nor"),
        (two_parts() | {"1.png": picture()}, "'1.png' is neither train/<class>/<image> nor"),
    ],
)
@pytest.mark.parametrize("container", ["folder", "a.tar"])
def test_another_layout_is_refused(tmp_path, container, files, message):
    assert message in refusal(read_image_folder, make(files, tmp_path / container))


def test_a_name_that_is_there_twice_is_refused(tmp_path):
    path = tmp_path / "a.tar"
    with tarfile.open(path, "w") as archive:
        for _ in range(2):
            add_member(archive, "train/cat/0.png", picture())
    assert refusal(read_image_folder, path).endswith("'train/cat/0.png' is there twice")


def test_a_side_out_of_range_is_refused(tmp_path):
    assert "side" in refusal(read_image_folder, make(two_parts(), tmp_path / "a.tar"), side=0)


def test_links_inside_a_users_own_folder_are_followed_and_a_circle_ends(tmp_path):
    path = make(two_parts(), tmp_path / "folder")
    (path / "train" / "cow").symlink_to(path / "train" / "cat")
    (path / "test" / "cow").symlink_to(path / "test" / "cat")
    assert read_image_folder(path).classes == ("cat", "cow", "dog")
    (tmp_path / "circle").mkdir()
    (tmp_path / "circle" / "again").symlink_to(tmp_path / "circle")
    assert "GIF image in class folders; in it: 1 leading back (" in refusal(read_image_folder, tmp_path / "circle")


def test_a_control_character_in_a_name_stays_on_one_line(tmp_path):
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        add_member(archive, "../a\nb.png")
    assert r"'../a\nb.png'" in refusal(lambda: list(read_files(tmp_path / "a.tar", (".png",))))
