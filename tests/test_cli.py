import dataclasses
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import get_type_hints

import pytest
from PIL import Image
from typer.models import OptionInfo

import dmtlib
from dmtlib import cli
from dmtlib.cli import main
from dmtlib.presets import PRESETS, SEGMENTATION_PRESETS, preset
from dmtlib.records.store import record_path, write_record
from dmtlib.training import train

ROOT = Path(__file__).resolve().parents[1]
TRAIN = ["train", "digits-40", "--budget", "0.005", "--device", "cpu"]


@pytest.fixture(autouse=True)
def somewhere_else(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("train mnist", "preset must be one of digits-40, digits-10, digits-20, digits-80, cifar10-small"),
        ("train digits-40 --method sgd", "method must be one of baseline, online-st, cbst"),
        ("train digits-40 --seed -1", "seed must lie in"),
        ("train digits-40 --seed one", "Invalid value for '--seed': 'one' is no whole number"),
        ("train digits-40 --seed ８", "Invalid value for '--seed': '８' is no whole number in the digits 0…9"),
        ("train digits-40 --budget 1_0", "Invalid value for '--budget': '1_0' is no number in the digits 0…9"),
        ("reproduce digits --dry-run --seeds ８", "seeds must be whole numbers with commas between them, got '８'"),
        ("train digits-10-gamma-８", "preset must be one of digits-40"),
        ("check zzz", "got 'zzz'; here is no folder or file of that name"),
        ("train digits-40 --budget 0", "budget must lie in (0, 10]"),
        ("train digits-40 --budget nan", "budget must lie in (0, 10]"),
        ("train digits-40 --budget much", "Invalid value for '--budget'"),
        ("train digits-40 --device tpu", "device must be one of auto, cuda, mps, cpu"),
        ("train digits-40 --runs /dev/null", "cannot use /dev/null/digits-40/dmt/seed-0 as a run directory"),
        ("train digits-40 --speed 3", "No such option: --speed"),
        ("train digits-40 --variant authors", "variant of digits-40 must be one of paper, got 'authors'"),
        ("train cifar10-4000 --variant mine", "variant of cifar10-4000 must be one of paper, authors, got 'mine'"),
        ("train cifar10-4000 --variant", "Option '--variant' requires an argument"),
        (
            "train cifar10-4000-author",
            "preset must be one of digits-40, digits-10, digits-20, digits-80, cifar10-small",
        ),
        ("train digits-40 --skip-recorded", "--skip-recorded needs --results"),
        ("train", "Missing argument 'PRESET'"),
        ("predict", "Missing argument 'RUN'"),
        ("predict runs/digits-40/dmt/seed-0 scans", "Missing option '--out'"),
        ("predict runs/digits-40/dmt/seed-0 scans --out a.csv", "seed-0 is no run directory: there is no config.json"),
        ("predict . . --out a.csv --device tpu", "device must be one of auto, cuda, mps, cpu"),
        ("table cityscapes", "table must be one of digits"),
        ("table digits --results nowhere", "nowhere is no folder of records"),
        ("paint", "No such command 'paint'"),
        ("--speed", "No such option: --speed"),
        ("", "Missing command"),
    ],
)
def test_what_is_wrong_is_told_in_one_line(command, words, capsys):
    assert main(command.split()) == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.count("\n") == 1 and output.err.startswith("error: ") and words in output.err
    assert not list(Path().iterdir())


def test_errors_leave_the_process_with_2_and_no_traceback():
    command = [sys.executable, "-m", "dmtlib", "train", "mnist"]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert done.returncode == 2
    assert done.stdout == "" and done.stderr.count("\n") == 1


def test_train_names_the_accuracy_and_the_record_last(capsys):
    assert main([*TRAIN, "--method", "baseline"]) == 0
    last = capsys.readouterr().out.splitlines()[-1]
    file = Path("runs/digits-40/baseline/seed-0/result.json")
    assert f"test accuracy {json.loads(file.read_text())['test_accuracy']:.2f}%" in last
    assert last.endswith(str(file))
    assert main([*TRAIN, "--method", "baseline"]) == 0
    assert "was finished before" in capsys.readouterr().out
    assert main([*TRAIN[:3], "0.01", *TRAIN[4:], "--method", "baseline"]) == 2
    assert "budget is 0.005 there and 0.01 now" in capsys.readouterr().err


