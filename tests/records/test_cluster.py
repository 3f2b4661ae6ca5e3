"""Tables on a Ray cluster: three nodes on this machine, with a core each as far as Ray is told."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch
from clone import ROOT

from dmtlib.cli import main
from dmtlib.data.images.datasets import load_digits
from dmtlib.data.images.packed import PackedImages, write_packed
from dmtlib.presets import preset
from dmtlib.records.store import record_path
from dmtlib.training import train

RUNS = ("dst", "cl", "dmt")  # of helpers/driver.py
CHANCE = ("seconds", "images_per_second", "device")
LONG, SHORT = "0.1", "0.002"


# Without a cluster


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("--cluster 127.0.0.1:1", "no Ray cluster joined at '127.0.0.1:1': Connection refused"),
        ("--cluster 127.0.0.1:port", "no Ray cluster joined at '127.0.0.1:port': invalid literal"),
        ("--cluster auto --jobs 2", "--jobs is for one machine; on a cluster --gpus-per-run says"),
        ("--gpus-per-run 0.5", "--jobs is for one machine; on a cluster --gpus-per-run says"),
        ("--cluster auto --gpus-per-run 2", "--gpus-per-run in [0, 1], got cpu and 2"),
        ("--cluster auto --device tpu", "on a cluster --device must be one of auto, cuda, mps, cpu"),
    ],
)
def test_what_is_wrong_is_told_in_one_line(options, words, capsys, tmp_path, monkeypatch):
    pytest.importorskip("ray")
    monkeypatch.chdir(tmp_path)
    assert main(["reproduce", "digits", "--device", "cpu", *options.split()]) == 2
    told = capsys.readouterr().err
    assert told.count("\n") == 1 and told.startswith("error: ") and words in told
    assert not list(tmp_path.iterdir())


def test_without_ray_it_says_what_to_install(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "ray", None)
    assert main(["reproduce", "digits", "--cluster", "auto"]) == 2
    assert capsys.readouterr().err == "error: --cluster needs Ray: pip install '.[cluster]'\n"


def test_where_the_library_alone_is_it_says_that_a_clone_is_needed(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("dmtlib.records.launch.SOURCE", tmp_path)
    assert main(["reproduce", "digits", "--cluster", "auto"]) == 2
    told = capsys.readouterr().err
    assert told.startswith(f"error: {tmp_path}/reproduce/cluster.py is missing: ") and told.count("\n") == 1


def test_a_dry_run_lists_the_commands_and_joins_no_cluster(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "ray", None)
    assert main(["reproduce", "table-7", "--cluster", "127.0.0.1:1", "--dry-run"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 15


# With one

book = pytest.mark.book


def environment(**settings: str) -> dict[str, str]:
    paths = os.pathsep.join(map(str, (ROOT, ROOT / "tests/helpers")))
    return {
        **os.environ,
        "PYTHONPATH": paths,
        "OMP_NUM_THREADS": "1",
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_worker_niceness": "0",
        "RAY_AUTH_MODE": "disabled",
        **settings,
    }


class Nodes:
    """A cluster whose nodes work in a folder each."""

    def __init__(self, folder: Path) -> None:
        from ray.cluster_utils import Cluster

        self.folder, self.cluster, self.nodes = folder, Cluster(), {}

    def add(self, name: str, **settings: str):
        before = Path.cwd()
        (self.folder / name).mkdir()
        os.chdir(self.folder / name)
        try:
            options = {"num_cpus": 1, "num_gpus": 1, "object_store_memory": 80 * 2**20, "node_name": name}
            return self.cluster.add_node(**options, include_dashboard=False, env_vars=environment(**settings))
        finally:
            os.chdir(before)

    def at(self, run: Path) -> str | None:
        """Which of the nodes without a driver is in the middle of a run."""
        raylets = {node.all_processes["raylet"][0].process.pid: name for name, node in self.nodes.items()}
        for process in psutil.process_iter() if (run / "phase-0.pt").exists() else ():
            with suppress(psutil.Error):
                name = raylets.get(process.ppid(), "first")
                if name != "first" and str(run / "metrics.jsonl") in {file.path for file in process.open_files()}:
                    return name
        return None

    def command(self, *arguments: str) -> subprocess.Popen:
        """A driver, beside the first node."""
        command = [sys.executable, ROOT / "tests/helpers/driver.py", "reproduce", *arguments]
        options = ["--data", "packed:tiny.pt", "--seeds", "0", "--device", "cpu", "--cluster", self.cluster.address]
        return subprocess.Popen(
            [*command, *options],
            cwd=self.folder / "first",
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            preexec_fn=partial(
                signal.signal, signal.SIGINT, signal.SIG_DFL
            ),  # ignored, if these tests are under nohup
        )


@pytest.fixture(scope="module")
def nodes(tmp_path_factory):
    """Three: the data lie beside the first, and reach the others through Ray."""
    pytest.importorskip("ray")
    made = Nodes(tmp_path_factory.mktemp("nodes"))
    try:
        for name in ("first", "second", "third"):
            made.nodes[name] = made.add(name)
        digits = load_digits()
        images = [images.expand(-1, 3, -1, -1).contiguous() for images in (digits.train_images, digits.test_images)]
        parts = images[0], digits.train_labels, images[1], digits.test_labels
        write_packed(PackedImages(digits.classes, *parts, source="scikit-learn"), made.folder / "first/tiny.pt")
        yield made
    finally:
        made.cluster.shutdown()


def results(folder: Path, budget: str) -> dict[str, dict]:
    """Of each method what no machine's speed has a part in."""
    files = folder.glob(f"digits-40-budget-{budget}/*/seed-0.json")
    records = {file.parent.name: json.loads(file.read_text()) for file in files}
    return {method: {k: v for k, v in made.items() if k not in CHANCE} for method, made in records.items()}


