"""Hostile files and faults, by the names under which they were handed over: each has its one line, and exit code 2.

What a file of tests of its own shows stands in :data:`ELSEWHERE`; the rest is here.
"""

import csv
import gzip
import io
import json
import lzma
import os
import re
import shlex
import shutil
import signal
import struct
import subprocess
import sys
import tarfile
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from clone import ROOT
from PIL import Image
from tiny_scenes import CONFIG, scenes

from book.page.words import as_words
from dmtlib.cli import main
from dmtlib.data.images.packed import FORMAT, PackedImages
from dmtlib.prediction import Classifier
from dmtlib.presets import preset
from dmtlib.training import RunDirectory, RunError, train
from dmtlib.training.directory import is_run_directory
from dmtlib.training.metrics_log import MetricsLog
from dmtlib.training.pixels.batches import workers
from dmtlib.words import printable

ELSEWHERE = {
    "F1": "tests/training/test_storage.py::test_a_healthy_file_is_never_called_damaged",
    "F2": "tests/test_prediction.py::test_no_answer_takes_the_place_of_a_file",
    "F4": "tests/data/images/test_folders.py::test_an_archive_that_is_cut_short_anywhere_is_refused",
    "F6": "tests/data_prep/test_camvid.py::test_nothing_of_the_user_s_is_replaced",
    "F7": "tests/training/test_storage.py::test_a_full_disk_is_one_line_and_the_same_command_goes_on",
    "F8": "tests/test_cli.py::test_what_a_run_wrote_and_is_something_else_now_is_told",
    "F9 images": "tests/training/test_storage.py::test_what_is_proven_damaged_is_set_aside_and_made_again",
    "F12": "tests/test_cli.py::test_an_image_that_is_no_file_is_told",
    "F13": "tests/records/test_store.py::test_a_file_that_is_no_record_is_told",
    "F17": "tests/test_prediction.py::test_what_is_no_finished_run_is_told",
    "F21": "tests/test_cli.py::test_names_that_are_too_long_are_told",
    "F24": "tests/test_cli.py::test_refused_data_leave_nothing_behind",
    "F25 train": "tests/test_cli.py::test_records_without_a_place_are_refused_before_the_training",
    "F25 device": "tests/test_cli.py::test_a_device_that_is_not_there_is_refused_before_any_run",
    "F27": "tests/test_make.py::test_a_budget_that_is_none_is_one_line",
    "F30": "tests/data/images/test_packed.py::test_what_does_not_fit_together_is_not_written",
    "F35": "tests/test_prediction.py::test_weights_that_hold_code_are_not_run",
}


def test_what_is_shown_elsewhere_is_there():
    for place in ELSEWHERE.values():
        file, _, name = place.partition("::")
        assert f"def {name}(" in (ROOT / file).read_text(), place


def png() -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (8, 8, 3), dtype=np.uint8)).save(file, "PNG")
    return file.getvalue()


NAMES = [f"{part}/{label}/{i}.png" for part in ("train", "test") for label in ("cat", "dog") for i in range(2)]