def test_a_run_on_any_data_begins_with_a_summary(capsys):
    assert main([*TRAIN, "--method", "baseline"]) == 0
    summary = capsys.readouterr().err.splitlines()[:3]
    assert summary[0].startswith(
        "digits: 1,297 images to train on, 1,297 of them with a label; 500 to test on, of 8×8"
    )
    assert summary[1].startswith("  10 classes: 0 128, ") and summary[2] == "  digits-40: 40 labels, 1,257 unlabeled"


def test_a_folder_that_cannot_be_written_is_told(capsys):
    Path("runs").write_text("a file")
    assert main(TRAIN) == 2
    assert "cannot use runs/digits-40/dmt/seed-0" in capsys.readouterr().err


def test_a_record_is_not_made_twice_and_not_overwritten_by_other_data(capsys):
    command = [*TRAIN, "--method", "baseline", "--results", "records"]
    assert main(command) == 0
    file = Path("records/digits-40-budget-0.005/baseline/seed-0.json")
    record = file.read_text()
    assert capsys.readouterr().out.endswith(f"record {file}\n")
    shutil.rmtree("runs")
    assert main([*command, "--skip-recorded"]) == 0
    assert capsys.readouterr().out == f"digits-40 baseline seed 0: recorded before in {file}\n"
    assert main([*command, "--data", "folder:mine"]) == 2
    assert f"{file} is a record on digits, not on folder:mine; choose another --results" in capsys.readouterr().err
    assert file.read_text() == record and not Path("runs").exists()


def told(command, capsys) -> str:
    """What a command prints, as it stands in a pipe: some CI asks for colours."""
    assert main(shlex.split(command)) == 0
    return re.sub(r"\x1b\[[\d;]*m", "", capsys.readouterr().out)


# What --help says, in panels, and what the shell completes


def panels(text: str) -> dict[str, list[str]]:
    """The options of each panel of a help text."""
    boxes = re.findall(r"^╭─ (.+?) ─*╮\n(.*?)^╰", text, re.MULTILINE | re.DOTALL)
    return {title: re.findall(r"^│ [* ]*(--[\w-]+)", box, re.MULTILINE) for title, box in boxes}


def test_no_option_has_its_name_from_typer_where_its_value_is_called_the_same():
    """Typer 0.27 took --DATA from such a metavar."""
    options = [
        (name, option)
        for command in cli.app.registered_commands
        for name, kind in get_type_hints(command.callback, include_extras=True).items()
        for option in getattr(kind, "__metadata__", ())
        if isinstance(option, OptionInfo)
    ]
    # In an annotation the first of the given names stands where a default would.
    alike = {(name, option.default) for name, option in options if option.metavar == name.upper()}
    assert len(options) > 20 and alike == {("data", "--data"), ("name", "--preset")}


