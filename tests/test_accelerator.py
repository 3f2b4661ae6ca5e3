"""The script for a GPU that is lent for minutes: its order, its clock, and how it goes on. What it calls is a stub."""

import os
import shutil
import signal
import subprocess
import tarfile
import time
from pathlib import Path

import pytest
from clone import ROOT

FAST = ("cifar10-4000-fast-wide", "cifar10-1000-fast-wide")
PYTHON = """#!/usr/bin/env bash
# Says what it was called with; takes long, or fails, where it is told to.
echo "$*" >>"$CALLS"
case "$*" in
"-m dmtlib presets") echo "│ $PRESETS │" ;;
data_prep/cifar10.py) [ -f "$DMT_DATA/cifar10-jpeg.tar.xz" ] && mkdir -p data && touch data/cifar10-jpeg.pt ;;
data_prep/camvid.py) mkdir -p data/camvid ;;
*)
    if [ -n "$SLOW" ] && [[ "$*" =~ $SLOW ]]; then
        trap 'echo "stopped; the same command goes on from here"; kill $! 2>/dev/null; exit 130' TERM
        sleep 60 &
        wait
    fi
    if [ -n "$FAILS" ] && [[ "$*" =~ $FAILS ]]; then echo "error: refused" >&2 && exit 2; fi
    echo "some words"
    echo '{"commit": "'"$DMT_COMMIT"'"}'
    ;;
esac
"""


@pytest.fixture
def machine(tmp_path):
    """A copy of the script, and a python3 that only writes down what it is asked."""
    for folder in ("reproduce", "bin", "data/camvid"):
        (tmp_path / folder).mkdir(parents=True)
    shutil.copy(ROOT / "reproduce/accelerator.sh", tmp_path / "reproduce")
    (tmp_path / "data/cifar10.pt").touch()
    (tmp_path / "bin/python3").write_text(PYTHON)
    (tmp_path / "bin/python3").chmod(0o755)
    return tmp_path


def command(machine: Path, **settings: str) -> dict:
    told = dict(PRESETS=" ".join(FAST), SLOW="", FAILS="", CALLS=str(machine / "calls"))
    known = {name: os.environ[name] for name in ("HOME", "LANG") if name in os.environ}
    path = f"{machine / 'bin'}:{os.environ['PATH']}"
    return dict(
        args=[machine / "reproduce/accelerator.sh"], env={**known, "PATH": path, **told, **settings}, text=True
    )


def call(machine: Path, **settings: str) -> tuple[subprocess.CompletedProcess, list[str]]:
    """One call of the script: how it ended, and what it started."""
    (machine / "calls").write_text("")
    done = subprocess.run(**command(machine, **settings), cwd=machine, capture_output=True)
    lines = (machine / "calls").read_text().splitlines()
    return done, [line for line in lines if not line.endswith("presets")]


def packed(machine: Path, folder: str = "runs/accelerator") -> set[str]:
    with tarfile.open(machine / folder / "accelerator.tgz") as archive:
        return {member.name for member in archive if member.isfile()}


def test_what_is_worth_most_a_minute_comes_first_and_everything_once(machine):
    done, calls = call(machine)
    assert done.returncode == 0 and done.stderr == ""
    assert calls[0].startswith("-m pytest -q -m gpu")
    benchmarks = [line.removeprefix("benchmarks/").replace(" --device cuda", "") for line in calls[1:9]]
    assert benchmarks == [
        *(f"classification_step.py{option}" for option in ("", " --eager", " --compile", " --any-order")),
        *(f"augmentation.py{option}" for option in (" --batch-size 512", "")),
        *(f"segmentation_step.py{option}" for option in ("", " --any-order")),
    ]
    trained = [line.split()[3:8:2] for line in calls if "dmtlib train" in line]
    methods = ("baseline", "cl", "dmt", "oracle")
    relatives = ("fixmatch", "flexmatch")
    assert trained == [
        *([name, method, str(seed)] for name in FAST for seed in range(1, 6) for method in methods),
        *([name, method, str(seed)] for name in FAST for seed in range(1, 4) for method in relatives),
    ]
    tables = [line for line in calls if "dmtlib reproduce" in line]
    asked = [
        (line.split("--")[0].split()[3:], *line.split()[line.split().index("--budget") + 1 :: 2][:2])
        for line in tables
    ]
    assert asked == [
        *((["table-2", "table-3"], budget, str(seed)) for budget in ("0.02", "0.1") for seed in (1, 2, 3)),
        *((["camvid"], "1", str(seed)) for seed in (0, 1, 2)),
        *((["table-2", "table-3"], "1", str(seed)) for seed in (1, 2, 3)),
    ]
    assert all(
        "--device cuda --runs runs --results runs/accelerator/results" in line for line in calls if "dmtlib" in line
    )
    assert all(("--data cifar10 " in line) != (" camvid " in line) for line in calls if "dmtlib" in line)
    assert calls[-1].startswith("benchmarks/selection.py")
    assert (machine / "runs/accelerator/results/benchmarks/augmentation-512.json").read_text() == '{"commit": ""}\n'
    assert {"done/tests", "logs/tests.log", "log", "results/benchmarks/selection.json"} <= packed(machine)
    again, calls = call(machine)
    assert again.returncode == 0 and calls == [] and again.stdout == ""


