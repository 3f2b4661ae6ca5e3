"""Runs side by side, a process each, on one accelerator or several: what ``dmtlib reproduce`` does."""

import importlib.util
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

import torch

from ..files import alone
from ..training.directory import RunDirectory
from ..training.provenance import SOURCE
from ..training.settings import Config
from ..words import printable, tell
from .reproduction import train_arguments

LOOK_SECONDS = 0.2  # between two looks at the processes
STOP_SECONDS = 60  # for a stopped run to finish its step and leave


def train_command(config: Config, *, device: str, runs: Path, results: Path) -> list[str]:
    """The arguments of ``dmtlib`` that train ``config`` and keep its record, or go on with it."""
    where = ["--device", device, "--runs", str(runs_folder(runs, config)), "--results", str(results)]
    return [*train_arguments(config), *where, "--skip-recorded"]


def runs_folder(runs: Path, config: Config) -> Path:
    """Below ``runs``, shorter runs in a folder of their own: a run directory holds one length."""
    return runs if config.budget == 1 else runs / f"budget-{config.budget:.12g}"


def run_name(config: Config) -> str:
    """For people."""
    return f"{config.preset} {config.method} seed {config.seed}"


def log_file(runs: Path, config: Config) -> Path:
    """What a run says, below ``runs``."""
    return runs_folder(runs, config) / f"{config.preset}-{config.method}-seed-{config.seed}.log"


def of_the_clone(name: str) -> ModuleType:
    """What the file ``name`` of this clone defines. A ValueError, if it isn't there, as where the library alone is."""
    if not (file := SOURCE / name).is_file():
        raise ValueError(f"{file} is missing: this needs a clone of the book, and the library installed from it")
    spec = importlib.util.spec_from_file_location(file.stem, file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def visible_gpus() -> list[str]:
    """As ``CUDA_VISIBLE_DEVICES`` names them; empty where there are none."""
    if (named := os.environ.get("CUDA_VISIBLE_DEVICES")) is not None:
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
                working[_start(arguments, log_file(runs, config), _environment(place, jobs, gpus))] = config, place
            time.sleep(LOOK_SECONDS)
            for process in [process for process in working if process.poll() is not None]:
                config, place = working.pop(process)
                free.append(place)
                failed += process.returncode != 0
                end(config, process.returncode, runs, tidy)
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


def end(config: Config, code: int, runs: Path, tidy: bool, said: str = "") -> None:
    """Tell in a line how a run has ended: the last one of its log, after what it ``said`` elsewhere is added. If its
    ``code`` is 0, ``tidy`` deletes its directory, unless somebody put something else there."""
    log = log_file(runs, config)
    if said:
        log.parent.mkdir(parents=True, exist_ok=True)
        with open(alone(log), "a", encoding="utf-8") as file:
            file.write(f"{said}\n")
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines() or ["it said nothing"]
    if code == 0:
        print(printable(lines[-1]), flush=True)
    else:
        tell(f"failed: {run_name(config)} budget {config.budget:g}: {lines[-1]} ({log})")
    if tidy and code == 0 and (made := RunDirectory.of(config, runs_folder(runs, config))).only_ours():
        shutil.rmtree(made.path, ignore_errors=True)


def _stop(processes: list[subprocess.Popen]) -> None:
    for process in processes:
        process.terminate()  # SIGINT is ignored by what a script has started in the background, and by its children
    for process in processes:
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
