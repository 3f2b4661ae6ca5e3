"""Chapter 10: the IoU of each class from records that are made up here."""

from book.studies.segmentation_results import class_table
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
