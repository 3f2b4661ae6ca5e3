"""The pages that are no chapters: the library's names, the bibliography, the method on one page."""

import pkgutil
import re

import pytest
import torch
from api_pages import in_words, lines_of
from chapters import ROOT

import dmtlib
from book.studies.readiness_of_runs import first_error_and_gain, told_by_seeds
from book.studies.recorded import recorded
from dmtlib.presets import preset
from dmtlib.records.comparison import Spread, paired_differences
from dmtlib.records.reproduction import NOISE_MAP

BOOK = ROOT / "book"
PAGES = {path.stem: path.read_text() for path in [*BOOK.glob("*.md"), *BOOK.glob("[0-9]*.py")]}

# --- The library ---


def test_every_module_is_on_one_api_page():
    modules = {module.name for module in pkgutil.walk_packages(dmtlib.__path__, "dmtlib.") if not module.ispkg}
    named = [name for page, text in PAGES.items() for name in re.findall(r"automodule:: (\S+)", text)]
    assert len(named) == len(set(named))
    assert set(named) <= modules
    assert modules - set(named) == {"dmtlib.__main__"}, "each needs its lines on one of book/api_*.md"


@pytest.mark.parametrize(
    ("annotation", "words"),
    [
        ("Float[Tensor, 'B C *S']", "float tensor (B, C, *S)"),
        ("~jaxtyping.UInt8[~torch.Tensor, 'B']", "uint8 tensor (B,)"),
        ("Float[Tensor, '']", "float tensor ()"),
        ("~collections.abc.Iterator[~jaxtyping.UInt8[Tensor, 'H W']]", "Iterator[uint8 tensor (H, W)]"),
        ("Int64[Tensor, 'n'] | None", "int64 tensor (n,) or None"),
        ("RunConfig", "RunConfig"),
        ("~typing.Annotated[str | None, <typer.models.OptionInfo object at 0x7f>]", "str or None"),
    ],
)
def test_shapes_in_words(annotation, words):
    assert in_words(annotation) == words


def test_a_name_leads_to_its_lines():
    file, _, lines = lines_of("dmtlib.method.dynamic_loss", "dynamic_weights").partition("#L")
    first, last = map(int, lines.split("-L"))
    code = (ROOT / file).read_text().splitlines()[first - 1 : last]
    assert code[1].startswith("def dynamic_weights(") and code[-1].startswith("    return ")
    assert lines_of("dmtlib.method.dynamic_loss", "AGREEMENT") is None
    assert lines_of("dmtlib.training.directory", "RunDirectory.record").startswith("dmtlib/training/directory.py#L")


# --- The bibliography ---

ENTRIES = dict(re.findall(r"^@\w+\{(\w+),\n(.*?)^\}", (BOOK / "references.bib").read_text(), re.MULTILINE | re.DOTALL))
CITED = {
    key for text in PAGES.values() for group in re.findall(r"\{cite:[pt]\}`([^`]+)`", text) for key in group.split(",")
}


def test_the_paper_has_43_references_and_all_are_accounted_for():
    numbers = [int(n) for entry in ENTRIES.values() for n in re.findall(r"In the paper: \[(\d+)\]", entry)]
    assert len(numbers) == len(set(numbers)) == sum("keywords" in entry for entry in ENTRIES.values())
    unknown = {int(n) for n in re.findall(r"\[(\d+)\]", PAGES["references"])}
    assert unknown.isdisjoint(numbers)
    assert unknown | set(numbers) == set(range(1, 44))


def test_other_works_are_mentioned_somewhere():
    assert len(ENTRIES) > 40 and set(ENTRIES) >= CITED
    assert not [key for key, entry in ENTRIES.items() if "keywords" not in entry and key not in CITED]


# --- The method on one page ---

SHEET = PAGES["cheat_sheet"]


