"""The command line: ``python -m dmtlib train | predict | reproduce | presets | table``.

Whatever is wrong with a command is told in one line on standard error, with exit code 2 and no traceback.
"""

from __future__ import annotations

import signal
import sys
import warnings
from pathlib import Path
from typing import Annotated

import typer

from .presets import METHODS, PRESETS, SEGMENTATION_METHODS, SEGMENTATION_PRESETS, VARIANTS, preset

app = typer.Typer(
    add_completion=False, help="Dynamic Mutual Training: train, compare, reproduce.", rich_markup_mode=None
)

INTERRUPTED = 130  # the exit code that shells know


@app.command()
def train(
    name: Annotated[
        str, typer.Argument(metavar="PRESET", help=f"One of: {', '.join(PRESETS | SEGMENTATION_PRESETS)}.")
    ],
    method: Annotated[
        str, typer.Option(help=f"One of: {', '.join(METHODS)}; on pixels: {', '.join(SEGMENTATION_METHODS)}.")
    ] = "dmt",
    variant: Annotated[
        str, typer.Option(help=f"{' or '.join(VARIANTS)}: as the paper says, or as the authors' code does.")
    ] = "paper",
    seed: Annotated[int, typer.Option(help="Seed of the labeled subset and of everything random.")] = 0,
    budget: Annotated[float, typer.Option(help="Share of the full training length, in (0, 10].")] = 1.0,
    data: Annotated[
        str | None,
        typer.Option(
            help="Other data: cifar10, cifar10-jpeg, packed:PATH, folder:PATH or folder@SIDE:PATH; on pixels scenes, "
            "voc, cityscapes, camvid, camvid-quarter or folder:PATH."
        ),
    ] = None,
    all_labels: Annotated[
        bool, typer.Option("--all-labels", help="Learn every label that the data have, not a drawn subset of them.")
    ] = False,
    runs: Annotated[Path, typer.Option(help="Folder of run directories.")] = Path("runs"),
    device: Annotated[str, typer.Option(help="auto, cuda, mps or cpu.")] = "auto",
    results: Annotated[Path | None, typer.Option(help="Also copy the record to this folder of records.")] = None,
    skip_recorded: Annotated[
        bool, typer.Option("--skip-recorded", help="Do nothing where --results holds this run's record.")
    ] = False,
) -> None:
    """Train, or go on where the same command was stopped."""
    from .records.store import find_record, record_path, write_record
    from .training.directory import RunDirectory

    config = preset(name, method, seed, budget, data, variant, all_labels)
    if skip_recorded and results is None:
        raise ValueError("--skip-recorded needs --results, the folder of records to look in")
    recorded = None if results is None else find_record(results, config)
    if skip_recorded and recorded is not None:
        print(f"{config.preset} {method} seed {seed}: recorded before in {record_path(results, recorded)}")
        return
    directory = RunDirectory.of(config, runs)
    finished_before = directory.record is not None
    if name in SEGMENTATION_PRESETS:
        from .training.pixels.mutual import train_segmentation as run
    else:
        from .training.images.curriculum import train as run
    record = run(config, runs=runs, device=device)
    file = directory.path / "result.json"
    if results is not None:
        file = record_path(results, record)
        write_record(file, record)
    if name in SEGMENTATION_PRESETS:
        score = f"mean IoU {record['mean_iou']:.2f}% on {record['scored_on']} (model {record['best']})"
    else:
        score = f"test accuracy {record['test_accuracy']:.2f}% (fine-grained {record['fine_grained_accuracy']:.2f}%)"
    print(
        f"{config.preset} {method} seed {seed}{' was finished before' if finished_before else ''}: "
        f"{score}, record {file}"
    )


@app.command()
def predict(
    run: Annotated[
        Path, typer.Argument(metavar="RUN", help="Directory of a finished run: runs/PRESET/METHOD/seed-N.")
    ],
    images: Annotated[Path, typer.Argument(metavar="IMAGES", help="Folder of PNG and JPEG images, or one image.")],
    out: Annotated[Path, typer.Option(help="CSV file for a run on images; a new folder of masks for one on pixels.")],
    device: Annotated[str, typer.Option(help="auto, cuda, mps or cpu.")] = "auto",
) -> None:
    """Ask a finished run about images: a class and a confidence for each, or a mask."""
    from .prediction import predict_folder

    count = predict_folder(run, images, out, device=device)
    print(f"{count:,} image{'s' * (count != 1)} predicted: {out}")