@pytest.mark.parametrize(
    ("command", "options"),
    [
        (
            "train",
            {
                "Options": "help",
                "What to train": "method variant seed budget network views start",
                "Data": "data all-labels",
                "Where": "runs device results skip-recorded",
            },
        ),
        (
            "reproduce",
            {
                "Options": "help",
                "What to train": "seeds budget data variant",
                "How": "jobs tidy dry-run",
                "Where": "runs device results",
                "On a cluster": "cluster gpus-per-run",
            },
        ),
        ("predict", {"Options": "help", "Where": "out device", "How": "skip-unreadable both"}),
        ("export", {"Options": "help", "Where": "out", "How": "format"}),
        ("check", {"Options": "help", "What to train": "preset", "Where": "runs"}),
        ("presets", {"Options": "results help"}),
        ("table", {"Options": "results help"}),
    ],
)
def test_help_has_panels_that_fit(command, options, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    text = told(f"{command} --help", capsys)
    found = panels(text)
    found.pop("Arguments", None)
    assert found == {title: [f"--{name}" for name in names.split()] for title, names in options.items()}
    assert f" Usage: dmtlib {command} " in text
    assert max(map(len, text.splitlines())) <= 80


def test_help_lists_the_commands(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    text = told("--help", capsys)
    assert {"--version", "--install-completion", "--help"} <= set(panels(text)["Options"])
    commands = re.findall(r"^│ ([a-z]+)  ", text, re.MULTILINE)
    assert commands == ["check", "train", "predict", "export", "reproduce", "presets", "table"]


@pytest.mark.parametrize(("commit", "words"), [("0a1b2c+changes", " (0a1b2c+changes)"), (None, "")])
def test_the_version_and_in_a_clone_its_commit(commit, words, capsys, monkeypatch):
    monkeypatch.setattr("dmtlib.training.provenance.commit", lambda: commit)
    assert told("--version", capsys) == f"dmtlib {dmtlib.__version__}{words}\n"


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("train voc-1", "voc-106 voc-1464 voc-106-authors voc-1464-authors"),
        ("train digits-40 --method c", "cbst cl"),
        ("train scenes --method c", "cbst"),
        ("train --method c", "cbst cl"),
        ("train cifar10-4000 --variant ", "paper authors"),
        ("train digits-40 --device c", "cuda cpu"),
        ("predict runs/a scans --device m", "mps"),
        ("reproduce table-2 table-", "table-2 table-3 table-4 table-5 table-6 table-7"),
        ("reproduce camvid", "camvid camvid-small"),
        ("table c", "cifar10-small camvid"),
        ("re", "reproduce"),
    ],
)
def test_the_shell_completes(line, words, capsys, monkeypatch):
    monkeypatch.setenv("_DMTLIB_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", f"dmtlib {line}")
    monkeypatch.setenv("COMP_CWORD", str(len(line.split(" "))))
    with pytest.raises(SystemExit) as end:
        main([])
    assert end.value.code == 0
    assert capsys.readouterr().out.split() == words.split()


# The lists


