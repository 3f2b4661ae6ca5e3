"""The figures of the chapter on CIFAR-10 say what was not run, and draw what was."""

from book.figures import cifar10 as draw
from book.studies.cifar10 import confidence_curves
from dmtlib.records.comparison import NAMES
from dmtlib.training.images.evaluation import KEPT_SHARES

PHASES = [
    {"alpha": None, "test_accuracy": 60.0, "pseudo_label_error": None},
    {"alpha": 0.5, "test_accuracy": 70.0, "pseudo_label_error": 20.0},
    {"alpha": 1.0, "test_accuracy": 75.0, "pseudo_label_error": 30.0},
]


def labels(figure) -> list[str]:
    return [text.get_text() for text in figure.legends[0].get_texts()]


def test_fig_1_draws_the_mean_of_the_recorded_baselines():
    curve = {str(kept): kept / 10 for kept in KEPT_SHARES}
    baselines = [{"seed": seed, "phases": [{"error_by_confidence": curve}]} for seed in (0, 1)]
    figure = draw.error_by_confidence({"few": confidence_curves(baselines), "none": confidence_curves([])})
    first = figure.axes[0].lines[0]
    assert first.get_xdata().tolist() == list(KEPT_SHARES)
    assert first.get_ydata().tolist() == [kept / 10 for kept in KEPT_SHARES]
    assert labels(figure)[:2] == ["here, few: mean and range, n = 2", "here, none: not run"]
    assert [text.get_text() for text in figure.axes[0].texts] == ["12.90", "< 3"]


def test_learning_curves_are_means_over_seeds():
    records = {method: [] for method in NAMES}
    worse = [phase | {"test_accuracy": phase["test_accuracy"] - 10} for phase in PHASES]
    records["dmt"] = [{"phases": PHASES}, {"phases": worse}]
    records["oracle"] = [{"phases": PHASES[:1]}]
    figure = draw.learning_curves(records)
    error, accuracy = figure.axes
    assert error.lines[-1].get_ydata().tolist() == [20, 30]
    means = [line for line in accuracy.lines if line.get_marker() == "o"]
    assert means[0].get_ydata().tolist() == [55, 65, 70]
    assert labels(figure) == ["CL: not run", "DMT, n = 2", "baseline: not run", "oracle, n = 1"]
    assert [tick.get_text() for tick in accuracy.get_xticklabels()] == ["0\nlabels\nonly", "1\ntop 50%", "2\nall"]


def test_learning_curves_of_nothing_say_so():
    figure = draw.learning_curves({method: [] for method in NAMES})
    assert [text.get_text() for ax in figure.axes for text in ax.texts] == ["not run", "not run"]
