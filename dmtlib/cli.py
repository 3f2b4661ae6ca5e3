"""The command line: ``dmtlib check | train | predict | export | reproduce | presets | table``.

Whatever is wrong with a command is told in one line on standard error, with exit code 2 and no traceback.
"""

import io
import os
import re
import shlex
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer

from . import training
from .data.finding import in_data
from .endings import INTERRUPTED, stoppable
from .presets import FOLDER, METHODS, PRESETS, SEGMENTATION_METHODS, SEGMENTATION_PRESETS, VARIANTS, preset
from .records.store import check_writable, find_record, in_words, keep_record, record_path, records_folder
from .training import RunDirectory, RunError, processes
from .training.images.config import STARTS
from .training.precision import DEVICES, choose_device
from .training.settings import Config
from .words import counted, printable, tell, told

NAME = "dmtlib"  # whoever started it: python -m would call it by its file's name
NOT_ON_PIXELS = f"on pixels all but {', '.join(m for m in METHODS if m not in SEGMENTATION_METHODS)}"
FLAG = ""  # as a metavar: newer typers would write <bool>


def _option(panel: str | None, metavar: str, help: str, *names: str, **more: Any) -> Any:
    return typer.Option(*names, metavar=metavar, help=help, rich_help_panel=panel, **more)


def _argument(metavar: str, help: str, **more: Any) -> Any:
    return typer.Argument(metavar=metavar, help=help, **more)


# An option in a panel of --help.
_what, _data, _where, _how, _cluster = (
    partial(_option, panel) for panel in ("What to train", "Data", "Where", "How", "On a cluster")
)


def _number(kind: type, written: str) -> Callable[[str], Any]:
    def number(text: str) -> Any:
        if not re.fullmatch(written, str(text)):  # Python reads the digits of all scripts, and 1_000
            whole, most = ("whole ", ", at most 18 of them") if kind is int else ("", "")
            raise typer.BadParameter(f"{text!r} is no {whole}number in the digits 0…9{most}")
        return kind(text)

    return number


