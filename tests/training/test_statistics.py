from dmtlib.training.statistics import STATISTICS, summarise


def test_summary_of_a_window():
    sums = dict(zip(STATISTICS, [2, 3.0, 4, 2.0, 1, 0.25, 5, 2.25, 3, 1, 1], strict=True))
    assert summarise(list(sums.values())) == {
        "loss": 1.5,
        "mean_weight": 0.45,
        "mean_weight_right": 0.5,
        "mean_weight_wrong": 0.25,
        "case_shares": [0.6, 0.2, 0.2],
    }
