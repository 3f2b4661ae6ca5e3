"""Runs on the nodes of a Ray cluster, a task each: what ``dmtlib reproduce --cluster`` does.

All nodes must have the very same dmtlib, and the data; packed data that one lacks reach it through Ray's object store.
With run directories that all nodes see a run goes on elsewhere when its node dies; without, it starts anew. This file
reaches the nodes by itself: Ray sends functions of a module that can't be imported there.
"""

import hashlib
import json
import os
import signal
import socket
import tempfile
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import filelock
from rich.console import Console
from rich.live import Live
from rich.table import Table

import dmtlib
from dmtlib.data.finding import prepared
from dmtlib.data.pixels.datasets import CAMVID_SHRINKS_BY, SCENES
from dmtlib.files import whole_file
from dmtlib.records.launch import STOP_SECONDS, end, run_name, runs_folder
from dmtlib.records.store import find_record, in_words, keep_record
from dmtlib.training import RunDirectory, RunError, train
from dmtlib.training.precision import DEVICES
from dmtlib.training.provenance import commit, versions
from dmtlib.training.settings import Config
from dmtlib.words import printable, tell, told

LOOK_SECONDS = 1.0  # between two looks at the runs
RETRIES = 3  # of a run whose node or process has died
MADE_OF = {"cifar10-mini": "cifar10-jpeg", **dict.fromkeys(CAMVID_SHRINKS_BY, "camvid")}


def launch_on(
    address: str, configs: Sequence[Config], *, gpus: float | None, device: str, runs: Path, results: Path, tidy: bool
) -> int:
    """Train all ``configs`` on the Ray cluster at ``address``: HOST:PORT, "auto" for the one that this machine is in,
    "local" for a new one of it alone. A run takes a core and ``gpus`` of a GPU; None is 1, and 0 if the device is cpu.
    Records and logs come here; else as of :func:`dmtlib.records.launch.launch`. Returns how many runs failed. A
    ValueError, if Ray isn't installed, no cluster answers, or a node, which is named, has other code or data."""
    gpus = float(device != "cpu") if gpus is None else gpus
    if device not in DEVICES or not 0 <= gpus <= 1:
        allowed = f"one of {', '.join(DEVICES)}, and --gpus-per-run in [0, 1]"
        raise ValueError(f"on a cluster --device must be {allowed}, got {device} and {gpus:g}")
    runs, working, rows, failed = Path(os.path.abspath(runs)), {}, {}, 0
    ray = _join(address)
    try:
        if gpus > max(node["Resources"].get("GPU", 0) for node in ray.nodes()):
            tell("note: no node has a GPU now, and the runs wait for one; --gpus-per-run 0 asks for none")
        data = {name: _content(ray, place) for name in {c.data for c in configs} if (place := _place(name))}
        shared = _check_nodes(ray, wanted := (_code(), data), runs)
        news = ray.util.queue.Queue(actor_options={"num_cpus": 0, "resources": {"node:__internal_head__": 0.001}})
        run = ray.remote(num_cpus=1, num_gpus=gpus, max_retries=RETRIES)(_run)
        given = wanted, runs if shared else None, device, news
        working |= {run.remote(config, *given): config for config in configs}
        with Live(console=Console(stderr=True), transient=True, auto_refresh=False) as live:
            while working:
                for ref in ray.wait(list(working), timeout=LOOK_SECONDS)[0]:
                    config, record = working.pop(ref), None
                    try:
                        if not (record := ray.get(ref)):  # another process is at it, perhaps another driver's
                            working[run.remote(config, *given)] = config
                            continue
                        said = in_words(record, keep_record(results, config, record))
                    except (ray.exceptions.RayError, ValueError, OSError) as error:
                        record, said = None, f"error: {told(error).strip()}"
                    failed += not record
                    end(config, not record, runs, tidy, said)
                for ref in [ref for ref in working if find_record(results, working[ref])]:
                    ray.cancel(ref)  # that one has recorded it
                    del working[ref]
                for task, name, *row in news.get_nowait_batch(news.qsize()):
                    if task in rows and not row[1]:
                        how = "goes on from its last checkpoint" if shared else "starts anew"
                        tell(f"note: {name}: its node or process died; it {how}")
                    rows[task] = name, *row
                table = Table("run", "node", "", caption=f"{len(working)} of {len(configs)} runs to go", box=None)
                for row in filter(None, (rows.get(ref.task_id().hex()) for ref in working)):
                    table.add_row(*map(printable, row))
                live.update(table, refresh=True)
        return failed
    finally:
        for ref in working:
            ray.cancel(ref)
        if working:
            ray.wait(list(working), num_returns=len(working), timeout=STOP_SECONDS)
        ray.shutdown()


