import json
import math

import pytest

from dmtlib.evidence.records import Spread, load_records, paired_differences, record_path, write_record
from dmtlib.evidence.tables import digits_table


def record(method, seed, accuracy):
    return {
        "preset": "digits-40",
        "method": method,
        "seed": seed,
        "test_accuracy": accuracy,
        "fine_grained_accuracy": accuracy - 5,
        "seconds": 10.0,
    }


@pytest.fixture
def results(tmp_path):
    for made in (
        record("baseline", 0, 90.0),
        record("baseline", 1, 92.0),
        record("dmt", 0, 98.0),
        record("dmt", 2, 99.0),
    ):
        write_record(record_path(tmp_path, made), made)
    return tmp_path


def test_spread_is_mean_and_sample_deviation():
    assert Spread.of([1.0, 2.0, 3.0]) == Spread(2.0, 1.0, 3)
    assert str(Spread.of([1.0, 2.0, 3.0])) == "2.00 ± 1.00 (n = 3)"
    single = Spread.of([5.0])
    assert str(single) == "5.00 (n = 1)" and math.isnan(single.std)
    assert Spread.of([]) is None


def test_differences_are_taken_within_a_seed(results):
    dmt, baseline = load_records(results, "digits-40", "dmt"), load_records(results, "digits-40", "baseline")
    assert [r["seed"] for r in baseline] == [0, 1]
    assert paired_differences(dmt, baseline) == [8.0]


def test_the_table_says_what_was_not_run(results):
    table = digits_table(results)
    assert table.loc["baseline", "test accuracy (%)"] == "91.00 ± 1.41"
    assert table.loc["dmt", "over the baseline"] == "+8.00"
    assert table.loc["dmt", "seeds"] == 2
    assert table.loc["oracle", "test accuracy (%)"] == "not run"


@pytest.mark.parametrize("content", ["{", "[]", json.dumps({"seed": 1})])
def test_a_file_that_is_no_record_is_told(results, content):
    file = results / "digits-40/dmt/seed-9.json"
    file.write_text(content)
    with pytest.raises(ValueError, match=r"seed-9\.json is no run record"):
        load_records(results, "digits-40", "dmt")
