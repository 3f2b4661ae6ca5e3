"""A file is damaged only if that is proven; what the system refuses now is told, and the same command goes on."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import torch

from dmtlib.presets import preset
from dmtlib.training import RunDirectory, RunError, storage, train
from dmtlib.training.images.phase import PhaseTrainer
from dmtlib.training.storage import save_tensors

CONFIG = preset("digits-40", "cl", budget=0.005)
TIMES = {"seconds", "images_per_second"}


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("finished")
    train(CONFIG, runs=folder, device="cpu", progress=False)
    return RunDirectory.of(CONFIG, folder).path


def rewrite(file: Path, pickled: bytes) -> None:
    """Another pickle, under right checksums."""
    with zipfile.ZipFile(file) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(file, "w") as archive:
        for name, old in content.items():
            archive.writestr(name, pickled if name.endswith("data.pkl") else old)


def change(file: Path, **values) -> None:
    torch.save(torch.load(file, weights_only=True) | values, file)


class Code:
    def __reduce__(self):
        return print, ("run",)


DAMAGE = {
    "empty": (lambda f: f.write_bytes(b""), "it is no whole zip archive"),
    "cut": (lambda f: f.write_bytes(f.read_bytes()[:5000]), "it is no whole zip archive"),
    "IndexError": (lambda f: rewrite(f, b"\x80\x02t."), "its content is garbage"),
    "struct.error": (lambda f: rewrite(f, b"\x80\x02M."), "its content is garbage"),
    "code": (lambda f: torch.save({"records": Code()}, f), "it holds code, or what is neither tensor nor plain value"),
    "list": (lambda f: torch.save([1], f), "it holds a list"),
    "nothing": (lambda f: torch.save({}, f), "it does not fit this run"),
    "metrics": (lambda f: change(f, metrics_bytes=-1), "it does not fit this run"),
    "seconds": (lambda f: change(f, seconds=float("nan")), "it does not fit this run"),
    "records": (lambda f: change(f, records=[{}]), "it does not fit this run"),
    "shapes": (lambda f: change(f, model={"a": torch.ones(1)}), "it does not fit this run"),
}


@pytest.mark.parametrize("finished_before", [True, False])
@pytest.mark.parametrize("damage", DAMAGE)
def test_what_is_proven_damaged_is_set_aside_and_made_again(damage, finished_before, finished, tmp_path):
    run = RunDirectory.of(CONFIG, tmp_path)
    shutil.copytree(finished, run.path)
    before = run.record
    if not finished_before:
        (run.path / "result.json").unlink()
    spoil, reason = DAMAGE[damage]
    spoil(run.path / "phase-5.pt")
    with pytest.warns(UserWarning) as warned:
        record = train(CONFIG, runs=tmp_path, device="cpu", progress=False)
    told = [str(w.message) for w in warned if "damaged" in str(w.message) or "weights_only" in str(w.message)]
    assert told == [f"{run.path / 'phase-5.pt'} is damaged ({reason}); set aside as phase-5.pt.damaged-1"]
    assert {k: v for k, v in record.items() if k not in TIMES} == {k: v for k, v in before.items() if k not in TIMES}
    assert run.record == record and run.load_phase(5)


def test_a_checkpoint_or_labels_that_fit_nothing_are_made_again(finished, tmp_path, monkeypatch):
    run = RunDirectory.of(CONFIG, tmp_path)
    shutil.copytree(finished, run.path)
    (run.path / "result.json").unlink()
    (run.path / "phase-5.pt").unlink()
    place = torch.load(run.path / "phase-4.pt", weights_only=True)
    place = {name: place[name] for name in ("metrics_bytes", "seconds")}
    save_tensors(run.checkpoint_file, {"phase": 5, "state": {"step": 1, "model": {}}, **place})
    save_tensors(run.path / "pseudo-labels-5.pt", {"labels": torch.ones(3)})
    with pytest.warns(UserWarning, match="it does not fit this run") as warned:
        record = train(CONFIG, runs=tmp_path, device="cpu", progress=False)
    aside = {Path(str(w.message).split(" is damaged")[0]).name for w in warned if "set aside" in str(w.message)}
    assert aside == {"checkpoint.pt", "pseudo-labels-5.pt"}
    assert record["phases"] == json.loads((finished / "result.json").read_text())["phases"]


@pytest.mark.parametrize(
    "error",
    [
        PermissionError(13, "Permission denied"),
        OSError(24, "Too many open files"),
        OSError(5, "Input/output error"),
        MemoryError(),
        RuntimeError("[enforce fail at alloc_cpu.cpp:124] DefaultCPUAllocator: can't allocate memory"),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"),
    ],
    ids=lambda error: type(error).__name__ + str(error)[:9],
)
@pytest.mark.parametrize("where", ["open_regular", "torch.load", "nn.load_state_dict"])
def test_a_healthy_file_is_never_called_damaged(where, error, finished, tmp_path, monkeypatch):
    run = RunDirectory.of(CONFIG, tmp_path)
    shutil.copytree(finished, run.path)
    names = sorted(os.listdir(run.path))

    def refuse(*_, **__):
        raise error

    with monkeypatch.context() as patch:
        owner = {"open_regular": storage, "torch.load": torch, "nn.load_state_dict": torch.nn.Module}[where]
        patch.setattr(owner, where.split(".")[-1], refuse)
        for ask in (lambda: train(CONFIG, runs=tmp_path, device="cpu", progress=False), lambda: predicted(run)):
            with pytest.raises(RunError) as told:
                ask()
            assert (
                "damaged" not in str(told.value) and "\n" not in str(told.value) and str(run.path) in str(told.value)
            )
    assert sorted(os.listdir(run.path)) == names
    assert train(CONFIG, runs=tmp_path, device="cpu", progress=False) == run.record


def test_files_are_read_onto_the_cpu_whatever_the_device(finished, monkeypatch):
    """So that what a GPU refuses cannot look like a fault of the file."""
    places, load = [], torch.load
    monkeypatch.setattr(torch, "load", lambda *a, **how: places.append(how["map_location"]) or load(*a, **how))
    RunDirectory(finished).load_last_phase(6)
    assert places == ["cpu"]


def test_a_gpu_without_memory_is_one_line_with_batch_gpu_and_what_is_free(tmp_path, monkeypatch):
    """As PyTorch 2.11 words it."""

    def refuse(*_):
        raise torch.OutOfMemoryError(
            "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 14.56 GiB of which 1.21 GiB"
            " is free. Including non-PyTorch memory, this process has 13.34 GiB memory in use. Of the allocated…"
        )

    monkeypatch.setattr(PhaseTrainer, "step", refuse)
    with pytest.raises(RunError) as told:
        train(CONFIG, runs=tmp_path, device="cpu", progress=False)
    assert str(told.value) == (
        f"{RunDirectory.of(CONFIG, tmp_path).path}: there is not enough memory for batches of {CONFIG.batch_size} "
        "(CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 14.56 GiB of which 1.21 GiB "
        "is free.); the same command goes on afterwards"
    )


def predicted(run: RunDirectory) -> None:
    from dmtlib.prediction import load_run

    load_run(run.path, "cpu")


FULL = """
import resource, sys
from dmtlib.cli import main
import sklearn.datasets, torch.utils.tensorboard, torch._dynamo
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), resource.RLIM_INFINITY))
sys.exit(main(sys.argv[2:]))
"""


@pytest.mark.parametrize("size", [100, 1500, 100_000])
def test_a_full_disk_is_one_line_and_the_same_command_goes_on(size, finished, tmp_path):
    """The settings, the split, a phase: each is the first that doesn't fit."""
    command = ["train", "digits-40", "--method", "cl", "--budget", "0.005", "--device", "cpu", "--runs", str(tmp_path)]
    done = subprocess.run([sys.executable, "-c", FULL, str(size), *command], capture_output=True, text=True)
    run = RunDirectory.of(CONFIG, tmp_path)
    lines = [line for line in done.stderr.splitlines() if "error" in line.lower()]
    assert done.returncode == 2 and len(lines) == 1 and "Traceback" not in done.stderr, done.stderr
    assert lines[0].startswith(f"error: {run.path}/") and "File too large; the same command goes on after" in lines[0]
    assert not list(run.path.glob(".*.tmp"))
    record = train(CONFIG, runs=tmp_path, device="cpu", progress=False)
    assert record["phases"] == json.loads((finished / "result.json").read_text())["phases"]