def test_what_is_not_there_is_passed_over_with_a_line(machine):
    shutil.rmtree(machine / "data")
    done, calls = call(machine, PRESETS="cifar10-4000-fast")
    assert done.returncode == 1  # there is no CIFAR-10 to pack, and that is a failure
    first, *others = [line for line in done.stdout.splitlines() if ": done" not in line]
    assert first.startswith("data-cifar10: failed after ")
    assert others == [
        "there is no CIFAR-10 here, so nothing is trained on it",
        *(f"there is no preset {name} here, so it is passed over" for name in FAST),
        "there is no CamVid here, so nothing is trained on it",
    ]
    assert not any("dmtlib" in line for line in calls)


def test_minutes_are_whole(machine):
    done, calls = call(machine, MINUTES="4.5")
    assert done.returncode == 2 and calls == [] and not (machine / "runs").exists()
    assert done.stderr == "error: MINUTES must be a whole number, or empty, got '4.5'\n"


def test_a_failure_stops_nothing_and_is_tried_again_when_asked(machine):
    done, calls = call(machine, FAILS="pytest|cl --seed 2", ONLY="tests|4000-fast")
    assert done.returncode == 1 and len(calls) == 27
    told = [line for line in done.stdout.splitlines() if "failed" in line]
    assert [line.split(":")[0] for line in told] == ["tests", f"{FAST[0]}-cl-2"]
    assert "error: refused (runs/accelerator/logs/tests.log)" in told[0]
    done, calls = call(machine, ONLY="tests|4000-fast")
    assert done.returncode == 1 and calls == [] and done.stdout.count("RETRY=1 tries it again") == 2
    done, calls = call(machine, ONLY="tests|4000-fast", RETRY="1")
    assert done.returncode == 0 and len(calls) == 2


def test_the_time_ends_it_cleanly_and_the_same_command_goes_on(machine):
    limit = dict(MINUTES="1", GRACE="50", LEAST="1", ONLY="tests|^benchmark", OUT="out")
    start = time.monotonic()
    done, calls = call(machine, SLOW="--compile", **limit)
    assert time.monotonic() - start < 45  # 10 s, but for a busy machine; the stub would take 60
    assert done.returncode == 0 and done.stdout.splitlines()[-1] == (
        "time is up; the same command goes on with benchmark-classification_step-compile"
    )
    assert len(calls) == 4
    log = machine / "runs/accelerator/logs/benchmark-classification_step-compile.log"
    # It had the time to say so; twice, perhaps, as `timeout` signals its whole group as well.
    assert set(log.read_text().splitlines()) == {"stopped; the same command goes on from here"}
    assert sorted(path.name for path in (machine / "out").iterdir()) == ["accelerator.tgz"]
    assert {"done/tests", "results/benchmarks/classification_step.json"} <= packed(machine, "out")
    done, calls = call(machine, **{**limit, "MINUTES": "10"})
    assert done.returncode == 0 and "--compile" in calls[0] and len(calls) == 7
    done, calls = call(machine, MINUTES="1", GRACE="60", ONLY="fast")
    assert (
        done.returncode == 0 and calls == [] and f"the same command goes on with {FAST[0]}-baseline-1" in done.stdout
    )


def test_stopped_from_outside_it_stops_its_step(machine):
    started = subprocess.Popen(**command(machine, SLOW="pytest"), cwd=machine, stdout=subprocess.PIPE)
    deadline = time.monotonic() + 60
    while not (machine / "calls").exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    started.send_signal(signal.SIGTERM)
    out, _ = started.communicate(timeout=60)
    assert started.returncode == 130 and out == "stopped; the same command goes on from here\n"
    assert not list((machine / "runs/accelerator/done").iterdir()) and "logs/tests.log" in packed(machine)


def test_what_is_brought_along_is_used(machine):
    """Data, the commit, and the steps that another machine has done."""
    call(machine, ONLY="tests")
    carry = machine / ".carry"
    carry.mkdir()
    (machine / "runs/accelerator/accelerator.tgz").rename(carry / "accelerator.tgz")
    for name in ("cifar10-jpeg.tar.xz", "camvid.tar"):
        (carry / name).touch()
    (carry / "commit").write_text("0123abc\n")
    for folder in ("runs", "data"):
        shutil.rmtree(machine / folder)
    done, calls = call(machine, ONLY="tests|data|512|camvid-seed-0|budget-0.02-seed-1")
    assert done.returncode == 0 and [line.split()[0] for line in calls] == [
        "benchmarks/augmentation.py",
        "data_prep/cifar10.py",
        "-m",
        "data_prep/camvid.py",
        "-m",
    ]
    assert "--data cifar10-jpeg " in calls[2] and "dmtlib reproduce camvid" in calls[4]
    assert '"0123abc"' in (machine / "runs/accelerator/results/benchmarks/augmentation-512.json").read_text()
