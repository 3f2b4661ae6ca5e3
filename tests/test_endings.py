"""Commands that are stopped, or meet somebody else's files while they work: one line, and nothing is lost or left."""

import json
import os
import re
import resource
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import torch
from clone import ROOT
from PIL import Image
from prep import load_script
from tiny_runs import run_on_photos

import dmtlib
from book.studies.your_data import make_image_folder
from dmtlib import export, files
from dmtlib.cli import main
from dmtlib.endings import stoppable
from dmtlib.files import whole_file, whole_folder
from dmtlib.prediction import write_masks
from dmtlib.training.metrics_log import written_log
from dmtlib.training.storage import save_tensors

COMMAND = [sys.executable, "-m", "dmtlib"]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """In a folder of its own; and whoever runs the tests may ignore signals, as nohup does."""
    monkeypatch.chdir(tmp_path)
    before = {end: signal.getsignal(end) for end in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    for end in before:
        signal.signal(end, signal.default_int_handler if end == signal.SIGINT else signal.SIG_DFL)
    yield
    for end, handler in before.items():
        signal.signal(end, handler)


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    return make_image_folder(tmp_path_factory.mktemp("photos") / "photos")


@pytest.fixture(scope="module")
def run(photos):
    return run_on_photos(photos, "baseline").path


def test_what_the_package_hands_on_is_what_its_stub_says():
    stub = (ROOT / "dmtlib/__init__.pyi").read_text()
    for name in dmtlib.__all__:
        assert re.search(rf"^from \S+ import .*\b{name}\b", stub, re.M), name
        assert getattr(dmtlib, name) is not None
    listed = stub[stub.index("__all__") :]
    assert re.findall(r'"(\w+)"', listed) == dmtlib.__all__
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = dmtlib.nothing


def test_ctrl_c_while_torch_is_imported_is_a_line():
    slow = "import time; print('here', flush=True); time.sleep(20)"
    Path("torch.py").write_text(slow)  # is found before the real one
    environment = {**ENVIRONMENT, "PYTHONPATH": f"{Path.cwd()}:{ROOT}"}
    child = subprocess.Popen(
        [*COMMAND, "presets"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    )
    assert child.stdout.readline() == "here\n"
    child.send_signal(signal.SIGINT)
    assert child.communicate()[1] == "stopped; nothing was begun\n"
    assert child.returncode == 130


def test_too_little_memory_for_torch_is_a_line():
    def limited():
        resource.setrlimit(resource.RLIMIT_AS, (10**9, 10**9))

    done = subprocess.run([*COMMAND, "presets"], preexec_fn=limited, capture_output=True, text=True, env=ENVIRONMENT)
    assert done.returncode == 2
    assert re.fullmatch(r"error: dmtlib can't be loaded: .+\n", done.stderr), done.stderr


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGHUP])
def test_what_else_stops_a_command_is_taken_for_ctrl_c(end):
    before = signal.getsignal(end)
    with pytest.raises(KeyboardInterrupt), stoppable():
        signal.raise_signal(end)
    assert signal.getsignal(end) == before
    signal.signal(end, signal.SIG_IGN)
    try:
        with stoppable():
            signal.raise_signal(end)  # as under nohup
    finally:
        signal.signal(end, before)


@pytest.mark.parametrize("command", ["check", "predict", "export"])
def test_what_keeps_nothing_does_not_say_that_it_goes_on(command, photos, run, monkeypatch, capsys):
    def stopped(*_, **__):
        raise KeyboardInterrupt

    arguments = {
        "check": ("dmtlib.checking.check", [str(photos)]),
        "predict": ("dmtlib.prediction.load_run", [str(run), str(photos), "--out", "x.csv"]),
        "export": ("dmtlib.export._made", [str(run), "--out", "x.onnx"]),
    }
    monkeypatch.setattr(arguments[command][0], stopped)
    assert main([command, *arguments[command][1]]) == 130
    assert capsys.readouterr().err == "stopped; nothing was written, and the same command starts anew\n"
    assert not [*Path().glob("x*"), *Path().glob(".x*")]