def of_one_machine(nodes: Nodes, budget: str, monkeypatch) -> dict[str, dict]:
    monkeypatch.chdir(nodes.folder / "first")
    torch.set_num_threads(1)
    for method in RUNS:
        config = preset("digits-40", method, 0, float(budget), "packed:tiny.pt")
        record = train(config, runs=f"alone-{budget}", device="cpu", progress=False)
        file = record_path(Path("alone"), record)
        file.parent.mkdir(parents=True)
        file.write_text(json.dumps(record))
    return results(Path("alone"), budget)


def wait_for(condition: Callable[[], Any], driver: subprocess.Popen) -> Any:
    end = time.monotonic() + 300
    while not (found := condition()):
        assert driver.poll() is None, driver.communicate()[0]
        assert time.monotonic() < end
        time.sleep(0.1)
    return found


@book
def test_the_records_are_those_of_one_machine_and_a_run_that_fails_stops_no_other(nodes, monkeypatch):
    """On made-up GPUs; with the data at one node alone, and a folder of runs that each node sees as another one."""
    options = ["--budget", SHORT, "--gpus-per-run", "0.5", "--runs", "/proc/self/cwd/runs"]
    driver = nodes.command("digits", "table-2", *options)
    told, _ = driver.communicate(timeout=500)
    assert driver.returncode == 1, told
    assert results(nodes.folder / "first/results", SHORT) == of_one_machine(nodes, SHORT, monkeypatch)
    lines = told.splitlines()
    assert lines[0] == "0 of 4 runs are recorded in results"
    assert lines[1].startswith("note: /proc/self/cwd/runs isn't seen by ")
    assert lines[1].endswith("a run that is stopped, or whose node dies, starts anew")
    assert "failed: cifar10-4000 baseline seed 0 budget 0.002: ValueError: " in told
    assert lines[-1] == "1 of 4 runs failed; the same command tries them again"
    assert len(lines) == 7, told  # and no word of Ray's
    data = (nodes.folder / "first/tiny.pt").read_bytes()
    assert all((nodes.folder / name / "tiny.pt").read_bytes() == data for name in ("second", "third"))


@book
def test_a_node_dies_a_driver_is_stopped_another_is_killed_and_the_bits_are_the_same(nodes, monkeypatch):
    runs = nodes.folder / "runs"
    options = ["digits", "--budget", LONG, "--gpus-per-run", "0", "--runs", str(runs)]
    folders = [runs / f"budget-{LONG}/digits-40/{method}/seed-0" for method in RUNS]
    driver = nodes.command(*options)
    name = wait_for(lambda: next(filter(None, map(nodes.at, folders)), None), driver)
    nodes.cluster.remove_node(nodes.nodes.pop(name), allow_graceful=False)
    said = ""
    while "died" not in said:
        assert (line := driver.stdout.readline()), said
        said += line
    assert "its node or process died; it goes on from its last checkpoint" in said
    driver.send_signal(signal.SIGINT)
    rest, _ = driver.communicate(timeout=200)
    assert driver.returncode == 130 and rest.endswith("stopped; the same command goes on from here\n"), rest

    stopped = time.time()
    first, second = nodes.command(*options), nodes.command(*options)

    def goes_on() -> bool:  # or is through: a run that was stopped in its last step has nothing more to say
        return second.poll() is not None or any((f / "metrics.jsonl").stat().st_mtime > stopped for f in folders)

    wait_for(goes_on, second)
    first.kill()
    told, _ = second.communicate(timeout=500)
    first.communicate()
    assert second.returncode == 0, told
    assert results(nodes.folder / "first/results", LONG) == of_one_machine(nodes, LONG, monkeypatch)
    again = nodes.command(*options)
    assert again.communicate(timeout=200)[0] == "3 of 3 runs are recorded in results\n" and again.returncode == 0


@book
def test_a_node_with_other_code_or_other_data_is_named(nodes):
    shutil.copytree(ROOT / "dmtlib", nodes.folder / "old/dmtlib")
    with open(nodes.folder / "old/dmtlib/words.py", "a") as file:
        file.write("# another version\n")
    node = nodes.add("other", PYTHONPATH=str(nodes.folder / "old"), DMT_COMMIT="abc")
    try:
        driver = nodes.command("digits", "--budget", "0.001")
        told, _ = driver.communicate(timeout=500)
        assert driver.returncode == 2, told
        refusal = told.splitlines()[-1]
        assert "(other): ValueError: commit is abc+copy there and " in refusal
        assert "dmtlib's code is " in refusal and told.count("\n") == 2
    finally:
        nodes.cluster.remove_node(node)
    name = [*nodes.nodes][1]
    (nodes.folder / name / "tiny.pt").write_bytes(b"other images")
    driver = nodes.command("digits", "--budget", "0.001")
    told, _ = driver.communicate(timeout=500)
    assert driver.returncode == 2
    place = nodes.folder / name / "tiny.pt"
    assert told.endswith(f"({name}): ValueError: {place} is not what it is here: move it away\n")
    assert (nodes.folder / name / "tiny.pt").read_bytes() == b"other images"
