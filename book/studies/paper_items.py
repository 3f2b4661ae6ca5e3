"""The paper's figures, tables, equations, algorithms, appendices: where this book has them, and what is recorded."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from dmtlib.records.reproduction import TABLES, Cell, cells_of

from .recorded import count_recorded


class Runs(NamedTuple):
    """The runs that an item is made from: a table's, or some of them."""

    table: str
    preset: str | None = None
    methods: tuple[str, ...] | None = None

    @property
    def cells(self) -> list[Cell]:
        return [
            cell
            for cell in TABLES[self.table]
            if self.preset in (None, cell.preset) and (self.methods is None or cell.method in self.methods)
        ]

    @property
    def wanted(self) -> int:
        return sum(len(cell.seeds) for cell in self.cells)

    def recorded(self, results: Path) -> int:
        return sum(count_recorded(cell, results) for cell in self.cells)

    @property
    def command(self) -> str:
        """Makes these records, and the others of the table."""
        return f"dmtlib reproduce {self.table}"


class Item(NamedTuple):
    """Something of the paper.

    Attributes:
        page: below book/, without its ending; None, or not there, until someone has written it.
        function: what computes it, with its module.
        runs: the paper's; None where no record is needed.
        small: runs on a CPU that the page shows in their place.
    """

    name: str
    shows: str
    page: str | None = None
    function: str | None = None
    runs: Runs | None = None
    small: Runs | None = None

    @property
    def file(self) -> str | None:
        """Where the function is."""
        return None if self.function is None else f"{self.function.rpartition('.')[0].replace('.', '/')}.py"

    def page_path(self, root: Path) -> Path | None:
        path = root / f"book/{self.page}.py"
        return path if self.page is not None and path.exists() else None

    @property
    def command(self) -> str:
        """Makes its records; where none are needed, its page."""
        return self.runs.command if self.runs else f"papermill book/{self.page}.ipynb out.ipynb --cwd book"

    def status(self, root: Path) -> str:
        """One of :data:`STATUS`."""
        if self.page_path(root) is None or self.file is None or not (root / self.file).exists():
            return "to come"
        if self.runs is None:
            return "explained"
        results = root / "results"
        recorded = self.runs.recorded(results)
        if recorded == self.runs.wanted:
            return "recorded"
        if recorded:
            return "partly run"
        return "small-scale" if self.small and self.small.recorded(results) else "not run"


STATUS = {
    "explained": "a page shows it, and it needs no runs",
    "recorded": "all runs of the paper are recorded",
    "partly run": "some of the paper's runs are recorded",
    "small-scale": "shown from small runs of our own; of the paper's none is recorded at full length",
    "not run": "page and code are there, records are not",
    "to come": "no page yet",
}
"""What may be said of an item, and what it means."""

PAPER_TABLES = tuple(f"table-{number}" for number in range(2, 8))
SMALL_TABLES = ("digits", "noise-map", "cifar10-small", "scenes", "camvid-small")


def recorded_runs(tables: tuple[str, ...], results: Path) -> tuple[int, int]:
    """How many runs of some tables are recorded at full length, and how many they ask for; each run once."""
    cells = cells_of(tables)
    return sum(count_recorded(cell, results) for cell in cells), sum(len(cell.seeds) for cell in cells)


_CIFAR10_SMALL = Runs("cifar10-small", methods=("baseline", "cl", "dmt"))
_SCENES = Runs("scenes", "scenes", methods=("baseline", "dmt", "oracle"))
_LOSS, _LABELS = "dmtlib.method.dynamic_loss", "dmtlib.method.pseudo_labels"
_RESULTS = "book.figures.segmentation_results"
_TABLES = "dmtlib.records.tables"

