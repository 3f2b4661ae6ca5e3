"""Runs side by side, a process each, on one accelerator or several: what ``dmtlib reproduce`` does."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import torch

from ..files import RUN_FILES, alone
from ..training.directory import RunDirectory
from ..training.settings import Config
from ..words import printable, tell
from .reproduction import train_arguments

_LABELS = r"/(labels\.npy|confidence\.npy|manifest\.json)"
_EVENTS = r"tensorboard(/events\.out\.tfevents\.[^/]+)?"
# What lies in a run directory:
OURS = re.compile(rf"({RUN_FILES})(-[AB]({_LABELS})?)?(\.pt|\.json)?|metrics\.jsonl|lock|{_EVENTS}")
LOOK_SECONDS = 0.2  # between two looks at the processes
STOP_SECONDS = 60  # for a stopped run to finish its step and leave


def train_command(config: Config, *, device: str, runs: Path, results: Path) -> list[str]:
    """The arguments of ``dmtlib`` that train ``config`` and keep its record, or go on with it."""
    where = ["--device", device, "--runs", str(runs_folder(runs, config)), "--results", str(results)]
    return [*train_arguments(config), *where, "--skip-recorded"]


def runs_folder(runs: Path, config: Config) -> Path:
    """Below ``runs``, shorter runs in a folder of their own: a run directory holds one length."""
    return runs if config.budget == 1 else runs / f"budget-{config.budget:.12g}"


def visible_gpus() -> list[str]:
    """As ``CUDA_VISIBLE_DEVICES`` names them; empty where there are none."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is not None:
        return [name for name in named.split(",") if name]
    return [str(index) for index in range(torch.cuda.device_count())]


def launch(
    configs: Sequence[Config],
    *,
    jobs: int | None = None,
    device: str = "auto",
    runs: Path = Path("runs"),
    results: Path = Path("results"),
    tidy: bool = False,
) -> int:
    """Train all ``configs``, ``jobs`` of them at a time; a run that fails stops no other, and is told in one line.
    GPUs are dealt out in turn: as many jobs as GPUs, which is what None says, means a GPU for each. Interrupted by
    Ctrl-C, it stops its runs too, and the same call goes on with them. ``tidy`` deletes a run's directory once its
    record is written. Returns how many runs failed; a ValueError for fewer than 1 job."""
    gpus = visible_gpus() if device in ("auto", "cuda") else []
    jobs = max(1, len(gpus)) if jobs is None else jobs
    if jobs < 1:
        raise ValueError(f"jobs must be at least 1, got {jobs}")
    free, waiting, working, failed = list(range(jobs)), list(configs), {}, 0
    try:
        while waiting or working:
            while waiting and free:
                config, place = waiting.pop(0), free.pop(0)
                arguments = train_command(config, device=device, runs=runs, results=results)
                log = runs_folder(runs, config) / f"{config.preset}-{config.method}-seed-{config.seed}.log"
                working[_start(arguments, log, _environment(place, jobs, gpus))] = config, place, log
            time.sleep(LOOK_SECONDS)
            for process in [process for process in working if process.poll() is not None]:
                config, place, log = working.pop(process)
                free.append(place)
                failed += process.returncode != 0
                _tell(config, process.returncode, log)
                made = RunDirectory.of(config, runs_folder(runs, config)).path
                there = (place.relative_to(made).as_posix() for place in made.rglob("*"))
                if tidy and process.returncode == 0 and all(map(OURS.fullmatch, there)):
                    shutil.rmtree(made, ignore_errors=True)
    finally:
        _stop(list(working))
    return failed


def _environment(place: int, jobs: int, gpus: Sequence[str]) -> dict[str, str]:
    """One GPU for each job, and its share of the cores: threads that wait for those of other runs lose."""
    environment = {"OMP_NUM_THREADS": str(max(1, (os.cpu_count() or 1) // jobs)), **os.environ, "DMT_JOBS": str(jobs)}
    return environment | ({"CUDA_VISIBLE_DEVICES": gpus[place % len(gpus)]} if gpus else {})


def _start(arguments: list[str], log: Path, environment: dict[str, str]) -> subprocess.Popen:
    """In a session of its own: Ctrl-C comes to this process alone, which then stops each run once."""
    command = [sys.executable, "-m", "dmtlib", *arguments]  # there whether or not the PATH has `dmtlib`
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        with open(alone(log), "a", encoding="utf-8") as file:
            return subprocess.Popen(command, stdout=file, stderr=file, env=environment, start_new_session=True)
    except OSError as error:
        raise ValueError(f"cannot write {log}: {error.strerror or error}") from None


def _tell(config: Config, code: int, log: Path) -> None:
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines() or ["it said nothing"]
    if code == 0:
        print(printable(lines[-1]), flush=True)
    else:
        name = f"{config.preset} {config.method} seed {config.seed} budget {config.budget:g}"
        tell(f"failed: {name}: {lines[-1]} ({log})")


def _stop(processes: list[subprocess.Popen]) -> None:
    for process in processes:
        process.terminate()  # SIGINT is ignored by what a script has started in the background, and by its children
    for process in processes:
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
