"""The model of what tables take on a cluster."""

import itertools
from pathlib import Path

import pytest

from book.studies import cluster as paper
from dmtlib.presets import preset

RESULTS = Path(__file__).resolve().parents[3] / "results"


def by_hand(seconds: list[float], places: int, between: float) -> float:
    """Second by second: who is free takes the next run."""
    waiting, busy, clock = list(seconds), [0] * places, 0
    while waiting or any(busy):
        for place in range(places):
            if not busy[place] and waiting:
                busy[place] = waiting.pop(0) + between
        clock += 1
        busy = [max(0, left - 1) for left in busy]
    return clock


@pytest.mark.parametrize("places", [1, 2, 3, 7])
def test_each_place_takes_the_next_run_when_it_is_free(places):
    for seconds in itertools.permutations([1, 2, 4, 5, 9]):
        assert paper.finish(seconds, places, 2) == by_hand(seconds, places, 2)


def test_more_gpus_end_earlier_until_the_longest_run_is_all_there_is():
    table = paper.scaling(RESULTS)
    hours = table[[f"hours on {gpus}" for gpus in paper.GPUS]]
    assert (hours["hours on 8"] < hours["hours on 1"] / 4).all()
    assert (hours["hours on 64"] >= table["longest run"]).all()
    whole = table.loc["all"]
    assert whole["hours on 1"] == pytest.approx(table["hours on 1"].drop("all").sum(), rel=0.25)  # tables share runs
    assert whole["full GPUs"] <= whole["hours on 1"] / whole["longest run"]


def test_a_run_takes_what_its_steps_take_and_little_more():
    """By the images a second of the benchmark, on the very preset that it measured."""
    for name, record, pixels in [
        ("cifar10-4000", "classification_step", False),
        ("voc-106", "segmentation_step", True),
    ]:
        config = preset(name, "dmt")
        rate = paper.read_json(RESULTS / f"benchmarks/{record}.json")["images_per_second"]
        steps = paper.run_cost(config).images / rate
        assert 0.9 * steps < paper.seconds_of(config, RESULTS) < 1.6 * steps, pixels


def test_data_reach_every_other_node_once():
    cluster = paper.Cluster(network=1e6)
    cifar10 = [preset("cifar10-4000", "dmt", seed) for seed in range(3)]
    assert paper.copy_seconds(cifar10, 1, cluster) == 0
    assert paper.copy_seconds(cifar10, 3, cluster) == pytest.approx(2 * 60_000 * 3 * 32 * 32 / 1e6)
    assert paper.copy_seconds([preset("voc-8", "dmt")], 3, cluster) == 0