def _join(address: str) -> Any:
    """Ray, as a driver of the cluster, with as few words of its own as it can."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    (host, colon, port), stop = address.rpartition(":"), signal.getsignal(signal.SIGTERM)
    try:
        import ray.util.queue

        if colon:
            socket.create_connection((host, int(port)), timeout=5).close()  # Ray would ask for a minute
        ray.init(address, log_to_driver=False, logging_level="ERROR", include_dashboard=None if colon else False)
        signal.signal(signal.SIGTERM, stop)  # Ray's own would leave without a word
        return ray
    except ModuleNotFoundError:
        raise ValueError("--cluster needs Ray: pip install '.[cluster]'") from None
    except (OSError, OverflowError, RuntimeError, ValueError) as error:
        raise ValueError(f"no Ray cluster joined at {address!r}: {told(error).strip().splitlines()[0]}") from None


def _check_nodes(ray: Any, wanted: tuple, runs: Path) -> bool:
    """Bring each node its data, and refuse one with other code or data; whether all see the folder ``runs``."""
    on, look = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy, ray.remote(num_cpus=0)(_look)
    runs.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(prefix=".seen-", dir=runs) as file:
        nodes, blind = [node for node in ray.nodes() if node["Alive"]], []
        asked = [look.options(scheduling_strategy=on(node["NodeID"], soft=False)) for node in nodes]
        for node, answer in zip(nodes, [ask.remote(wanted, file.name) for ask in asked], strict=True):
            name = f"{node['NodeManagerHostname']} ({node['NodeName']})"
            try:
                blind += [] if ray.get(answer) else [name]
            except ray.exceptions.RayError as error:  # ours, or there is no dmtlib
                raise ValueError(f"node {name}: {str(error).strip().splitlines()[-1]}") from None
    if blind:
        tell(f"note: {runs} isn't seen by {', '.join(blind)}: a run that is stopped, or whose node dies, starts anew")
    return not blind


def _place(data: str) -> Path | None:
    """What data are read from, on this node; None, if they are made."""
    path, name = data.partition(":")[2], MADE_OF.get(data, data)
    if path:
        return Path(path).expanduser()
    return None if name in ("digits", *SCENES) else prepared(name + ".pt" * name.startswith("cifar10"))


def _content(ray: Any, place: Path) -> tuple[str, list[Any]]:
    """Of data in one file a hash, and what is in it."""
    content = place.read_bytes() if place.is_file() else b""
    return hashlib.sha256(content).hexdigest(), [ray.put(content)] if content else []


# On the nodes


def _code() -> dict[str, str | None]:
    """What must be the same everywhere."""
    library = Path(dmtlib.__file__).parent  # a constant of this file would be the driver's, as all that Ray sends
    files = sorted(file for file in library.rglob("*") if file.suffix in (".py", ".yml"))
    digest = hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()
    return {"commit": commit(), "dmtlib's code": digest[:12], **versions()}


def _look(wanted: tuple, seen: str = "") -> bool:
    """Whether a file is seen from here. Packed data that are missing are brought; a ValueError for what differs."""
    import ray

    (code, data), here = wanted, _code()
    if other := [f"{what} is {here[what]} there and {code[what]} here" for what in code if here[what] != code[what]]:
        raise ValueError("; ".join(other))
    for name, (digest, content) in data.items():
        place = Path(os.path.abspath(_place(name)))
        if content and not place.exists():
            place.parent.mkdir(parents=True, exist_ok=True)
            with filelock.FileLock(place.with_name(f".{place.name}.lock")), whole_file(place) as file:
                file.write(ray.get(content[0]))
        if not place.exists():
            raise ValueError(f"{place} is missing: bring it there, or to a path that all nodes share")
        if content and hashlib.sha256(place.read_bytes()).hexdigest() != digest:
            raise ValueError(f"{place} is not what it is here: move it away")
    return os.path.exists(seen)


def _run(config: Config, wanted: tuple, runs: Path | None, device: str, news: Any) -> dict[str, Any] | None:
    """The record of a run that is trained here; None, if another process is at it."""
    import ray

    ended, row = threading.Event(), (ray.get_runtime_context().get_task_id(), run_name(config), socket.gethostname())
    news.put((*row, ""))
    _look(wanted)
    with tempfile.TemporaryDirectory(prefix="dmtlib-") as spare:
        folder = runs_folder(runs or Path(spare), config)

        def watch() -> None:
            while not ended.wait(LOOK_SECONDS):
                with suppress(OSError, ValueError, LookupError):
                    last = (RunDirectory.of(config, folder).path / "metrics.jsonl").read_bytes().splitlines()[-1]
                    news.put((*row, "phase {phase}, step {step}".format_map(json.loads(last))))

        threading.Thread(target=watch, daemon=True).start()
        try:
            return train(config, runs=folder, device=device, progress=False)
        except RunError as error:
            if isinstance(error.__context__, filelock.Timeout):
                ended.wait(LOOK_SECONDS)
                return None
            raise ValueError(told(error)) from None
        finally:
            ended.set()