def test_presets_where_nothing_is_known_of_runs(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    text = told("presets", capsys)
    header, *rows = text.partition("\n\n")[0].splitlines()
    assert re.split(r" {2,}", header.strip()) == ["preset", "data", "labels", "a run costs"]
    assert [row.split()[0] for row in rows] == list(PRESETS | SEGMENTATION_PRESETS)
    assert re.split(r" {2,}", rows[0].strip()) == ["digits-40", "digits", "40", "614,400 images"]
    assert "there is no folder results here" in text and "not run" not in text
    assert "dmt-flip" in text and "on pixels all but cl, dmt-pair" in text and "variants: paper, authors" in text
    assert max(map(len, text.splitlines())) <= 80
    assert not list(Path().iterdir())


def test_presets_say_what_is_recorded_and_what_it_cost(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    for method, seed, budget, data, seconds, device in (
        ("dmt", 0, 1.0, "digits", 1500.4, "cpu (Z80, 2 threads)"),
        ("dmt", 1, 1.0, "digits", 20.4, "cpu (Z80, 2 threads)"),
        ("dst", 0, 1.0, "digits", 3.0, "cuda (Voodoo)"),
        ("dst", 1, 1.0, "folder:mine", 1.0, "cuda (Voodoo)"),
        ("baseline", 1, 0.1, "digits", 1.0, "cuda (Voodoo)"),
    ):
        made = {"preset": "digits-40", "method": method, "seed": seed, "test_accuracy": 90.0}
        made |= {"config": {"budget": budget, "data": data}, "seconds": seconds, "device": device}
        write_record(record_path(Path("records"), made), made)
    text = told("presets --results records", capsys)
    header, first, second, other = text.splitlines()[:4]
    assert re.split(r" {2,}", header.strip())[-1] == "recorded seeds"
    assert re.split(r" {2,}", first.strip()) == ["digits-40", "digits", "40", "20–1,500 s cpu", "2: dmt"]
    assert re.split(r" {2,}", second.strip()) == ["3 s cuda", "1: dst"]
    assert other.startswith("digits-10") and other.split()[-3:] == ["images", "not", "run"]
    assert "on cpu (Z80, 2 threads); cuda (Voodoo)" in text
    Path("records/digits-40/dmt/seed-0.json").write_text("{}")
    assert main(["presets", "--results", "records"]) == 2
    assert "seed-0.json is no run record" in capsys.readouterr().err


def test_a_table_counts_no_short_run(capsys):
    assert main([*TRAIN, "--method", "baseline", "--results", "records"]) == 0
    record = json.loads(Path("records/digits-40-budget-0.005/baseline/seed-0.json").read_text())
    capsys.readouterr()

    def rows() -> dict[str, str]:
        assert main(["table", "digits", "--results", "records"]) == 0
        return {line.split()[0]: line for line in capsys.readouterr().out.splitlines()[1:]}

    assert "not run" in rows()["baseline"]  # a short run is none
    record["config"]["budget"] = 1.0
    write_record(record_path(Path("records"), record), record)
    assert f"{record['test_accuracy']:.2f}" in rows()["baseline"] and "not run" in rows()["dmt"]


def test_a_damaged_checkpoint_warns_in_one_line(capsys):
    assert main([*TRAIN, "--method", "baseline"]) == 0
    run = Path("runs/digits-40/baseline/seed-0")
    (run / "phase-0.pt").write_bytes(b"")
    capsys.readouterr()
    assert main([*TRAIN, "--method", "baseline"]) == 0
    told = capsys.readouterr()
    warnings = [line for line in told.err.splitlines() if line.startswith("warning: ")]
    assert len(warnings) == 1 and "phase-0.pt is damaged" in warnings[0]
    assert "was finished before" not in told.out  # though there is a record: the phase is made again
    assert main([*TRAIN, "--method", "baseline"]) == 0
    assert "was finished before" in capsys.readouterr().out


def test_the_progress_shows_what_matters(tmp_path):
    shutil.rmtree("runs", ignore_errors=True)
    command = [sys.executable, "-m", "dmtlib", *TRAIN]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert done.returncode == 0, done.stderr
    for words in ("phase 5/5", "step 4/4", "img/s", "loss", "weight", "cases"):
        assert words in done.stderr


@pytest.mark.parametrize("command", [" ".join(TRAIN) + " --method baseline", "reproduce digits --dry-run"])
@pytest.mark.parametrize(
    ("results", "words"), [("file", "is a file"), ("file/below", "is a file"), ("run/below", "is a run directory")]
)
def test_records_without_a_place_are_refused_before_the_training(command, results, words, capsys):
    Path("file").touch()
    Path("run").mkdir()
    for name in ("config.json", "split.json"):
        Path("run", name).write_text("{}")
    before = sorted(Path().rglob("*"))
    assert main([*command.split(), "--results", results]) == 2
    told = capsys.readouterr().err
    assert told.startswith(f"error: {results} cannot be a folder of records: ") and told.endswith(f"{words}\n")
    assert sorted(Path().rglob("*")) == before


def test_files_of_nobody_in_a_run_directory_are_left_alone(capsys):
    folder = Path("runs/digits-40/dmt/seed-0")
    folder.mkdir(parents=True)
    for name in ("metrics.jsonl", ".notes.tmp"):
        (folder / name).write_text("mine")
    assert main(TRAIN) == 2
    assert "has no config.json, but other files, as .notes.tmp" in capsys.readouterr().err
    assert {file.name for file in folder.iterdir()} == {"metrics.jsonl", ".notes.tmp", "lock"}


SEED_0 = Path("runs/digits-40/baseline/seed-0")


@pytest.mark.parametrize("name", ["config.json", "split.json", "result.json"])
@pytest.mark.parametrize(
    "content", ["[]", "3", "{}", "null", "[" * 100_000, '{"seconds": NaN}', "score"], ids=lambda text: text[:9]
)
def test_what_a_run_wrote_and_is_something_else_now_is_told(name, content, capsys, small_run):
    shutil.copytree(small_run, "runs")
    file = SEED_0 / name
    if content == "score":
        content = json.dumps(json.loads((SEED_0 / "result.json").read_text()) | {"test_accuracy": "90"})
    file.write_text(content)
    before = sorted(Path("runs").rglob("*"))
    commands = [[*TRAIN, "--method", "baseline"]]
    if name == "result.json":
        Image.new("L", (8, 8)).save("one.png")
        commands.append(["predict", str(SEED_0), "one.png", "--out", "out.csv"])
    for command in commands:
        assert main(command) == 2
        told = capsys.readouterr().err
        assert told.startswith("error: ") and told.count("\n") == 1 and str(file.parent) in told
    assert sorted(Path("runs").rglob("*")) == before


@pytest.fixture(scope="module")
def small_run(tmp_path_factory) -> Path:
    runs = tmp_path_factory.mktemp("small") / "runs"
    assert main([*TRAIN, "--method", "baseline", "--runs", str(runs)]) == 0
    return runs


def own(name: str, labeled: int = 6, unlabeled: int = 20) -> None:
    for part, count in (("train", labeled), ("test", 1)):
        for label, tint in (("cat", 40), ("dog", 200)):
            for index in range(count):
                Path(name, part, label).mkdir(parents=True, exist_ok=True)
                Image.new("RGB", (8, 8), (tint + index, tint, 9 * index)).save(Path(name, part, label, f"{index}.png"))
    for index in range(unlabeled):
        Path(name, "train/unlabeled").mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8), (9 * index, 90, 40)).save(Path(name, "train/unlabeled", f"{index}.png"))


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ("folder@8:nowhere", "nowhere: no such file or folder"),
        (f"folder@8:{'a' * 300}", "File name too long"),
        (f"packed:{'a' * 300}", "File name too long"),
        ("folder@0:four", "side must lie in 1…4096 pixels, got 0"),
        ("folder@99999999:four", "side must lie in 1…4096 pixels, got 99999999"),
        ("folder@1000000000000:four", "side must lie in 1…4096 pixels"),
        ("folder@8:four", "unlabeled images: a fifth of 4 is none, at least 5 are needed"),
        ("folder@8:none", "dmt needs unlabeled images, and all 12 are labeled"),
        ("packed:fifo", "fifo: cannot be read: is no regular file, but a pipe or a device"),
        ("packed:four", "four: cannot be read: is no regular file, but a folder"),
        ("packed:nowhere", "nowhere: no such file"),
        ("four", "got 'four'; did you mean folder:four?"),
        ("nowhere", "got 'nowhere'; here is no folder or file of that name"),
        ("folder@８:four", "folder@SIDE:PATH, got 'folder@８:four'"),
    ],
    ids=lambda text: text[:20],
)
def test_refused_data_leave_nothing_behind(data, words, capsys):
    own("four", unlabeled=4)
    own("none", unlabeled=0)
    os.mkfifo("fifo")
    before = sorted(Path().rglob("*"))
    assert main([*TRAIN, "--data", data, "--all-labels"]) == 2
    told = capsys.readouterr().err
    assert words in told and told.startswith("error: ") and told.count("\n") == 1
    assert sorted(Path().rglob("*")) == before