def test_the_settings_are_those_of_the_presets():
    rows = re.findall(r"^\| `([\w-]+)` \| (.*) \|$", SHEET, re.MULTILINE)
    assert len(rows) == 8
    for name, cells in rows:
        c = preset(name, "dmt")
        assert c.gamma1 == c.gamma2
        others = (c.batch_size - c.labeled_per_batch) / c.labeled_per_batch
        assert cells.split(" | ") == [
            f"{c.gamma1:g}",
            f"{c.supervised_learning_rate:g}, {c.learning_rate:g}",
            f"{c.baseline_epochs:.0f}, {c.phase_epochs:g}",
            f"{c.batch_size}, 1 : {others:g}",
        ]


def test_the_code_runs():
    torch.manual_seed(0)
    a, b, steps = torch.nn.Linear(6, 3), torch.nn.Linear(6, 3), 4
    unlabeled, before = torch.randn(40, 6), b.weight.detach().clone()

    def batch(step, kept, y_a, c_a):
        mine = kept[step : step + 4]
        x = torch.cat([torch.randn(2, 6), unlabeled[mine]])
        return (
            x,
            torch.cat([torch.tensor([0, 1]), y_a[mine]]),
            torch.cat([torch.ones(2), c_a[mine]]),
            torch.arange(6) < 2,
        )

    (code,) = re.findall(r"^```python\n(.*?)^```$", SHEET, re.MULTILINE | re.DOTALL)
    assert len([line for line in code.splitlines() if line]) == 10
    names = dict(
        a=a, b=b, unlabeled=unlabeled, steps=steps, batch=batch, optimizer=torch.optim.SGD(b.parameters(), 0.1)
    )
    exec(code, names)
    assert len(names["kept"]) == 8 and names["loss"].isfinite() and not torch.equal(b.weight, before)


def test_what_it_says_of_our_records_is_so():
    assert "DMT's mean is below CL's, and ten seeds\ncan't tell the two apart" in SHEET
    assert "With 10 labels, where more pseudo labels are wrong, all ten seeds\nput DMT ahead of CL" in SHEET
    assert "on a small part of CIFAR-10, on every seed,\nDMT ends above CL and below the baseline" in SHEET

    def gain(name):
        records = recorded(name)
        return Spread.of(paired_differences(records["dmt"], records["cl"]))

    fast = recorded("cifar10-4000-fast")
    assert "DMT ends above its baseline on\none of three seeds, and below CL on all three" in SHEET
    forty, cifar = gain("digits-40"), recorded("cifar10-small")
    assert forty.n == 10 and forty.mean < 0 < forty.interval()[1]
    ten, twenty = gain("digits-10"), gain("digits-20")
    assert ten.n == 10 and ten.interval()[0] > 0 > twenty.interval()[0]
    # Chapter 11: the one set of the map of noise, and another has more wrong labels.
    others = ("cifar10-4000-fast", "cifar10-1000-fast", "cifar10-small", "scenes", "camvid-small")
    seen = first_error_and_gain(ROOT / "results", (*NOISE_MAP.values(), *others), "cl")
    told = "DMT is ahead on `digits-10` (n = 10) and CL is ahead on `cifar10-4000-fast` (n = 3); on the other sets"
    assert told in told_by_seeds(seen, "DMT", "CL")
    error = seen.groupby("preset")["error"].mean()
    assert error["cifar10-1000-fast"] > error["digits-10"]
    assert "is one model with a threshold for each class, is ahead of DMT on all ten seeds" in SHEET
    flexible = paired_differences(recorded("digits-10")["flexmatch"], recorded("digits-10")["dmt"])
    assert len(flexible) == 10 and min(flexible) > 0
    assert min(paired_differences(recorded("digits-10")["dmt"], recorded("digits-10")["cl"])) > 0
    assert "a wider network on two seeds: above it on one, below CL on both" in SHEET
    for runs, seeds in ((fast, 3), (recorded("cifar10-4000-fast-wide"), 2)):
        over_cl, over_baseline = (paired_differences(runs["dmt"], runs[other]) for other in ("cl", "baseline"))
        assert len(over_cl) == seeds and max(over_cl) < 0
        assert len(over_baseline) == seeds and sorted(over_baseline)[-2] < 0 < max(over_baseline)
    assert min(paired_differences(cifar["dmt"], cifar["cl"])) > 0
    assert max(paired_differences(cifar["dmt"], cifar["baseline"])) < 0
