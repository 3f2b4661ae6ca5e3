"""Chapter 10: the IoU of each class from records that are made up here."""

import pandas as pd

from book.studies.segmentation_results import class_table, score_of_seed, wrong_in_words
from dmtlib.records.store import record_path, write_record


def kept(results, method, seed, mean_iou, **more):
    made = {"preset": "scenes", "method": method, "seed": seed, "mean_iou": mean_iou, **more}
    made["config"] = {"budget": 1.0, "data": "scenes"}
    write_record(record_path(results, made), made)


def test_classes_over_seeds(tmp_path):
    kept(tmp_path, "dmt", 0, 60.0, class_iou={"sky": 90.0, "pole": None})
    kept(tmp_path, "dmt", 1, 60.0, class_iou={"sky": 92.0, "pole": 8.0})
    table = class_table(tmp_path, "scenes")
    assert table.loc["sky", "DMT"] == "91.00 ± 1.41" and table.loc["pole", "DMT"] == "8.00"
    assert table.loc["sky", "baseline"] == "not run"
    assert (class_table(tmp_path, "camvid-small") == "not run").all(axis=None)


def test_where_dmt_is_worse_it_is_said():
    worse = pd.DataFrame({"baseline": [10.0, 30.0], "DMT": [9.0, 41.0]})
    said = wrong_in_words(worse, "scenes")
    assert "baseline 20.0%, DMT 25.0%; DMT has fewer in 1 of them. **Here DMT has more wrong pixels than" in said
    assert "has no more wrong pixels" in wrong_in_words(
        worse.rename(columns={"DMT": "baseline", "baseline": "DMT"}), ""
    )


def test_the_score_of_the_models_that_drew(tmp_path):
    assert score_of_seed(tmp_path, "scenes") == "not run"
    for method, mean_iou in (("baseline", 50.0), ("dmt", 52.25)):
        kept(tmp_path, method, 1, 1.0)
        kept(tmp_path, method, 0, mean_iou)
    assert score_of_seed(tmp_path, "scenes") == "baseline 50.0%, DMT 52.2%"