@pytest.mark.parametrize("mine", ["x.onnx", "x.onnx.md"])
def test_what_came_while_a_model_was_exported_stays(mine, run, monkeypatch, capsys):
    made = export._made

    def meanwhile(*arguments):
        Path(mine).write_text("mine")
        return made(*arguments)

    monkeypatch.setattr(export, "_made", meanwhile)
    assert main(["export", str(run), "--format", "torchscript", "--out", "x.onnx"]) == 2
    assert f"{mine}: was made or changed by somebody else meanwhile" in capsys.readouterr().err
    assert Path(mine).read_text() == "mine"
    assert not list(Path().glob(".x*"))


def test_a_model_whose_card_has_no_place_is_not_written(run, capsys):
    name = "n" * 250 + ".pt"  # and the card's name is three longer
    assert main(["export", str(run), "--format", "torchscript", "--out", name]) == 2
    assert capsys.readouterr().err == f"error: {Path(name).absolute()}.md: File name too long\n"
    assert not list(Path().iterdir())


@pytest.mark.parametrize("name", ["n" * 255, "本" * 85])
def test_a_name_may_be_as_long_as_the_file_system_has_it(name):
    with whole_file(Path(name)) as file:
        file.write(b"x")
    assert Path(name).read_bytes() == b"x"
    with pytest.raises(OSError, match="File name too long") as error, whole_file(Path(name + "n")) as file:
        file.write(b"x")
    assert error.value.filename == str(Path.cwd() / f"{name}n")


@pytest.mark.parametrize("out", [".", "/"])
def test_a_folder_is_no_place_for_a_model(out, run, capsys):
    assert main(["export", str(run), "--out", out]) == 2
    assert re.fullmatch(
        r"error: .+(is there already|must be apart from|is where something is mounted).+\n", capsys.readouterr().err
    )


def test_a_mount_point_is_refused_before_the_work(monkeypatch):
    Path("mounted").mkdir()
    monkeypatch.setattr(os.path, "ismount", lambda path: Path(path).name == "mounted")
    with pytest.raises(OSError, match="is where something is mounted"), whole_folder(Path("mounted")):
        raise AssertionError("the work was begun")
    assert files.MADE not in os.listdir("mounted")


def test_weights_that_cannot_be_brought_leave_the_place_to_other_ones(photos, monkeypatch, capsys):
    pytest.importorskip("timm")

    def offline(model, network, *_):
        raise ValueError(f"{network}: its weights cannot be brought")

    monkeypatch.setattr("dmtlib.models.pretrained.load_classifier", offline)
    command = ["train", "folder", "--all-labels", "--data", f"folder@32:{photos}", "--budget", "0.001"]
    assert main([*command, "--network", "timm:resnet10t.c3_in1k"]) == 2
    told = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert told == ["error: timm:resnet10t.c3_in1k: its weights cannot be brought"]
    left = [path.name for path in Path("runs").rglob("*") if path.is_file()]
    assert left == ["lock"]


@pytest.mark.parametrize(
    ("data", "words"),
    [("folder@x:photos", "data must be digits, .*, got 'folder@x:photos'"), ("folder:", "got 'folder:'")],
)
def test_a_side_that_is_no_number_is_told(data, words, capsys):
    assert main(["train", "folder", "--all-labels", "--data", data]) == 2
    assert re.search(words, capsys.readouterr().err)


@pytest.mark.parametrize("kind", ["pipe", "device"])
def test_a_source_with_what_is_no_file_is_refused(kind, tmp_path, monkeypatch, capsys):
    source = tmp_path / "source"
    for folder in ("train", "trainannot", "val", "valannot", "test", "testannot"):
        (source / folder).mkdir(parents=True)
    place = source / "train/x.png"
    os.mkfifo(place) if kind == "pipe" else place.symlink_to("/dev/zero")
    script = load_script("camvid", monkeypatch, {"train": 1, "val": 1, "test": 1})
    assert script.main(["--source", str(source), "--out", str(tmp_path / "out")]) == 2
    told = capsys.readouterr().err
    assert told.endswith("is no regular file, but a pipe or a device\n") and "x.png: cannot be read" in told
    assert not list((tmp_path / "out").iterdir())


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_script_that_is_stopped_leaves_nothing(end, tmp_path, monkeypatch, capsys):
    script = load_script("camvid", monkeypatch, {"train": 1, "val": 1, "test": 1})
    source = tmp_path / "source/train"
    source.mkdir(parents=True)
    Image.new("RGB", (4, 4)).save(source / "x.png")

    def stopped(*_):
        assert [path.name for path in (tmp_path / "out").iterdir()]  # it has begun to write
        signal.raise_signal(end)

    monkeypatch.setattr(script, "decode_rgb", stopped)
    assert script.main(["--source", str(tmp_path / "source"), "--out", str(tmp_path / "out")]) == 130
    assert capsys.readouterr().err.endswith("camvid.py: stopped; nothing was written\n")
    assert not list((tmp_path / "out").iterdir())