@app.command()
def reproduce(
    tables: Annotated[list[str], typer.Argument(metavar="TABLE…", help="table-2, …, digits; a wrong name lists all.")],
    seeds: Annotated[str | None, typer.Option(help="Such as 0,1; default: each table's own.")] = None,
    budget: Annotated[float, typer.Option(help="Share of the full training length, in (0, 10].")] = 1.0,
    data: Annotated[str | None, typer.Option(help="Other data, as for train.")] = None,
    variant: Annotated[str, typer.Option(help=f"{' or '.join(VARIANTS)}, as for train.")] = "paper",
    jobs: Annotated[int | None, typer.Option(help="Runs at a time; default: one a GPU, or one.")] = None,
    runs: Annotated[Path, typer.Option(help="Folder of run directories.")] = Path("runs"),
    device: Annotated[str, typer.Option(help="auto, cuda, mps or cpu.")] = "auto",
    results: Annotated[Path, typer.Option(help="Folder of records.")] = Path("results"),
    tidy: Annotated[bool, typer.Option("--tidy", help="Delete a run's directory once it is recorded.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only list what is to be done.")] = False,
) -> None:
    """Train every run of some tables that has no record yet, several at a time, and keep their records."""
    from .records.launch import launch, train_command
    from .records.reproduction import missing_runs, runs_of

    if seeds is not None and not all(part.strip().isdecimal() for part in seeds.split(",")):
        raise ValueError(f"seeds must be whole numbers with commas between them, got {seeds!r}")
    chosen = None if seeds is None else [int(part) for part in seeds.split(",")]
    wanted = runs_of(tables, seeds=chosen, budget=budget, data=data, variant=variant)
    missing = missing_runs(wanted, results)
    print(f"{len(wanted) - len(missing)} of {len(wanted)} runs are recorded in {results}", flush=True)
    if dry_run:
        for config in missing:
            print("python", *train_command(config, device=device, runs=runs, results=results))
    elif failed := launch(missing, jobs=jobs, device=device, runs=runs, results=results, tidy=tidy):
        print(f"{failed} of {len(missing)} runs failed; the same command tries them again", file=sys.stderr)
        raise typer.Exit(1)


@app.command()
def presets() -> None:
    """List the presets and the methods."""
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, header_style="bold")
    for column in ("preset", "data", "labels", "network", "batch (labeled)", "length of a phase"):
        table.add_column(column, no_wrap=column == "preset")
    for name in PRESETS | SEGMENTATION_PRESETS:
        c = preset(name, "dmt")
        length = f"{c.phase_steps} steps" if c.phase_steps else f"{c.phase_epochs:g} epochs"
        if name in SEGMENTATION_PRESETS:
            labels, network = (
                f"1/{c.labeled_ratio:g}" if c.labeled_ratio else "prescribed",
                c.backbone,
            )
        else:
            labels, network = str(c.num_labels), f"WRN-{c.depth}-{c.widen_factor}"
        table.add_row(name, c.data, labels, network, f"{c.batch_size} ({c.labeled_per_batch})", length)
    Console().print(table)
    print(f"methods: {', '.join(METHODS)}; on pixels: {', '.join(SEGMENTATION_METHODS)}")
    print(f"variants: {', '.join(VARIANTS)} (the row PRESET-authors)")


@app.command()
def table(
    name: Annotated[str, typer.Argument(metavar="TABLE", help="digits, table-2, …; a wrong name lists them all.")],
    results: Annotated[Path, typer.Option(help="Folder of records.")] = Path("results"),
) -> None:
    """Print a table made from the records in a folder; a cell without a record says "not run"."""
    from .records.tables import TABLES, render

    if name not in TABLES:
        raise ValueError(f"table must be one of {', '.join(TABLES)}, got {name!r}")
    if not results.is_dir():
        raise ValueError(f"{results} is no folder of records")
    print(render(TABLES[name](results)))


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; the exit code is 0, 2 for a command that cannot be carried out, 130 when interrupted.

    SIGTERM, by which batch systems stop a job, is taken for Ctrl-C.
    """
    from .training.directory import RunError

    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    warnings.showwarning = lambda message, *_, **__: print(f"warning: {message}", file=sys.stderr)
    try:
        code = app(arguments, standalone_mode=False) or 0
        if code == INTERRUPTED:  # newer typers answer Ctrl-C themselves, with this code and no word
            raise KeyboardInterrupt
        return code
    except (RunError, ValueError) as error:
        return _refuse(str(error))
    except (KeyboardInterrupt, typer.Abort):
        print("stopped; the same command goes on from here", file=sys.stderr)
        return INTERRUPTED
    except Exception as error:  # a wrong option or command: click's classes, which newer typers carry inside
        if not hasattr(error, "format_message"):
            raise
        return _refuse(error.format_message())
    finally:
        signal.signal(signal.SIGTERM, before)


def _refuse(message: str) -> int:
    print(f"error: {' '.join(message.split())}", file=sys.stderr)
    return 2