_WHOLE = _number(int, "[-+]?[0-9]{1,18}")
_REAL = _number(float, r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?|nan")


def _path(text: str) -> Path:
    if not str(text):
        raise typer.BadParameter("a path is needed, got ''")
    return Path(text).expanduser()  # the shell leaves --out=~/x as it is


class Stopped(Exception):
    """Ctrl-C in a command that doesn't go on where it was."""


@contextmanager
def _anew() -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        raise Stopped("stopped; nothing was written, and the same command starts anew") from None


app = typer.Typer(rich_markup_mode="rich")  # or there would be no panels


# What the shell completes arguments with, in three functions. Imports stand inside: only the tabulator needs them.
def _methods(ctx: typer.Context) -> list[str]:
    """Those of the preset, if the line names one by now; after an option that waits for its value it is in `args`."""
    on_pixels = SEGMENTATION_PRESETS.keys() & {ctx.params.get("name"), *ctx.args}
    return list(SEGMENTATION_METHODS if on_pixels else METHODS)


def _presets() -> list[str]:
    return list(PRESETS | SEGMENTATION_PRESETS)


def _tables(module: str) -> Callable[[], list[str]]:
    return lambda: list(import_module(f".records.{module}", __package__).TABLES)


_rows = f"On images {', '.join(PRESETS)}; on pixels {', '.join(SEGMENTATION_PRESETS)}"
_all_methods = f"One of {', '.join(METHODS)}; {NOT_ON_PIXELS}."
_others = (
    "Other data: cifar10, cifar10-jpeg, packed:PATH, folder:PATH or folder@SIDE:PATH; on pixels scenes, "
    "voc, cityscapes, camvid, camvid-quarter, camvid-half or folder:PATH."
)
_version = "Print the version; in a clone, its commit too."
_variants = f"{' or '.join(VARIANTS)}: as the paper says, or as the authors' code does."
Variant = Annotated[str, _what("NAME", _variants, autocompletion=lambda: list(VARIANTS))]
Budget = Annotated[float, _what("SHARE", "Share of the full training length, in (0, 10].", parser=_REAL)]
Runs = Annotated[Path, _where("FOLDER", "Folder of run directories.", parser=_path)]
Device = Annotated[str, _where("NAME", "auto, cuda, cuda:N, mps or cpu.", autocompletion=lambda: list(DEVICES))]
Records = Annotated[Path, _option(None, "FOLDER", "Folder of records.", parser=_path)]
FinishedRun = Annotated[Path, _argument("RUN", "A finished run: its folder PRESET/METHOD/seed-N.", parser=_path)]


def _say_version(asked: bool) -> None:
    if asked:
        from . import __version__
        from .training.provenance import commit

        made_from = commit()
        print(f"{NAME} {__version__}{f' ({made_from})' if made_from else ''}")
        raise typer.Exit()


@app.callback()
def _root(
    ctx: typer.Context,
    version: Annotated[bool, _option(None, FLAG, _version, "--version", callback=_say_version, is_eager=True)] = False,
) -> None:
    """Dynamic Mutual Training: train, compare, reproduce."""
    if processes.count() > 1 and ctx.invoked_subcommand != "train":
        raise ValueError(f"torchrun starts the processes of one run: {NAME} train, not {ctx.invoked_subcommand}")


@app.command()
def check(
    data: Annotated[str, _argument("DATA", "A folder, or what --data of train takes.")],
    name: Annotated[
        str | None, _what("NAME", "Then the split is checked, and a baseline.", "--preset", autocompletion=_presets)
    ] = None,
    runs: Runs = Path("runs"),
) -> None:
    """Look at data before training: what is read, what is left out, and whether DMT is likely to help."""
    from .checking import check as lines

    with _anew():
        for line in lines(data, name, runs):
            print(printable(line), flush=True)


@app.command()
def train(
    name: Annotated[str, _argument("PRESET", f"{_rows}. `{NAME} presets` says more.", autocompletion=_presets)],
    method: Annotated[str, _what("NAME", _all_methods, autocompletion=_methods)] = "dmt",
    variant: Variant = "paper",
    seed: Annotated[int, _what("N", "Of the labeled subset and of everything random.", parser=_WHOLE)] = 0,
    budget: Budget = 1.0,
    data: Annotated[str | None, _data("DATA", _others, "--data")] = None,  # typer 0.27 would make it --DATA
    all_labels: Annotated[
        bool, _data(FLAG, "Learn every label that the data have, not a drawn subset of them.", "--all-labels")
    ] = False,
    network: Annotated[list[str] | None, _what("NAME", "timm:NAME, for folder; given twice, they take turns.")] = None,
    views: Annotated[int, _what("K", "Views of an image whose mean prediction labels it.", parser=_WHOLE)] = 1,
    start: Annotated[
        str, _what("NAME", f"{' or '.join(STARTS)}, of phase 0 on images.", autocompletion=lambda: list(STARTS))
    ] = STARTS[0],
    runs: Runs = Path("runs"),
    device: Device = "auto",
    results: Annotated[Path | None, _where("FOLDER", "Folder of records, for a copy.", parser=_path)] = None,
    skip_recorded: Annotated[
        bool, _where(FLAG, "Do nothing where --results holds this run's record.", "--skip-recorded")
    ] = False,
) -> None:
    """Train, or go on where the same command was stopped."""
    config = preset(name, method, seed, budget, data, variant, all_labels, network or (), views, start)
    if config.data == FOLDER:
        raise ValueError(f"the preset {name} needs your images: --data folder:PATH")
    if skip_recorded and results is None:
        raise ValueError("--skip-recorded needs --results, the folder of records to look in")
    recorded = None if results is None else find_record(results, config)
    if skip_recorded and recorded is not None:
        print(printable(f"{config.preset} {method} seed {seed}: recorded before in {record_path(results, recorded)}"))
        return
    _check_places(config, runs, results)
    directory = RunDirectory.of(config, runs)
    before = directory.record
    record = training.train(config, runs=runs, device=device)
    file = directory.path / "result.json"
    if results is not None:
        file = keep_record(results, config, record) if processes.rank() == 0 else record_path(results, record)
    again = " was finished before" if record == before else ""
    print(printable(in_words(record, file, again)))


@app.command()
def predict(
    run: FinishedRun,
    images: Annotated[Path, _argument("IMAGES", "Folder of images, or one image.", parser=_path)],
    out: Annotated[Path, _where("PATH", "A new CSV file; of a run on pixels, a new folder of masks.", parser=_path)],
    device: Device = "auto",
    skip_unreadable: Annotated[
        bool, _how(FLAG, "Leave out images that cannot be read, and name them.", "--skip-unreadable")
    ] = False,
    both: Annotated[bool, _how(FLAG, "On pixels: average models A and B; else the better one.", "--both")] = False,
) -> None:
    """Ask a finished run about images: a class and a confidence for each, or a mask."""
    from .prediction import predict_folder

    with _anew():
        count = predict_folder(run, images, out, device=device, skip_unreadable=skip_unreadable, both=both)
    print(printable(f"{counted(count, 'image')} predicted: {out}"))


@app.command()
def export(
    run: FinishedRun,
    out: Annotated[Path, _where("FILE", "A new file; a card that describes it is FILE.md.", parser=_path)],
    format: Annotated[str, _how("NAME", "onnx, torchscript or safetensors.")] = "onnx",
) -> None:
    """Write a finished run's model to a file for other programs: RGB images in, probabilities out."""
    from .export import export_run

    with _anew():
        card = export_run(run, out, format)
    print(printable(f"written: {out}, and what it is: {card}"))


@app.command()
def reproduce(
    tables: Annotated[
        list[str],
        _argument("TABLE…", "table-2, …, digits; a wrong name lists all.", autocompletion=_tables("reproduction")),
    ],
    seeds: Annotated[str | None, _what("N,N", "Such as 0,1; default: each table's own.")] = None,
    budget: Budget = 1.0,
    data: Annotated[str | None, _what("DATA", "Other data, as for train.", "--data")] = None,
    variant: Variant = "paper",
    jobs: Annotated[int | None, _how("N", "Runs at a time, by default one a GPU.", parser=_WHOLE)] = None,
    runs: Runs = Path("runs"),
    device: Device = "auto",
    results: Annotated[Path, _where("FOLDER", "Folder of records.", parser=_path)] = Path("results"),
    cluster: Annotated[
        str | None, _cluster("HOST:PORT", "Of a Ray cluster; or auto, the one here; or local, a new one.")
    ] = None,
    gpus_per_run: Annotated[
        float | None, _cluster("SHARE", "In [0, 1]; default: 1, or 0 with --device cpu.", parser=_REAL)
    ] = None,
    tidy: Annotated[bool, _how(FLAG, "Delete a run's directory once it is recorded.", "--tidy")] = False,
    dry_run: Annotated[bool, _how(FLAG, "Only list what is to be done.", "--dry-run")] = False,
) -> None:
    """Train every run of some tables that has no record yet, several at a time, and keep their records."""
    from .records.launch import launch, of_the_clone, runs_folder, train_command
    from .records.reproduction import missing_runs, runs_of

    if cluster is None and not dry_run:  # the commands may be for another machine
        choose_device(device)
    if (gpus_per_run if cluster is None else jobs) is not None:
        raise ValueError("--jobs is for one machine; on a cluster --gpus-per-run says how many runs share a GPU")
    if seeds is not None and not re.fullmatch(r" *[0-9]{1,18} *(, *[0-9]{1,18} *)*", seeds):
        raise ValueError(f"seeds must be whole numbers with commas between them, got {seeds!r}")
    chosen = None if seeds is None else [int(part) for part in seeds.split(",")]
    wanted = runs_of(tables, seeds=chosen, budget=budget, data=data, variant=variant)
    missing = missing_runs(wanted, results)
    for config in missing:
        _check_places(config, runs_folder(runs, config), results)
    print(printable(f"{len(wanted) - len(missing)} of {len(wanted)} runs are recorded in {results}"), flush=True)
    if dry_run:
        for config in missing:
            print(shlex.join([NAME, *train_command(config, device=device, runs=runs, results=results)]))
        return
    start = partial(launch, jobs=jobs)
    if cluster is not None:
        start = partial(of_the_clone("reproduce/cluster.py").launch_on, cluster, gpus=gpus_per_run)
    if failed := start(missing, device=device, runs=runs, results=results, tidy=tidy):
        print(f"{failed} of {len(missing)} runs failed; the same command tries them again", file=sys.stderr)
        raise typer.Exit(1)


@app.command()
def presets(results: Records = Path("results")) -> None:
    """List the presets and the methods: what is recorded of each, and what a run costs."""
    from rich.console import Console

    from .records.preset_list import explanation, preset_rows, preset_table

    rows, console = preset_rows(results), Console(highlight=False, markup=False)
    console.print(preset_table(rows, results))
    console.print()
    for line in explanation(rows, results):
        console.print(printable(line))
    console.print(f"methods: {', '.join(METHODS)}; {NOT_ON_PIXELS}")
    console.print(f"variants: {', '.join(VARIANTS)} (the row PRESET-authors)")


@app.command()
def table(
    name: Annotated[
        str, _argument("TABLE", "digits, table-2, …; a wrong name lists them all.", autocompletion=_tables("tables"))
    ],
    results: Records = Path("results"),
) -> None:
    """Print a table made from the records in a folder; a cell without a record says "not run"."""
    from .records.tables import TABLES, render

    if name not in TABLES:
        raise ValueError(f"table must be one of {', '.join(TABLES)}, got {name!r}")
    if not results.is_dir():
        if results != Path("results"):  # which was asked for
            raise ValueError(f"{results} is no folder of records")
        print("note: there is no folder results here, so nothing is recorded", file=sys.stderr)
    print(render(TABLES[name](results)))


def _check_places(config: Config, runs: Path, results: Path | None) -> None:
    """Refuse places of output that lie in the data, which the next command would read, or that cannot be written."""
    folders = [] if results is None else [records_folder(results, config.preset, config.method, config.budget)]
    for place in [RunDirectory.of(config, runs).path, *folders]:  # data may bear a preset's name
        if in_data(place, config.data):
            raise ValueError(f"{place}: lies in the data {config.data}: choose another folder")
    if results is not None:
        check_writable(results, config)


@stoppable()
def main(arguments: list[str] | None = None) -> int:
    """Run the command line; the exit code is 0, 2 for a command that cannot be carried out, 130 when interrupted."""
    sys.stdout, sys.stderr = (stream or open(os.devnull, "w") for stream in (sys.stdout, sys.stderr))  # noqa: SIM115
    warnings.showwarning = lambda message, *_, **__: tell(f"warning: {message}")
    try:
        if isinstance(sys.stdout, io.TextIOWrapper):  # letters that a terminal doesn't have are escaped
            sys.stdout.reconfigure(errors="backslashreplace")
        with processes.joined():
            code = app(arguments, prog_name=NAME, standalone_mode=False) or 0
            if code == INTERRUPTED:  # newer typers answer Ctrl-C themselves, with this code and no word
                raise KeyboardInterrupt
            return code
    except (RunError, ValueError, OSError, MemoryError) as error:
        return _refuse(told(error))
    except Stopped as stopped:
        print(stopped, file=sys.stderr)
        return INTERRUPTED
    except (KeyboardInterrupt, typer.Abort):
        return processes.leave("stopped; the same command goes on from here", INTERRUPTED)
    except Exception as error:  # a wrong option or command: click's classes, which newer typers carry inside
        if "home directory" in str(error):  # of ~somebody
            return _refuse(str(error))
        if not hasattr(error, "format_message"):
            raise
        return _refuse(error.format_message())


def _refuse(message: str) -> int:
    return processes.leave(f"error: {' '.join(message.split())}", 2)