def tar(content: bytes = png()) -> bytes:
    """A whole one."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        for name in NAMES:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return file.getvalue()


def with_header(kind: bytes, size: int, content: int) -> bytes:
    """A whole tar whose second member is a header for another one, of ``size`` bytes as it says."""
    header = tarfile.TarInfo("././@LongLink")
    header.type, header.size = kind, size
    whole = tar()
    return whole[:1024] + header.tobuf(tarfile.GNU_FORMAT) + bytes(content) + whole[1024:]


def with_dictionary(code: int) -> bytes:
    """A .tar.xz of which unpacking takes more memory than its content: 39 asks for 3 GiB."""
    packed = bytearray(lzma.compress(tar()))
    end = 12 + 4 * (packed[12] + 1)
    packed[16] = code
    packed[end - 4 : end] = struct.pack("<I", zlib.crc32(bytes(packed[12 : end - 4])))
    return bytes(packed)


def zipped(
    method: int = zipfile.ZIP_STORED, replace: tuple[bytes, bytes] = (b"", b""), label: str = "c\xe9t"
) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name in NAMES:
            archive.writestr(name.replace("cat", label), png())
    return file.getvalue().replace(*replace) if replace[0] else file.getvalue()


def packed(**changes) -> bytes:
    labels = torch.arange(8) % 2
    images = torch.zeros(8, 3, 8, 8, dtype=torch.uint8)
    stored = PackedImages(("cat", "dog"), images, labels, images.clone(), labels, "here")
    file = io.BytesIO()
    torch.save({"format": FORMAT, "sha256": stored.content_hash()} | vars(stored) | changes, file)
    return file.getvalue()


huge = tarfile.TarInfo("notes.txt")
huge.size = 1 << 40
DATA = {
    "F4 padding": ("a.tar", tar()[:8192], "incomplete after 'test/dog/1.png': the mark of its end is missing"),
    "F4 more": ("a.tar", tar() + tar(), "there is more after the end of the archive: refused"),
    "F4 size": ("a.tar", huge.tobuf() + tar(), "damaged: it ends too early"),
    "F10 name": (
        "a.tar",
        with_header(b"L", 3 << 30, 0),
        "a header in it is larger than 1 MiB: refused|the mark of its end is missing",
    ),
    "F10 pax": ("a.tar.gz", gzip.compress(with_header(b"x", 8 << 20, 8 << 20)), "is larger than 1 MiB: refused"),
    "F10 xz": ("a.tar.xz", with_dictionary(39), "unpacking it takes more than 128 MiB of memory: refused"),
    "F10 zip": ("a.zip", zipped(zipfile.ZIP_LZMA), "is packed in a rare way: only deflate and bzip2 are read"),
    "F10 strides": (
        "a.pt",
        packed(train_images=torch.zeros(1, 1, 1, 1, dtype=torch.uint8).expand(10**6, 3, 99, 99)),
        "damaged, or not a packed data set: its tensors are larger than the file",
    ),
    "B7 twice": ("a.zip", 2 * zipped(), "there is more before or after the zip archive: refused"),
    "B7 before": ("a.zip", b"#!/bin/sh\n" + zipped(), "there is more before or after the zip archive: refused"),
    "B7 after": ("a.zip", zipped() + b"\n", "there is more before or after the zip archive: refused"),
    "B8 absolute": ("a.zip", zipped(replace=(b"train/dog/0.png", b"/etc/dogs/0.png")), "leads outside the archive"),
    "B8 drive": ("a.zip", zipped(replace=(b"train/dog/0.png", b"C:/etcdog/0.png")), "leads outside the archive"),
    "B8 above": ("a.zip", zipped(replace=(b"train/dog/0.png", b"tra/../../0.png")), "leads outside the archive"),
    "E huge name": ("a.zip", zipped(label="c" * 10_000), "has a name of more than 255 characters: shorten it"),
    "E huge name packed": ("a.pt", packed(classes=("cat", "d" * 256)), "different names of up to 255 characters"),
    "F22 zip": (
        "a.zip",
        zipped(replace=("\xe9".encode(), b"\xff\xfe")),
        r"the name b'train/c\\xff\\xfet/0.png' in it is not",
    ),
    "F22 packed": (
        "a.pt",
        packed(train_images=torch.zeros(8, 3, 0, 0, dtype=torch.uint8)),
        "train_images must be one or more and be square",
    ),
    "F30 classes": (
        "a.pt",
        packed(classes=("cat",)),
        "damaged: classes must be a tuple of two or more different names",
    ),
}


@pytest.fixture(autouse=True)
def somewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def refused(capsys, *command: str) -> str:
    before = sorted(Path().rglob("*"))
    assert main([*map(str, command)]) == 2
    told = capsys.readouterr().err
    *summary, told = told.splitlines()  # of data that are somebody's own
    assert told.startswith("error: ") and (not summary or " images to train on" in summary[0]), (summary, told)
    assert sorted(Path().rglob("*")) == before
    return told


@pytest.mark.wrong_shapes
@pytest.mark.parametrize("case", DATA)
def test_data(case, capsys):
    name, content, line = DATA[case]
    Path(name).write_bytes(content)
    kind = "packed" if name.endswith(".pt") else "folder@8"
    told = refused(capsys, "train", "digits-40", "--data", f"{kind}:{name}", "--all-labels", "--device", "cpu")
    assert told.startswith(f"error: {name}: ") and re.search(line, told), told


def test_b7_a_tar_whose_last_file_is_a_zip_is_a_tar(capsys):
    with tarfile.open("a.tar", "w") as archive:
        for name, content in ({name: png() for name in NAMES} | {"train/notes.zip": zipped()}).items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    assert main(["check", "folder@8:a.tar"]) == 0
    assert "left out: 1 .zip ('train/notes.zip')" in capsys.readouterr().out


def test_kind_d_a_jpeg_without_its_end_is_cut(capsys):
    file = io.BytesIO()
    Image.new("RGB", (40, 40)).save(file, "JPEG")
    for name in NAMES:
        Path("a", name).parent.mkdir(parents=True, exist_ok=True)
        Path("a", name).with_suffix(".jpg").write_bytes(file.getvalue())
    Path("a/train/cat/0.jpg").write_bytes(file.getvalue()[:-2])
    assert "'train/cat/0.jpg' is damaged: image file is truncated" in refused(capsys, "check", "a")


def test_kind_d_folders_that_link_to_each_other_end(capsys):
    for name in NAMES:
        Path("a", name).parent.mkdir(parents=True, exist_ok=True)
        Path("a", name).write_bytes(png())
    for label, other in (("cat", "dog"), ("dog", "cat")):
        Path("a/train", label, "more").symlink_to(f"../{other}")
    assert "'train/cat/more/0.png' is neither train/<class>/<image> nor" in refused(capsys, "check", "a")


HUGE = "9" * 5000
LINES = {  # of commands whose arguments can't be
    "train digits-40 --data ''": "data must be digits, .* got ''$",
    "train scenes-small --data ''": "data must be scenes, .* got ''$",
    "check ''": "data must be digits, .* got ''$",
    "check folder:/dev/zero": "/dev/zero: neither a folder nor a readable .tar",
    "check packed:/dev/zero": "/dev/zero: cannot be read: is no regular file, but a pipe or a device$",
    "check packed:.": ".: cannot be read: is no regular file, but a folder$",
    "train scenes-small --data folder:/dev/zero": "/dev/zero: no folder$",
    "train scenes-small --data folder:none": "none: no such file or folder$",
    "predict RUN /dev/zero --out o.csv": "/dev/zero: no file and no folder$",
    "predict RUN 0.png --out /proc/o.csv": "/proc/o.csv: No such file or directory; nothing was written$",
    "predict RUN 0.png --out ''": "a path is needed, got ''$",
    "predict RUN '' --out o.csv": "a path is needed, got ''$",
    "predict '' 0.png --out o.csv": "a path is needed, got ''$",
    "train digits-40 --runs ''": "a path is needed, got ''$",
    "train digits-40 --results ''": "a path is needed, got ''$",
    "reproduce digits --runs ''": "a path is needed, got ''$",
    "reproduce digits --results ''": "a path is needed, got ''$",
    "table digits --results ''": "a path is needed, got ''$",
    "presets --results ''": "a path is needed, got ''$",
    f"train digits-40 --seed {HUGE}": "is no whole number in the digits 0…9, at most 18 of them$",
    f"train digits-40 --budget {HUGE}": r"budget must lie in \(0, 10\], got inf$",
    f"train digits-40 --data folder@{HUGE}:.": "File name too long",
    f"train digits-40 --data folder@{HUGE[:20]}:.": "data must be digits",
    f"reproduce digits --dry-run --seeds 1,{HUGE}": "seeds must be whole numbers with commas between them",
    f"reproduce digits --jobs {HUGE}": "is no whole number in the digits 0…9, at most 18 of them$",
}


@pytest.mark.parametrize("command", LINES, ids=lambda command: command[:40])
def test_arguments_that_can_t_be(command, run, capsys):
    Path("0.png").write_bytes(png())
    told = refused(capsys, *shlex.split(command.replace("RUN", str(run))))
    assert re.search(LINES[command], told) and len(told) < 2100, told


def test_a_tilde_behind_an_equals_sign_is_the_home_folder(run, monkeypatch, capsys):
    monkeypatch.setenv("HOME", str(Path.cwd()))
    Path("0.png").write_bytes(png())
    assert main(["predict", str(run), "~/0.png", "--out=~/there/o.csv", "--device", "cpu"]) == 0
    assert Path("there/o.csv").is_file() and not Path("~").exists()


@pytest.mark.parametrize("name", ["a:b", "a\nb", "a\x1b[2Jb", "folders:b"])
@pytest.mark.parametrize("kind", ["", "folder@8:"])
def test_a_path_may_have_any_letter(name, kind, run, capfd):
    shutil.copytree(run.parents[3] / "photos", name)
    assert main(["check", f"{kind}{name}"]) == 0
    assert capfd.readouterr().out.startswith(f"{printable(name)}: 4 images to train on")


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ({"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "1"}, r"p\\xe9: 4 images to train on"),
        ({"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}, "is not ascii, .*: set PYTHONUTF8=1"),
    ],
)
def test_letters_that_a_terminal_does_not_have(setting, words, run):
    shutil.copytree(run.parents[3] / "photos", "p\xe9")
    command = [sys.executable, "-m", "dmtlib", "check", "p\xe9".encode()]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **setting}
    done = subprocess.run(command, capture_output=True, env=environment)
    assert re.search(words, (done.stdout + done.stderr).decode("ascii")), done
    assert b"Traceback" not in done.stderr


def test_a_working_directory_that_is_gone_is_told():
    Path("gone").mkdir()
    command = f"cd gone && rmdir ../gone && PYTHONPATH={ROOT} {sys.executable} -m dmtlib presets"
    done = subprocess.run(command, shell=True, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (2, "error: the working directory is gone: change to another one\n")


@pytest.mark.parametrize("jobs", ["0", "-1", "two", ""])
def test_a_number_of_runs_that_is_none_is_told(jobs, monkeypatch):
    monkeypatch.setenv("DMT_JOBS", jobs)
    with pytest.raises(ValueError, match=f"^DMT_JOBS must be a whole number, 1 or more, got '{jobs}'$"):
        workers()


def test_b6_files_of_another_seed_are_not_taken_for_this_one_s(tmp_path, capsys):
    """Refused by name, and left where they are."""
    runs = [preset("digits-40", "cl", seed=seed, budget=0.002) for seed in (0, 1)]
    for config in runs:
        train(config, runs=tmp_path, device="cpu", progress=False)
    here, there = (RunDirectory.of(config, tmp_path).path for config in runs)
    for name, gone in (("pseudo-labels-5.pt", ["phase-5.pt"]), ("phase-5.pt", []), ("phase-4.pt", ["phase-5.pt"])):
        shutil.copytree(here, whole := tmp_path / "whole")
        for file in ("result.json", *gone):
            (here / file).unlink()
        shutil.copy(there / name, here)
        with pytest.raises(RunError, match=f"{name} is another run's, .*: move it away"):
            train(runs[0], runs=tmp_path, device="cpu", progress=False)
        assert (here / name).read_bytes() == (there / name).read_bytes()
        shutil.rmtree(here)
        whole.rename(here)
    Path("0.png").write_bytes(png())
    predict = ["predict", str(here), "0.png", "--out", "o.csv", "--device", "cpu"]
    shutil.copy(there / "result.json", here)
    assert "result.json is not what the run's phases say (phases differ)" in refused(capsys, *predict)
    shutil.copy(there / "phase-5.pt", here)
    assert "phase-5.pt is another run's" in refused(capsys, *predict)


def test_b6_pseudo_labels_of_pixels_of_another_seed(pixels, tmp_path):
    other = SHORT.__class__(**{**vars(SHORT), "seed": 1})
    train(other, runs=tmp_path, device="cpu", progress=False, data=scenes())
    shutil.copytree(pixels, tmp_path, dirs_exist_ok=True)
    here, there = (RunDirectory.of(config, tmp_path).path for config in (SHORT, other))
    (here / "result.json").unlink()
    (here / "phase-1.pt").unlink()
    shutil.rmtree(here / "pseudo-labels-1-A")
    shutil.copytree(there / "pseudo-labels-1-A", here / "pseudo-labels-1-A")
    with pytest.raises(RunError, match="pseudo-labels-1-A is another run's"):
        train(SHORT, runs=tmp_path, device="cpu", progress=False, data=scenes())


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (Path.symlink_to, "is a link: move it away"),
        (Path.hardlink_to, "is a link: move it away"),
        (lambda lock, thesis: shutil.copy(thesis, lock), "is there, and is no lock"),
    ],
)
def test_a_lock_that_is_somebody_s_file_is_left_alone(make, told, run, capsys):
    command, folder = again(run), Path("runs/digits-40/baseline/seed-0")
    Path("thesis").write_text("of three years\n")
    (folder / "lock").unlink(missing_ok=True)
    make(folder / "lock", Path("thesis").resolve())
    assert main(command) == 2
    assert f"{folder / 'lock'}: {told}" in capsys.readouterr().err
    assert Path("thesis").read_text() == (folder / "lock").read_text() == "of three years\n"


def test_a_phase_without_its_score_is_no_record(run, capsys):
    command, file = again(run), Path("runs/digits-40/baseline/seed-0/result.json")
    record = json.loads(file.read_text())
    for name in ("test_accuracy", "steps"):
        phase = {key: value for key, value in record["phases"][0].items() if key != name}
        for phases in ([phase], [phase, *record["phases"]], [{**phase, name: None}]):
            file.write_text(json.dumps(record | {"phases": phases}))
            assert "is no run record: phases is [{" in refused(capsys, *command)


@pytest.mark.parametrize(
    ("options", "line"),
    [("--data x", "data must be digits"), ("--results file", "file cannot be a folder of records: .* is a file")],
)
def test_f25_a_list_of_commands_that_cannot_work_is_refused(options, line, capsys):
    Path("file").touch()
    assert re.search(line, refused(capsys, "reproduce", "digits", "--dry-run", *options.split()))


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    """A finished run on two classes; one is named as a formula is."""
    folder = tmp_path_factory.mktemp("run")
    for name in NAMES:
        file = folder / "photos" / name.replace("cat", "=1+1")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(png())
    command = ["train", "digits-40", "--method", "baseline", "--budget", "0.002", "--device", "cpu", "--all-labels"]
    assert main([*command, "--data", f"folder@8:{folder / 'photos'}", "--runs", str(folder / "runs")]) == 0
    return folder / "runs/digits-40/baseline/seed-0"


def again(run: Path) -> list[str]:
    """The command that made a copy of ``run``."""
    settings = json.loads((run / "config.json").read_text())
    shutil.copytree(run, "runs/digits-40/baseline/seed-0")
    command = "train digits-40 --method baseline --budget 0.002 --device cpu --all-labels --data"
    return [*command.split(), settings["data"]]


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("metrics.jsonl", os.mkdir),
        ("tensorboard", lambda path: Path(path).touch()),
        ("phase-0.pt", os.mkdir),
        ("checkpoint.pt", os.mkdir),
    ],
)
def test_f28_what_stands_in_the_way_is_named(name, make, run, capsys):
    command, folder = again(run), Path("runs/digits-40/baseline/seed-0")
    (folder / "result.json").unlink()
    (folder / "phase-0.pt").unlink()
    for file in (folder / name,):
        shutil.rmtree(file) if file.is_dir() else file.unlink(missing_ok=True)
    make(folder / name)
    assert main(command) == 2
    told = capsys.readouterr().err
    assert [line for line in told.splitlines() if "error: " in line][-1].startswith(f"error: {folder / name}: "), told
    assert "Traceback" not in told


def test_sigterm_stops_a_run_and_the_same_command_goes_on(run, capsys, monkeypatch):
    """To the same phases and the same log."""
    command, folder = again(run), Path("runs/digits-40/baseline/seed-0")
    shutil.rmtree(folder)
    append, left = MetricsLog.append, [0, 1]

    def stopping(log, step, line):
        append(log, step, line)
        if left and not left.pop(0):
            signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(MetricsLog, "append", stopping)
    monkeypatch.setattr("dmtlib.training.loop.CHECKPOINT_SECONDS", 0.0)
    assert main(command) == 130
    assert capsys.readouterr().err.endswith("stopped; the same command goes on from here\n")
    assert main(command) == 0
    for name in ("result.json", "metrics.jsonl"):
        there, whole = ((place / name).read_text() for place in (folder, run))
        if name == "result.json":
            there, whole = (json.loads(text)["phases"] for text in (there, whole))
        assert there == whole
    assert "metrics.jsonl" not in capsys.readouterr().err


NO_FILES = {
    "folder": (os.mkdir, "is no regular file, but a folder"),
    "pipe": (os.mkfifo, "is no regular file, but a pipe or a device"),
    "itself": (lambda path: path.symlink_to(path.name), "is a link that leads nowhere: move it away"),
    "nothing": (lambda path: path.symlink_to("nowhere"), "is a link that leads nowhere: move it away"),
}


@pytest.mark.parametrize("kind", NO_FILES)
@pytest.mark.parametrize("finished", [True, False])
def test_what_is_no_file_in_a_run_directory_is_told_and_stays(kind, finished, run, capsys):
    make, words = NO_FILES[kind]
    folder, command = Path("runs/digits-40/baseline/seed-0"), again(run)
    Path("0.png").write_bytes(png())
    predict = ["predict", str(folder), "0.png", "--out", "out.csv", "--device", "cpu"]
    names = [
        "config.json",
        "split.json",
        "phase-0.pt",
        "metrics.jsonl",
        "result.json" if finished else "checkpoint.pt",
    ]
    for name in names:
        shutil.rmtree("runs")
        shutil.copytree(run, folder)
        (folder / "lock").touch()  # as there is in a run's own
        for file in (name, *(() if finished else ("result.json", "phase-0.pt"))):
            (folder / file).unlink(missing_ok=True)
        make(folder / name)
        assert is_run_directory(folder)  # nobody's answers go there
        read_by_predict = finished and name in ("phase-0.pt", "result.json")
        for line in (command, predict) if read_by_predict else (command,):
            before = sorted(folder.iterdir())
            assert main(line) == 2, (name, line)
            (told,) = [text for text in capsys.readouterr().err.splitlines() if text.startswith("error: ")]
            assert f"{folder / name}" in told and words in told, told
            assert sorted(folder.iterdir()) == before or not (finished or name.endswith("json"))  # TensorBoard's


def test_a_log_that_is_a_folder_of_curves_no_more_is_told(run, capsys):
    command, folder = again(run), Path("runs/digits-40/baseline/seed-0")
    for name in ("result.json", "phase-0.pt"):
        (folder / name).unlink()
    shutil.rmtree(folder / "tensorboard")
    (folder / "tensorboard").symlink_to("nowhere")
    assert main(command) == 2
    assert f"{folder / 'tensorboard'}: is a link: move it away" in capsys.readouterr().err


def linked(path: Path) -> None:
    path.symlink_to("../../../../thesis")


def hard_linked(path: Path) -> None:
    path.hardlink_to("thesis")


@pytest.mark.parametrize("link", [linked, hard_linked])
def test_a_log_that_leads_to_somebody_s_file_leaves_it_alone(link, run, capsys):
    command, folder = again(run), Path("runs/digits-40/baseline/seed-0")
    Path("thesis").write_text("of three years\n")
    for name in ("result.json", "phase-0.pt", "metrics.jsonl"):
        (folder / name).unlink()
    link(folder / "metrics.jsonl")
    assert main(command) == 2
    assert f"{folder / 'metrics.jsonl'}: is a link: move it away" in capsys.readouterr().err
    assert Path("thesis").read_text() == "of three years\n"


def test_a_log_of_reproduce_that_leads_to_somebody_s_file_leaves_it_alone(capsys):
    Path("thesis").write_text("of three years\n")
    Path("runs/budget-0.002").mkdir(parents=True)
    Path("runs/budget-0.002/digits-40-baseline-seed-0.log").symlink_to("../../thesis")
    command = "reproduce digits --seeds 0 --budget 0.002 --device cpu"
    assert main(command.split()) == 2
    assert "digits-40-baseline-seed-0.log: is a link" in capsys.readouterr().err
    assert Path("thesis").read_text() == "of three years\n"


def test_a_folder_that_is_refused_keeps_all_its_files(run, capsys):
    settings = json.loads((run / "config.json").read_text())
    folder = Path("runs/digits-40/baseline/seed-0")
    folder.mkdir(parents=True)
    for name in (".notes.json.tmp", "mine.txt"):
        (folder / name).write_text("mine")
    command = "train digits-40 --method baseline --budget 0.002 --device cpu --all-labels --data"
    assert main([*command.split(), settings["data"]]) == 2
    assert {".notes.json.tmp", "mine.txt"} <= {file.name for file in folder.iterdir()}


def test_a_record_on_other_images_is_not_replaced(run, capsys):
    command = [*again(run), "--results", "results"]
    assert main(command) == 0
    (file,) = Path("results").rglob("seed-0.json")
    other = json.loads(file.read_text()) | {"split_sha256": "0" * 64}
    file.write_text(json.dumps(other))
    assert main(command) == 2
    assert "is a record on other images or labels; choose another --results" in capsys.readouterr().err
    assert json.loads(file.read_text()) == other
    other["config"]["num_labels"] = 40
    file.write_text(json.dumps(other))
    assert main([*command, "--skip-recorded"]) == 2
    assert "seed-0.json has another num_labels; choose another --results" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["a\r=1+1.png", "\n=1+1.png", "＝1+1.png"])
def test_no_name_becomes_a_formula_or_a_line(name, run, capsys):
    Path("photos").mkdir()
    Path("photos", name).write_bytes(png())
    assert main(["predict", str(run), "photos", "--out", "o.csv", "--device", "cpu"]) == 0
    with open("o.csv", newline="") as file:
        _, (told, *_) = csv.reader(file)
    assert told.removeprefix("'") == name and (told == name) == name.startswith("a")


def test_a_table_that_came_meanwhile_is_left_alone(run, monkeypatch, capsys):
    Path("photos").mkdir()
    Path("photos/a.png").write_bytes(png())
    read = Classifier.read

    def meanwhile(model, file):
        Path("o.csv").write_text("of three years")
        return read(model, file)

    monkeypatch.setattr(Classifier, "read", meanwhile)
    assert main(["predict", str(run), "photos", "--out", "o.csv", "--device", "cpu"]) == 2
    assert "o.csv: was made or changed by somebody else meanwhile" in capsys.readouterr().err
    assert Path("o.csv").read_text() == "of three years" and len(list(Path().glob(".o.csv*"))) == 0


def test_the_home_of_nobody_is_told(capsys):
    assert main(["check", "~nobodyx/photos"]) == 2
    assert capsys.readouterr().err == "error: Could not determine home directory.\n"


def test_seconds_that_can_t_be_are_no_record(run, capsys):
    command, file = again(run), Path("runs/digits-40/baseline/seed-0/result.json")
    for change in (
        {"seconds": 0},
        {"seconds": -5},
        {"seconds": 1e300},
        {"test_accuracy": 150.0},
        {"fine_grained_accuracy": -5e300},
    ):
        file.write_text(json.dumps(json.loads((run / "result.json").read_text()) | change))
        assert main(command) == 2
        assert "can't be" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda lines: lines[:-1], r"metrics\.jsonl lacks lines of the steps before"),
        (lambda lines: [lines[0].replace("1", "2", 1), *lines[1:]], r"metrics\.jsonl was changed"),
    ],
)
def test_kind_8_a_finished_run_tells_of_its_log(spoil, words, run, capsys):
    command, file = again(run), Path("runs/digits-40/baseline/seed-0/metrics.jsonl")
    whole = file.read_text()
    assert main(command) == 0 and "metrics.jsonl" not in capsys.readouterr().err
    file.write_text("".join(spoil(whole.splitlines(keepends=True))))
    assert file.read_text() != whole
    assert main(command) == 0
    assert re.search(words, capsys.readouterr().err)


def test_f28_an_older_version_s_temporary_folder_is_removed(run, capsys):
    command, folder = again(run), Path("runs/digits-40/baseline/seed-0")
    (folder / ".phase-0.pt.tmp").mkdir()
    assert main(command) == 0 and not (folder / ".phase-0.pt.tmp").exists()


def test_f22_weights_that_are_no_numbers_are_damaged(run, capsys):
    again(run)
    file = Path("runs/digits-40/baseline/seed-0/phase-0.pt")
    state = torch.load(file)
    state["model"]["classifier.weight"][0, 0] = float("nan")
    torch.save(state, file)
    Path("0.png").write_bytes(png())
    told = refused(capsys, "predict", str(file.parent), "0.png", "--out", "out.csv")
    assert f"{file} is damaged (it holds numbers that are not finite)" in told


def test_f33_what_begins_like_a_formula_is_a_word(run, capsys):
    shutil.copytree(ROOT / "tests/helpers", "in", ignore=lambda folder, names: names)
    for name in ("=cmd|calc.png", "-1.png", "a=.png"):
        (Path("in") / name).write_bytes(png())
    assert main(["predict", str(run), "in", "--out", "out.csv", "--device", "cpu"]) == 0
    rows = [line.split(",") for line in Path("out.csv").read_text().splitlines()[1:]]
    assert [row[0] for row in rows] == ["'-1.png", "'=cmd|calc.png", "a=.png"]
    assert {row[1] for row in rows} <= {"'=1+1", "dog"}


def test_f20_words_of_others_are_shown_as_they_are():
    assert as_words("cuda (<script>`x` *b* [a](b) $1$\n\x1b[2J") == (
        r"cuda (\<script\>\`x\` \*b\* \[a\](b) \$1\$ " + r"\\x1b\[2J"
    )
    assert printable("a\x1b[31m\r\nb\u202e\udcff é 日 \u202f") == "a\\x1b[31m\\r\\nb\\u202e\\udcff é 日 \u202f"


def test_f20_a_record_cannot_command_the_terminal(run, capsys):
    record = json.loads((run / "result.json").read_text())
    record["config"]["budget"], record["config"]["data"], record["device"] = 1.0, "digits", "cpu \x1b[2J"
    file = Path("records/digits-40/baseline/seed-0.json")
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps(record))
    for command in ("presets", "table digits", "table cost"):
        assert main([*command.split(), "--results", "records"]) == 0
        assert "\x1b[2J" not in capsys.readouterr().out
    assert main(["train", "\x1b[2J"]) == 2
    assert "\x1b" not in capsys.readouterr().err


def test_a_changed_record_is_refused(run, capsys):
    command, file = again(run), Path("runs/digits-40/baseline/seed-0/result.json")
    record = json.loads(file.read_text())
    record["phases"][0]["test_accuracy"] = record["test_accuracy"] = record["test_accuracy"] + 1
    file.write_text(json.dumps(record))
    told = refused(capsys, *command)
    assert f"{file} is not what the run's phases say (test_accuracy, phases differ); delete it" in told
    record["phases"][0]["test_accuracy"] -= 1
    file.write_text(json.dumps(record))
    assert "is no run record: test_accuracy is not that of its last phase" in refused(capsys, *command)


def test_numbers_that_are_not_finite_are_not_stored(capsys):
    """A learning rate that is far too large."""
    data = scenes()
    with pytest.raises(
        Exception, match=r"is not written: its numbers are not finite; a smaller learning rate"
    ) as told:
        train(
            CONFIG.__class__(**{**vars(CONFIG), "method": "baseline", "supervised_learning_rate": 1e30}),
            runs="runs",
            device="cpu",
            progress=False,
            data=data,
        )
    assert "\n" not in str(told.value) and not list(Path("runs").rglob("*.pt"))


DAMAGE_OF_PIXELS = {
    "a list": lambda state: [1],
    "nothing": lambda state: {},
    "shapes": lambda state: state | {"models": {m: {"a": torch.ones(1)} for m in "AB"}},
    "no model": lambda state: state | {"models": {}},
    "records": lambda state: state | {"records": [{}]},
}


@pytest.mark.parametrize("damage", DAMAGE_OF_PIXELS)
def test_f9_a_phase_of_pixels_that_is_something_else_is_made_again(damage, pixels, tmp_path):
    shutil.copytree(pixels, tmp_path, dirs_exist_ok=True)
    config, data = SHORT, scenes()
    folder = RunDirectory.of(config, tmp_path)
    before = folder.record
    file = folder.path / "phase-1.pt"
    torch.save(DAMAGE_OF_PIXELS[damage](torch.load(file)), file)
    with pytest.warns(UserWarning, match=r"phase-1\.pt is damaged .* set aside as phase-1\.pt\.damaged-1"):
        record = train(config, runs=tmp_path, device="cpu", progress=False, data=data)
    assert record["phases"] == before["phases"]


@pytest.mark.parametrize("state", ["a step too far", {"model": {}}])
def test_f9_a_checkpoint_of_pixels_that_is_something_else_is_set_aside(state, pixels, tmp_path):
    shutil.copytree(pixels, tmp_path, dirs_exist_ok=True)
    folder = RunDirectory.of(SHORT, tmp_path)
    before, last = folder.record, torch.load(folder.path / "phase-0.pt")
    (folder.path / "result.json").unlink()
    (folder.path / "phase-1.pt").unlink()
    place = {name: last[name] for name in ("metrics_bytes", "seconds")}
    torch.save({"phase": 1, "done": {}, "state": state, **place}, folder.path / "checkpoint.pt")
    with pytest.warns(UserWarning, match=r"checkpoint\.pt is damaged \(it does not fit this run\); set aside"):
        record = train(SHORT, runs=tmp_path, device="cpu", progress=False, data=scenes())
    assert record["phases"] == before["phases"]


SHORT = CONFIG.__class__(**{**vars(CONFIG), "method": "dst", "alphas": (1.0,), "phase_steps": 2, "baseline_steps": 2})


@pytest.fixture(scope="module")
def pixels(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("pixels")
    train(SHORT, runs=folder, device="cpu", progress=False, data=scenes())
    return folder


def exchange_labels(folder: Path, lines: list[bytes]) -> list[bytes]:
    file = folder / "pseudo-labels-5.pt"
    state = torch.load(file)
    torch.save(state | {"labels": (state["labels"] + 1) % 10}, file)
    return lines


def cut_log(folder: Path, lines: list[bytes]) -> list[bytes]:
    (folder / "metrics.jsonl").write_bytes(b"".join(lines[:2])[:-5])
    return [lines[0], *lines[-1:]]


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (exchange_labels, r"pseudo-labels-5\.pt is damaged"),
        (cut_log, r"metrics\.jsonl lacks lines of the steps before"),
    ],
)
def test_kind_8_what_is_stored_is_checked(spoil, words, tmp_path):
    """And the last phase, made again, is the one that it was; the log keeps what is whole of it."""
    config = preset("digits-40", "cl", budget=0.002)
    before = train(config, runs=tmp_path, device="cpu", progress=False)["phases"]
    folder = RunDirectory.of(config, tmp_path).path
    for name in ("result.json", "phase-5.pt"):
        (folder / name).unlink()
    kept = spoil(folder, (folder / "metrics.jsonl").read_bytes().splitlines(keepends=True))
    with pytest.warns(UserWarning, match=words):
        assert train(config, runs=tmp_path, device="cpu", progress=False)["phases"] == before
    assert (folder / "metrics.jsonl").read_bytes() == b"".join(kept)
