"""Whole tables by one command, and the script for an accelerator: on a CPU, on random images, a step a phase."""

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from book.studies.recorded import count_recorded
from book.studies.reproduce import others_recorded
from dmtlib.cli import main
from dmtlib.data.images.packed import PackedImages, write_packed
from dmtlib.presets import preset
from dmtlib.records import launch
from dmtlib.records.reproduction import TABLES, cells_of, missing_runs, runs_of, train_arguments
from dmtlib.records.store import record_path, write_record

ROOT = Path(__file__).resolve().parents[2]
TINY = ["--budget", "0.00002", "--device", "cpu"]


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> str:
    """Random images, enough for 4,000 labels and 200 to validate on. They are small: nobody looks at them."""
    generator = torch.Generator().manual_seed(0)

    def part(n: int) -> tuple[torch.Tensor, torch.Tensor]:
        return torch.randint(0, 256, (n, 3, 8, 8), dtype=torch.uint8, generator=generator), torch.arange(n) % 10

    path = tmp_path_factory.mktemp("data") / "random.pt"
    write_packed(PackedImages(tuple("abcdefghij"), *part(4300), *part(20), source="noise"), path)
    return f"packed:{path}"


@pytest.fixture
def one_cell(monkeypatch):
    """Tables of a single cell, the only ones there are."""
    digits = next(cell for cell in TABLES["digits"] if cell.method == "baseline")
    cifar10 = next(cell for cell in TABLES["table-2"] if cell.method == "baseline")
    for name in list(TABLES):
        monkeypatch.delitem(TABLES, name)
    monkeypatch.setitem(TABLES, "digits", [digits])
    monkeypatch.setitem(TABLES, "table-2", [cifar10])


def environment(**settings: str) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", **settings}


# The list


def test_the_paper_s_tables_have_the_paper_s_cells_and_seeds():
    sizes = {name: len(cells) for name, cells in TABLES.items() if name.startswith("table-")}
    assert sizes == {"table-2": 6, "table-3": 4, "table-4": 9, "table-5": 3, "table-6": 5, "table-7": 14}
    assert {cell.seeds for name in ("table-2", "table-3") for cell in TABLES[name]} == {(1, 2, 3, 4, 5)}
    assert {cell.seeds for name in ("table-4", "table-5", "table-6") for cell in TABLES[name]} == {(0, 1, 2)}
    assert {cell.seeds for cell in TABLES["table-7"]} == {(0,)}


def test_cells_that_tables_share_are_run_once():
    assert len(runs_of(["table-2", "table-3"])) == (6 + 1) * 5
    shared = [cell for cell in cells_of(["table-7", "table-4"]) if (cell.preset, cell.method) == ("voc-20", "dmt")]
    assert [cell.seeds for cell in shared] == [(0, 1, 2)]  # one of Table 7, and two more of Table 4
    assert sum((c.preset, c.method, c.seed) == ("voc-20", "dmt", 0) for c in runs_of(["table-7", "table-4"])) == 1


def test_a_comparison_on_one_seed_comes_before_the_next_seed():
    seeds = [config.seed for config in runs_of(["table-4"])]
    assert seeds == sorted(seeds)
    assert {config.seed for config in runs_of(["table-4"], seeds=[7])} == {7}


def test_the_arguments_of_a_run_are_those_that_the_command_line_takes(tmp_path, monkeypatch):
    """Every one of them is parsed: with a record in its place, `train --skip-recorded` does nothing but say so."""
    monkeypatch.chdir(tmp_path)
    for cell in cells_of(TABLES):
        config = preset(cell.preset, cell.method, cell.seeds[0])
        score = {"test_accuracy": 0.0, "mean_iou": 0.0}
        known = {"preset": cell.preset, "method": cell.method, "seed": config.seed, "config": config.to_json()}
        made = score | known
        write_record(record_path(Path("results"), made), made)
        assert main([*train_arguments(config), "--results", "results", "--skip-recorded"]) == 0
        assert count_recorded(cell, Path("results")) == 1


def test_records_of_other_data_and_lengths_count_apart(tmp_path):
    cell = TABLES["table-3"][0]
    for seed, budget, data in [
        (1, 1.0, "cifar10"),
        (2, 1.0, "cifar10-jpeg"),
        (3, 0.1, "cifar10"),
        (9, 1.0, "cifar10"),
    ]:
        made = {"preset": cell.preset, "method": cell.method, "seed": seed, "test_accuracy": 0.0}
        made["config"] = {"budget": budget, "data": data}
        write_record(record_path(tmp_path, made), made)
    assert count_recorded(cell, tmp_path) == 1 and others_recorded(cell, tmp_path) == 3
    wanted = runs_of(["table-3"], seeds=[1, 3])
    assert len(wanted) - len(missing_runs(wanted, tmp_path)) == 1
    with pytest.raises(ValueError, match="is a record on cifar10-jpeg, not on cifar10"):
        missing_runs(runs_of(["table-3"], seeds=[2]), tmp_path)