PAPER = [
    Item(
        "Fig. 1",
        "errors of pseudo labels by confidence",
        "01_pseudo_labels",
        "book.studies.pseudo_labels.error_in_top",
        Runs("table-3", methods=("baseline",)),
        Runs("cifar10-small", methods=("baseline",)),
    ),
    Item("Fig. 2", "the framework", "02_disagreement", "book.figures.disagreement.framework"),
    Item("Fig. 3", "disagreement on a toy", "02_disagreement", "book.studies.disagreement.train_pairs"),
    Item("Fig. 4", "augmentation and consistency", "05_augmentation", "book.studies.augmentation.learn_on"),
    Item("Fig. 5", "the three cases", "03_dynamic_loss", "book.figures.dynamic_loss.three_cases"),
    Item(
        "Fig. 6",
        "difference maximized sampling",
        "08_segmentation",
        "dmtlib.method.difference_sampling.difference_maximized_subsets",
    ),
    Item(
        "Fig. 7",
        "pseudo labels and weights, VOC",
        "09_mutual_training",
        "book.studies.mutual_training.lessons",
        Runs("table-4", "voc-20", ("dmt",)),
        Runs("scenes", "scenes", methods=("dmt",)),
    ),
    Item(
        "Fig. 8",
        "methods over labeled ratios, VOC",
        "10_segmentation_results",
        f"{_RESULTS}.over_ratios",
        Runs("table-4"),
    ),
    Item(
        "Fig. 9",
        "predictions, VOC",
        "10_segmentation_results",
        "book.studies.segmentation_results.predicted_pictures",
        Runs("table-4", "voc-20", ("baseline", "dmt")),
        Runs("scenes", "scenes", methods=("baseline", "dmt")),
    ),
    Item(
        "Fig. 10",
        "DMT and CBST by iteration, VOC",
        "09_mutual_training",
        "book.figures.mutual_training.by_phase",
        Runs("table-7", "voc-20", ("cbst", "dmt")),
        Runs("scenes", "scenes", methods=("cbst", "dmt")),
    ),
    Item("Fig. 11", "four uses of disagreement", "15_relatives", "book.studies.relatives.pulls"),
    Item(
        "Fig. A.12",
        "predictions, Cityscapes (App. A)",
        "10_segmentation_results",
        "book.studies.segmentation_results.predicted_pictures",
        Runs("table-6", "cityscapes-8", ("baseline", "dmt")),
        Runs("camvid-small", methods=("baseline", "dmt")),
    ),
    Item("Table 1", "hyper-parameters", "13_reproduce", "book.studies.reproduce.table_1"),
    Item("Table 2", "DMT and CL, CIFAR-10", "06_cifar10", f"{_TABLES}.table_2", Runs("table-2"), _CIFAR10_SMALL),
    Item(
        "Table 3",
        "DMT and other methods, CIFAR-10",
        "06_cifar10",
        f"{_TABLES}.table_3",
        Runs("table-3"),
        _CIFAR10_SMALL,
    ),
    Item(
        "Table 4",
        "DMT and other methods, VOC",
        "10_segmentation_results",
        f"{_TABLES}.table_4",
        Runs("table-4"),
        _SCENES,
    ),
    Item("Table 5", "DMT and human labels, VOC", "10_segmentation_results", f"{_TABLES}.table_5", Runs("table-5")),
    Item(
        "Table 6",
        "DMT and other methods, Cityscapes",
        "10_segmentation_results",
        f"{_TABLES}.table_6",
        Runs("table-6"),
        Runs("camvid-small"),
    ),
    Item("Table 7", "ablations, VOC", "11_ablations", f"{_TABLES}.table_7", Runs("table-7"), Runs("scenes", "scenes")),
    Item("Eq. 1", "entropy", "01_pseudo_labels", f"{_LABELS}.entropy"),
    Item("Eq. 2", "the pseudo label", "01_pseudo_labels", f"{_LABELS}.pseudo_label"),
    Item("Eq. 3", "the dynamic weight", "03_dynamic_loss", f"{_LOSS}.dynamic_weights"),
    Item("Eq. 4", "the loss of pseudo labels", "03_dynamic_loss", f"{_LOSS}.weighted_cross_entropy"),
    Item("Eq. 5", "the loss of true labels", "03_dynamic_loss", f"{_LOSS}.full_weight_where"),
    Item("Eq. 6", "their sum", "03_dynamic_loss", f"{_LOSS}.dynamic_loss"),
    Item("Alg. 1", "the curriculum, classification", "04_curriculum", "dmtlib.training.images.curriculum.Curriculum"),
    Item(
        "Alg. 2",
        "the curriculum, segmentation",
        "09_mutual_training",
        "dmtlib.training.pixels.mutual.MutualTraining",
    ),
    Item("App. B", "proper baseline training", "07_honest_evaluation", "book.studies.baselines.steps_by_rule"),
    Item(
        "App. C",
        "realistic validation",
        "07_honest_evaluation",
        "dmtlib.training.images.evaluation.fine_grained_accuracy",
    ),
]