def test_ctrl_c_while_a_checkpoint_is_written_is_ctrl_c(monkeypatch):
    """torch.save would make a RuntimeError of its own of it."""
    written, write = [], files._Remembering.write

    def stopped(file, content):
        written.append(1)
        if len(written) == 2:
            raise KeyboardInterrupt
        return write(file, content)

    monkeypatch.setattr(files._Remembering, "write", stopped)
    with pytest.raises(KeyboardInterrupt):
        save_tensors(Path("x.pt"), {"a": torch.zeros(10**6), "b": torch.zeros(10**6)})
    assert not list(Path().iterdir())


@pytest.mark.parametrize("bytes_told", [2, 2**45, 2**70])
def test_of_a_log_of_any_size_no_more_is_read_than_was_written(bytes_told):
    with open("metrics.jsonl", "wb") as file:
        file.write(b"{}")
        file.truncate(60 * 2**30)  # takes no room
    if bytes_told == 2:
        assert written_log(Path("metrics.jsonl"), {"metrics_bytes": 2}) == b"{}"
    else:
        Path("metrics.jsonl").write_bytes(b"{}\n")
        with pytest.warns(UserWarning, match="it was cut"):
            assert written_log(Path("metrics.jsonl"), {"metrics_bytes": bytes_told}) == b"{}\n"


def test_a_command_that_check_proposes_can_be_pasted(photos, capsys):
    place = Path("my photos; touch x")
    shutil.copytree(photos, place)
    assert main(["check", str(place), "--preset", "digits-40"]) == 0
    command = re.search(r"a baseline tells: (.*), then", capsys.readouterr().out)[1]
    assert f"folder:{place}" in shlex.split(command)


def test_an_image_in_a_folder_that_bears_a_mask_s_name_is_told(monkeypatch):
    names = [Path("mix/x.jpg"), Path("mix/x.png/y.png")]
    with pytest.raises(ValueError, match=r"^mix/x\.png/y\.png: the folder that it is in bears the name"):
        write_masks(None, names, Path("mix"), Path("out"))
    assert not Path("out").exists()


@pytest.mark.parametrize("change", ["both", "own"])
def test_a_record_that_belongs_to_no_table_stands_in_none(change, capsys):
    file = Path("results/digits-40/baseline/seed-0.json")
    file.parent.mkdir(parents=True)
    record = json.loads((ROOT / file).read_text())
    if change == "both":
        record["mean_iou"] = 50.0
    else:
        record["config"]["data"] = "folder:x"
    file.write_text(json.dumps(record))
    assert main(["table", "digits"]) == 2
    words = {
        "both": "it has the scores of both kinds of runs",
        "own": "on folder:x: a table has one of the book's sets",
    }
    assert capsys.readouterr().err.strip().endswith(words[change])


def test_a_terminal_that_is_closed_stops_the_runs_of_reproduce():
    command = [*COMMAND, "reproduce", "digits", "--seeds", "0", "--budget", "0.05", "--device", "cpu"]
    parent = subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    log = Path("runs/budget-0.05/digits-40-baseline-seed-0.log")
    deadline = time.monotonic() + 300
    while not (log.exists() and "digits-40" in log.read_text()):
        assert time.monotonic() < deadline and parent.poll() is None
        time.sleep(0.1)
    parent.send_signal(signal.SIGHUP)
    watch = threading.Timer(300, parent.kill)
    watch.start()
    assert parent.communicate()[1].endswith("stopped; the same command goes on from here\n")
    watch.cancel()
    assert parent.returncode == 130
    trainers = subprocess.run(["pgrep", "-f", f"train digits-40.*{log.parent}"], capture_output=True, text=True)
    here = [p for p in trainers.stdout.split() if os.readlink(f"/proc/{p}/cwd") == str(Path.cwd())]
    assert not here