def test_a_label_for_each_class_and_five_images_without_are_enough(capsys):
    own("five", labeled=2, unlabeled=5)
    assert main([*TRAIN, "--data", "folder@8:five", "--all-labels"]) == 0
    config = dataclasses.replace(preset("digits-40", "dmt", data="folder@8:five"), num_labels=1)
    with pytest.raises(ValueError, match="five has 2 classes and too few labels, 1: one each is needed"):
        train(config, device="cpu", progress=False)


@pytest.mark.parametrize("command", ["train {}", "predict {} in --out out.csv", "table digits --results {}"])
def test_names_that_are_too_long_are_told(command, capsys):
    command = " ".join(TRAIN) + " --runs {}" if command.startswith("train") else command
    assert main(command.format("a" * 300).split()) == 2
    told = capsys.readouterr().err
    assert told.startswith("error: ") and told.count("\n") == 1 and "File name too long" in told
    assert not list(Path().iterdir())


@pytest.mark.parametrize("make", [os.mkfifo, lambda name: os.symlink("/dev/zero", name)])
def test_an_image_that_is_no_file_is_told(make, small_run, capsys):
    os.mkdir("in")
    make("in/x.jpg")
    assert main(["predict", str(small_run / "digits-40/baseline/seed-0"), "in", "--out", "out.csv"]) == 2
    assert "in/x.jpg: cannot be read: is no regular file" in capsys.readouterr().err and not Path("out.csv").exists()


def test_a_device_that_is_not_there_is_refused_before_any_run(capsys):
    assert main(["reproduce", "digits", "--device", "tpu"]) == 2
    assert "device must be one of" in capsys.readouterr().err and not Path("runs").exists()