# The command


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("reproduce table-9", "table must be one of table-2, table-3"),
        ("reproduce digits --seeds 0,x", "seeds must be whole numbers with commas between them, got '0,x'"),
        ("reproduce digits --jobs 0", "jobs must be at least 1, got 0"),
        ("reproduce digits --budget 0", "budget must lie in (0, 10]"),
        ("reproduce digits --variant authors", "variant of digits-40 must be one of paper"),
        ("reproduce digits --seeds 0 --runs /dev/null", "cannot write /dev/null/"),
        ("reproduce", "Missing argument 'TABLE…'"),
    ],
)
def test_what_is_wrong_is_told_in_one_line(command, words, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(command.split()) == 2
    told = capsys.readouterr().err
    assert told.count("\n") == 1 and told.startswith("error: ") and words in told


def test_a_dry_run_lists_what_is_missing_and_does_nothing(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["reproduce", "table-7", "--runs", "my runs", "--dry-run"]) == 0
    first, *commands = capsys.readouterr().out.splitlines()
    assert first == "0 of 14 runs are recorded in results"
    assert len(commands) == 14 and all(line.startswith("dmtlib train voc-") for line in commands)
    assert all("my runs" in shlex.split(line) for line in commands)  # to be copied
    assert not list(tmp_path.iterdir())


def test_two_runs_at_a_time_are_recorded_once_and_tidied_up(one_cell, capfd, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    command = ["reproduce", "digits", "--seeds", "0,1", "--jobs", "2", "--tidy", *TINY]
    assert main(command) == 0
    files = [Path(f"results/digits-40-budget-2e-05/baseline/seed-{seed}.json") for seed in (0, 1)]
    assert all(json.loads(file.read_text())["phases"][0]["steps"] == 1 for file in files)
    left = {path.name for path in Path("runs/budget-2e-05").rglob("*") if path.is_file()}
    assert left == {"digits-40-baseline-seed-0.log", "digits-40-baseline-seed-1.log"}
    files[0].unlink()
    assert main([word for word in command if word != "--tidy"]) == 0
    notes = Path("runs/budget-2e-05/digits-40/baseline/seed-0/tensorboard/my-notes.txt")
    notes.write_text("mine")
    files[0].unlink()
    assert main(command) == 0 and notes.read_text() == "mine"
    written = [file.stat().st_mtime_ns for file in files]
    capfd.readouterr()
    assert main(command) == 0
    assert capfd.readouterr().out == "2 of 2 runs are recorded in results\n"
    assert [file.stat().st_mtime_ns for file in files] == written


def test_a_run_that_fails_stops_no_other_and_is_told(one_cell, capfd, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    assert main(["reproduce", "table-2", "digits", "--seeds", "0", "--data", "digits", *TINY]) == 1
    failure, summary = capfd.readouterr().err.splitlines()
    assert failure.startswith("failed: cifar10-4000 baseline seed 0 budget 2e-05: error: ")
    assert failure.endswith("cifar10-4000-baseline-seed-0.log)")
    assert summary == "1 of 2 runs failed; the same command tries them again"
    assert [file.parent.parent.name for file in Path("results").rglob("*.json")] == ["digits-40-budget-2e-05"]


def test_each_job_has_a_gpu_and_its_share_of_the_cores(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,5")
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 16)
    assert launch.visible_gpus() == ["3", "5"]
    given = [launch._environment(place, 4, launch.visible_gpus()) for place in range(4)]
    assert [each["CUDA_VISIBLE_DEVICES"] for each in given] == ["3", "5", "3", "5"]
    assert {each["OMP_NUM_THREADS"] for each in given} == {"4"} == {each["DMT_JOBS"] for each in given}
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    assert launch._environment(0, 4, [])["OMP_NUM_THREADS"] == "7"
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert launch.visible_gpus() == []


def test_stopped_it_stops_its_runs_which_go_on_later(tmp_path):
    """Also where a script has started it in the background, which sets SIGINT to be ignored, for the runs as well."""
    python = [sys.executable, "-m", "dmtlib", "reproduce", "digits", "--seeds", "0", "--jobs", "1", "--device", "cpu"]
    command = ["sh", "-c", "trap '' INT; exec \"$@\"", "sh", *python]
    started = subprocess.Popen(command, cwd=tmp_path, env=environment(), stderr=subprocess.PIPE, text=True)
    run = tmp_path / "runs/digits-40/baseline/seed-0"
    deadline = time.monotonic() + 120
    while not (run / "metrics.jsonl").exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    started.send_signal(signal.SIGTERM)
    assert started.wait(60) == 130
    assert "the same command goes on from here" in started.stderr.read()
    log = (tmp_path / "runs/digits-40-baseline-seed-0.log").read_text()
    assert log.splitlines()[-1] == "stopped; the same command goes on from here"
    assert run.is_dir() and not (run / "result.json").exists()


# The script


def script(folder: Path, **settings: str) -> subprocess.CompletedProcess:
    tiny = dict(DEVICE="cpu", BUDGET="0.00002", SEEDS="1", PYTHON=sys.executable)
    places = dict(RUNS=str(folder / "runs"), RESULTS=str(folder / "results"))
    return subprocess.run(
        [ROOT / "reproduce/cifar10.sh"],
        cwd=folder,
        env=environment(**tiny, **places, **settings),
        capture_output=True,
        text=True,
    )


@pytest.mark.book
@pytest.mark.timeout(900)  # four steps of the paper's network and batch: minutes on a busy CPU
def test_the_script_records_and_skips_what_is_recorded(data, tmp_path):
    done = script(tmp_path, DATA=data, TABLES="table-3", JOBS="2")
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "results/cifar10-4000-budget-2e-05"
    records = {file.parent.name: json.loads(file.read_text()) for file in folder.glob("*/seed-1.json")}
    assert set(records) == {"baseline", "cl", "dmt", "oracle"}
    assert {record["config"]["data"] for record in records.values()} == {data}
    (tmp_path / "runs").rename(tmp_path / "elsewhere")  # the record alone is what counts
    again = script(tmp_path, DATA=data, TABLES="table-3")
    assert again.returncode == 0, again.stderr
    assert again.stdout == f"4 of 4 runs are recorded in {tmp_path / 'results'}\n"


def test_the_script_s_exit_code_tells_of_a_failure(tmp_path):
    done = script(tmp_path, DATA="digits", TABLES="table-9")
    assert done.returncode == 1
    assert done.stderr.startswith("error: table must be one of table-2")
