"""The paper, item by item, as a table: page, function, command, records and status of each."""

from __future__ import annotations

from pathlib import Path

from ..page.links import CODE, page_link
from ..page.places import repository
from ..studies.paper_items import PAPER, STATUS, Item


class PaperMap:
    """The map as a table: plain text in a terminal, links in a page."""

    def __init__(self, items: list[Item] = PAPER, root: Path | None = None) -> None:
        self.items, self.root = items, root or repository()

    def of(self, *statuses: str) -> list[Item]:
        return [item for item in self.items if item.status(self.root) in statuses]

    def counted(self) -> str:
        """What is explained, what is recorded and at which scale, in a sentence."""
        explained, recorded, partly, small = (
            len(self.of(status)) for status in ("explained", "recorded", "partly run", "small-scale")
        )
        runs = len(self.items) - explained
        return (
            f"{explained} of {len(self.items)} items need no runs, and are explained. The other {runs} are results. "
            f"At the paper's length {recorded} of these are recorded here, and {partly} in part; {small} are shown "
            f"from small runs of our own, and {runs - recorded - partly - small} wait for their first run."
        )

    def __repr__(self) -> str:
        rows = [(i.name, i.status(self.root), i.shows, i.page or "", i.function or "") for i in self.items]
        texts = [("  ".join(row), "; ".join(self._records(item))) for row, item in zip(rows, self.items, strict=True)]
        return "\n".join(f"{text}  {records}".rstrip() for text, records in texts)

    def _repr_html_(self) -> str:
        head = ("item", "page", "status", "records", "what it shows", "function", "command")
        wraps = "white-space:normal;min-width:{}em"
        looks = ("", wraps.format(8), "", "", wraps.format(9), "", "")
        form = "<tr>" + "".join(f'<td style="text-align:left;{look}">{{}}</td>' for look in looks) + "</tr>"
        lines = [form.format(*self._row(item)) for item in self.items]
        legend = "; ".join(f"<b>{name}</b>: {meaning}" for name, meaning in STATUS.items())
        return (
            f'<table class="dataframe" border="0"><thead>{form.format(*head).replace("td", "th")}</thead><tbody>\n'
            + "\n".join(lines)
            + f'\n</tbody></table><p style="font-size:90%;white-space:normal">{legend}.</p>'
        )

    def _row(self, item: Item) -> tuple[str, ...]:
        return (
            item.name,
            self._link(item),
            item.status(self.root),
            "<br>".join(self._records(item)),
            item.shows,
            CODE.format(item.function.removeprefix("dmtlib.")) if item.function else "",
            CODE.format(item.command),
        )

    def _records(self, item: Item) -> list[str]:
        """Those of the paper's runs, and of the small ones that stand in for them."""
        results = self.root / "results"
        counts = [f"{r.recorded(results)} of {r.wanted}" for r in (item.runs, item.small) if r]
        return counts[:1] + [f"{item.small.table} {count}" for count in counts[1:]]

    def _link(self, item: Item) -> str:
        path = item.page_path(self.root)
        return "" if path is None else page_link(path)
