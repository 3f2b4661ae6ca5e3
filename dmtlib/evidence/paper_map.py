"""The paper's figures, tables, equations, algorithms and appendices, and where this book has them."""

from __future__ import annotations

import html
import os
import re
from pathlib import Path
from typing import NamedTuple

from .places import repository


class Item(NamedTuple):
    """Something of the paper; ``page`` below book/ and ``file`` are None until someone has written them."""

    name: str
    shows: str
    page: str | None = None
    file: str | None = None
    records: str | None = None  # folders of results/ whose runs it is made from, as a pattern

    def written(self, root: Path) -> bool:
        """Whether a page shows it and a file computes it."""
        return self.page_path(root) is not None and self.file is not None and (root / self.file).exists()

    def done(self, root: Path) -> bool:
        """Whether, besides, there are records of the runs that it is made from."""
        recorded = self.records is None or any((root / "results").glob(f"{self.records}/*/seed-*.json"))
        return self.written(root) and recorded

    def page_path(self, root: Path) -> Path | None:
        path = root / f"book/{self.page}.py"
        return path if self.page is not None and path.exists() else None


LOSS = "dmtlib/method/dynamic_loss.py"
LABELS = "dmtlib/method/pseudo_labels.py"
CIFAR_TABLES = "dmtlib/evidence/cifar_tables.py"

PAPER = [
    Item("Fig. 1", "errors of pseudo labels by confidence", "01_pseudo_labels", "dmtlib/evidence/confidence.py"),
    Item("Fig. 2", "the framework", "02_disagreement", "dmtlib/evidence/disagreement_figures.py"),
    Item("Fig. 3", "disagreement on a toy", "02_disagreement", "dmtlib/evidence/toy.py"),
    Item("Fig. 4", "augmentation and consistency", "05_augmentation", "dmtlib/evidence/anchoring.py"),
    Item("Fig. 5", "the three cases", "03_dynamic_loss", "dmtlib/evidence/loss_figures.py"),
    Item("Fig. 6", "difference maximized sampling", None, "dmtlib/method/difference_sampling.py"),
    Item("Fig. 7", "pseudo labels and weights, VOC"),
    Item("Fig. 8", "methods over labeled ratios, VOC"),
    Item("Fig. 9", "predictions, VOC"),
    Item("Fig. 10", "DMT and CBST by iteration, VOC"),
    Item("Fig. 11", "four uses of disagreement"),
    Item("Fig. A.12", "predictions, Cityscapes"),
    Item("Table 1", "hyper-parameters", None, "dmtlib/presets.py"),
    Item("Table 2", "DMT and CL, CIFAR-10", "06_cifar10", CIFAR_TABLES, "cifar10-[14]000*"),
    Item("Table 3", "DMT and other methods, CIFAR-10", "06_cifar10", CIFAR_TABLES, "cifar10-4000*"),
    Item("Table 4", "DMT and other methods, VOC"),
    Item("Table 5", "DMT and human labels, VOC"),
    Item("Table 6", "DMT and other methods, Cityscapes"),
    Item("Table 7", "ablations, VOC"),
    Item("Eq. 1", "entropy", "01_pseudo_labels", LABELS),
    Item("Eq. 2", "the pseudo label", "01_pseudo_labels", LABELS),
    Item("Eq. 3", "the dynamic weight", "03_dynamic_loss", LOSS),
    Item("Eq. 4", "the loss of pseudo labels", "03_dynamic_loss", LOSS),
    Item("Eq. 5", "the loss of true labels", "03_dynamic_loss", LOSS),
    Item("Eq. 6", "their sum", "03_dynamic_loss", LOSS),
    Item("Alg. 1", "the curriculum, classification", "04_curriculum", "dmtlib/training/curriculum.py"),
    Item("Alg. 2", "the curriculum, segmentation", None, "dmtlib/training/mutual.py"),
    Item("App. A", "more predictions"),
    Item("App. B", "proper baseline training", "07_honest_evaluation", "dmtlib/evidence/baselines.py"),
    Item("App. C", "realistic validation", "07_honest_evaluation", "dmtlib/evidence/evaluation.py"),
]


class PaperMap:
    """The map as a table: plain text in a terminal, links in a page."""

    def __init__(self, items: list[Item] = PAPER, root: Path | None = None) -> None:
        self.items, self.root = items, root or repository()

    @property
    def done(self) -> list[Item]:
        return [item for item in self.items if item.done(self.root)]

    def __repr__(self) -> str:
        rows = [(i.name, self._status(i), i.shows, i.page or "", i.file or "") for i in self.items]
        return "\n".join("  ".join(row).rstrip() for row in rows)

    def _repr_html_(self) -> str:
        rows = [("item", "", "what it shows", "page, file")]
        rows += [(i.name, self._status(i), i.shows, self._places(i)) for i in self.items]
        looks = ("", "", "white-space:normal;min-width:9em", "")
        form = "<tr>" + "".join(f'<td style="text-align:left;{look}">{{}}</td>' for look in looks) + "</tr>"
        lines = [form.format(*row) for row in rows]
        head = lines[0].replace("td", "th")
        body = "\n".join(lines[1:])
        return f'<table class="dataframe" border="0"><thead>{head}</thead><tbody>\n{body}\n</tbody></table>'

    def _status(self, item: Item) -> str:
        if item.done(self.root):
            return "done"
        return "not run" if item.written(self.root) else "to come"

    def _places(self, item: Item) -> str:
        """The page's title, linked, and the file: pages lead to pages and notebooks to notebooks."""
        places = []
        path = item.page_path(self.root)
        if path is not None:
            title = re.search(r"^# # (.*)$", path.read_text(encoding="utf-8"), re.MULTILINE)
            ending = "html" if os.environ.get("DMT_STATIC", "0") not in ("", "0") else "ipynb"
            places.append(f'<a href="{item.page}.{ending}">{html.escape(title[1] if title else item.page)}</a>')
        if item.file is not None:
            places.append(f'<code style="font-size:80%">{item.file}</code>')
        return "<br>".join(places)
