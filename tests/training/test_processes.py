"""Several processes give the run of one, end together with a line, and any number of them goes on."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import nullcontext
from pathlib import Path

import pytest
import several
import torch

from dmtlib.cli import main
from dmtlib.training import RunDirectory, processes
from dmtlib.training.images.stored import stored_pseudo_labels
from dmtlib.training.pixels.stored import stored_pixel_labels
from dmtlib.training.precision import choose_device

QUICK = "norm overflow packed mixup-dmt-1 mixup-dmt-2 killed-dmt-2 again-dmt-1 short-pixels-dmt-1 short-pixels-dmt-2"
THOROUGH = [
    "mixup-dmt-1 mixup-dmt-4 file-dmt-2 killed-dmt-2 hurt-dmt-2 again-dmt-4 plain-dmt-1 plain-dmt-2 "
    "plain-dmt-4 double-short-timm-dmt-1 double-short-timm-dmt-2 double-short-white-dmt-1 double-short-white-dmt-2",
    "double-mixup-dmt-1 double-mixup-dmt-2 double-mixup-dmt-4 double-mixup-cl-1 double-mixup-cl-2 "
    "double-plain-dmt-flip-1 double-plain-dmt-flip-4 double-short-mixup-online-st-1 double-short-mixup-online-st-2 "
    "double-short-plain-fixmatch-1 double-short-plain-fixmatch-2 "
    "double-short-plain-flexmatch-1 double-short-plain-flexmatch-2",
    "pixels-dmt-1 pixels-dmt-2 pixels-dmt-4 double-short-pixels-dmt-flip-1 double-short-pixels-dmt-flip-2 "
    "double-short-pixels-online-st-1 double-short-pixels-online-st-2 double-short-both-dmt-1 double-short-both-dmt-2",
    "double-pixels-dmt-1 double-pixels-dmt-2 double-pixels-dmt-4 double-short-best-dmt-1 double-short-best-dmt-2",
]
GONE = "error: another process of this run has ended; the same command goes on from here"


def start(folder: Path, names: list[str]) -> dict[str, list[int]]:
    command = [sys.executable, several.__file__, folder, *names]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def quick(tmp_path_factory) -> tuple[Path, dict[str, list[int]]]:
    folder = tmp_path_factory.mktemp("quick")
    return folder, start(folder, QUICK.split())


def run_of(folder: Path, name: str) -> RunDirectory:
    place = "killed" if name.startswith("again") else name
    return RunDirectory.of(several.config_of(name), folder / place)


def log_of(run: RunDirectory) -> list[dict]:
    return [json.loads(line) for line in (run.path / "metrics.jsonl").read_text().splitlines()]


def numbers(value: object) -> list[float]:
    values = value if isinstance(value, list | dict) else [value]
    return [x for x in (values.values() if isinstance(values, dict) else values) if isinstance(x, int | float)]


def assert_same_run(folder: Path, one: str, other: str, near: float) -> None:
    """The loss and all else that is logged at each step, what was selected, and what the record says of it."""
    ours, theirs = run_of(folder, other), run_of(folder, one)
    lines = list(zip(log_of(ours), log_of(theirs), strict=True))
    assert len(lines) >= (6 if "short" in one else 50)
    # Rounding decides about pixels where two confidences are almost equal: in float32, for a few of thousands.
    on_pixels = "models" in theirs.record["phases"][0]
    few = 1e-3 if on_pixels and near > 1e-8 else 0
    for mine, line in lines:
        assert mine.keys() == line.keys()
        for key in line:
            nearly = max(near, few) if key == "case_shares" else near
            assert numbers(mine[key]) == pytest.approx(numbers(line[key]), rel=0, abs=nearly), (key, line)
    for phase in (1, 2) if "online" not in one and "match" not in one else ():
        if on_pixels:
            for model in theirs.record["phases"][0]["models"]:
                mine, labels = (stored_pixel_labels(run, phase, model) for run in (ours, theirs))
                assert (mine.names, mine.kept) == (labels.names, labels.kept) and sum(mine.kept) > 1000
                other_pixels = sum(int((mine[i][0] != labels[i][0]).sum()) for i in range(len(labels)))
                assert other_pixels <= few * sum(mine.kept)
        else:
            mine, labels = (stored_pseudo_labels(run, phase) for run in (ours, theirs))
            assert torch.equal(mine.indices, labels.indices) and torch.equal(mine.labels, labels.labels)
            torch.testing.assert_close(mine.confidence, labels.confidence, rtol=0, atol=max(near, 1e-6))
    mine, record = ours.record, theirs.record
    assert mine.get("processes", 1) == int(other.rsplit("-", 1)[1]) and "processes" not in record
    score = "mean_iou" if "mean_iou" in record else "test_accuracy"
    assert mine[score] == pytest.approx(record[score], abs=2000 * near)  # in percent: of pixels, a few in float32
    assert mine["split_sha256"] == record["split_sha256"]


@pytest.mark.parametrize("kind", ["mixup", "short-pixels"])
def test_two_processes_give_the_run_of_one(kind, quick):
    folder, ended = quick
    assert ended[f"{kind}-dmt-2"] == [0, 0]
    assert_same_run(folder, f"{kind}-dmt-1", f"{kind}-dmt-2", near=1e-5)


def test_only_the_first_process_speaks(quick):
    folder, _ = quick
    said = (folder / "mixup-dmt-2.out").read_text(), (folder / "mixup-dmt-2.err").read_text()
    assert said[0].count("\n") == 1 and "test accuracy" in said[0]
    assert said[1].count("90 images to train on") == 1 and "warning" not in said[1]


def test_a_process_that_is_killed_ends_all_with_a_line_and_another_number_goes_on(quick):
    folder, ended = quick
    assert ended["killed-dmt-2"] == [2, -signal.SIGKILL] and ended["again-dmt-1"] == [0]
    said = (folder / "killed-dmt-2.err").read_text()
    assert said.splitlines()[-1].startswith(GONE) and said.count("error: ") == 1 and "Traceback" not in said
    again = (folder / "again-dmt-1.err").read_text()
    assert " 48%|" in again and "  0%|" not in again, "from the checkpoint before step 25 of 50"
    assert_same_run(folder, "mixup-dmt-1", "again-dmt-1", near=1e-5)


@pytest.mark.parametrize("name", several.PARTS)
def test_a_part_in_several_processes(name, quick):
    folder, ended = quick
    assert ended[name] == [0, 0], (folder / f"{name}.err").read_text()


@pytest.mark.book
@pytest.mark.parametrize("names", THOROUGH)
def test_more_processes_give_the_run_of_one(names, tmp_path):
    ended = start(tmp_path, names.split())
    for name, codes in ended.items():
        one = re.sub("again|file|hurt", "mixup", name)[:-1] + "1"
        if not name.startswith("killed"):
            assert not any(codes), (tmp_path / f"{name}.err").read_text()
            assert_same_run(tmp_path, one, name, near=1e-10 if "double" in name else 1e-5)
        if name.startswith("hurt"):
            assert (tmp_path / f"{name}.err").read_text().count("set aside as checkpoint.pt.damaged-1") == 1


@pytest.mark.book
def test_under_torchrun_a_killed_process_ends_all_and_one_process_goes_on(tmp_path):
    train = ["-m", "dmtlib", "train", "digits-40", "--budget", "0.05", "--device", "cpu", "--runs", str(tmp_path)]
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", *train]
    checkpoint = tmp_path / "digits-40/dmt/seed-0/checkpoint.pt"
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2]), "OMP_NUM_THREADS": "1"}
    with open(tmp_path / "said", "w") as said:
        run = subprocess.Popen(torchrun, stdout=said, stderr=said, env=environment)
        while not checkpoint.exists() and run.poll() is None:
            time.sleep(0.1)
        children = Path(f"/proc/{run.pid}/task/{run.pid}/children").read_text().split()
        second = next(pid for pid in children if b"\0RANK=1\0" in Path(f"/proc/{pid}/environ").read_bytes())
        os.kill(int(second), signal.SIGKILL)
        assert run.wait(300) != 0
    ours = (tmp_path / "said").read_text()
    assert ours.count(GONE) == 1 and "dmtlib/training" not in ours, "no traceback of ours"
    done = subprocess.run([sys.executable, *train], env=environment, capture_output=True, text=True)
    assert done.returncode == 0 and "test accuracy" in done.stdout, done.stderr
    assert "processes" not in json.loads((checkpoint.parent / "result.json").read_text())


@pytest.fixture
def three(monkeypatch):
    """As if this process were the second of three."""
    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.distributed, "get_world_size", lambda: 3)
    monkeypatch.setattr(torch.distributed, "get_rank", lambda: 1)


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("reproduce digits", "torchrun starts the processes of one run: dmtlib train, not reproduce"),
        ("predict run images --out out.csv", "dmtlib train, not predict"),
        ("train digits-40 --device cpu", "3 processes can't share batches of 128 evenly"),
    ],
)
def test_what_several_processes_cannot_do_is_told_in_a_line(command, words, three, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(command.split()) == 2
    told = capsys.readouterr().err
    assert told.startswith("error: ") and words in told and told.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_each_process_has_a_gpu_of_its_own(three, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "set_device", lambda device: None)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    assert choose_device("auto") == choose_device("cuda") == torch.device("cuda:1")
    assert choose_device("cpu") == torch.device("cpu")
    with pytest.raises(ValueError, match="device of several processes must be auto, cuda or cpu, got 'cuda:0'"):
        choose_device("cuda:0")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(ValueError, match="'cuda:1' is not available here; the last one is cuda:0"):
        choose_device("cuda")


def test_processes_of_several_machines_are_refused(monkeypatch, capsys):
    for name, value in {"TORCHELASTIC_RUN_ID": "x", "WORLD_SIZE": "4", "LOCAL_WORLD_SIZE": "2"}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ValueError, match="must be on one machine"), processes.joined():
        pass


@pytest.mark.parametrize("told", [None, ValueError("no such folder")])
def test_the_others_begin_after_the_first_and_not_if_it_fails(told, three, monkeypatch):
    waited, called = [], []

    def broadcast(said):
        waited.append(len(called))
        said[0] = told

    monkeypatch.setattr(torch.distributed, "broadcast_object_list", broadcast)
    with pytest.raises(ValueError, match="no such folder") if told else nullcontext():
        assert processes.after_first(lambda: called.append(1) or "data") == "data"
    assert waited == [0] and called == ([] if told else [1])


def test_dropout_is_refused(three, monkeypatch):
    monkeypatch.setattr(processes, "DistributedDataParallel", lambda model, **_: model)
    path = torch.nn.Identity()
    path.drop_prob = 0.1  # as timm's DropPath
    for model in (torch.nn.Dropout(0.1), torch.nn.Sequential(torch.nn.Linear(2, 2), path)):
        with pytest.raises(ValueError, match="several processes can't train a network with dropout"):
            processes.parallel(model)
    assert processes.parallel(still := torch.nn.Dropout(0.0)) is still
    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: False)
    assert processes.parallel(torch.nn.Dropout(0.1)) is None


def test_shares_come_back_in_order(three):
    items = list(range(8))
    shares = [items[r::3] for r in range(3)]
    assert processes.shared(items) == shares[1]
    assert torch.equal(processes.part(torch.arange(6)), torch.tensor([2, 3]))
    assert processes.part(torch.tensor(5.0)) == 5
