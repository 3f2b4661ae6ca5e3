"""Costs that are counted, against numbers known from elsewhere."""

import math

import pytest

from dmtlib.presets import preset
from dmtlib.records import costs
from dmtlib.records.costs import GPUS, RunCost, count_classification_step, count_segmentation_step, run_cost
from dmtlib.records.reproduction import TABLES


def test_a_step_of_wrn_28_2_is_what_the_benchmark_measured():
    """benchmarks/classification_step.py on a CPU: 1.71 GFLOP an image with both passes, 934 MiB kept."""
    step = count_classification_step(28, 2, 512, 10)
    assert step.parameters == 1_467_610
    assert (step.forward + step.training) / 512 == pytest.approx(1.71e9, rel=0.005)
    assert step.kept / 2**20 == pytest.approx(934, abs=1)


def test_a_step_of_deeplab_is_what_its_layers_make():
    """ResNet-101's convolutions are known: 7.8 billion multiplications at 224×224 and stride 32."""
    step = count_segmentation_step("resnet101", (6, 12, 18, 24), 8, (321, 321), 21)
    two_branches = count_segmentation_step("resnet101", (6, 12), 8, (321, 321), 21)
    assert step.training == pytest.approx(3 * step.forward, rel=0.01)  # forward, and two products backward
    branch = 8 * 41 * 41 * 2 * 2048 * 21 * 9
    assert step.forward - two_branches.forward == 2 * branch
    assert step.parameters - two_branches.parameters == 2 * (2048 * 21 * 9 + 21)


def test_costs_grow_with_the_batch():
    half, whole = (count_classification_step(28, 2, batch, 10) for batch in (256, 512))
    assert whole.training == 2 * half.training and whole.parameters == half.parameters
    assert whole.kept == pytest.approx(2 * half.kept, rel=0.01)


def test_dmt_on_images_pays_a_pass_more_than_cl():
    cl, dmt = (run_cost(preset("cifar10-4000", method)) for method in ("cl", "dmt"))
    assert cl.images == dmt.images and 1.2 < dmt.flops / cl.flops < 1.4


def test_steps_on_pixels_follow_from_the_paper_s_words():
    first, *later = costs.steps_of_a_run(preset("voc-106", "dmt"))
    assert later == [[round(4 * 10_482 / 7)] * 2] * 5  # four epochs over the unlabeled images, seven in a batch
    assert first == [round(30 * math.sqrt(105.82) * 80 / 8)] * 2  # each of the two learns 80 of the 100 labels
    assert costs.steps_of_a_run(preset("voc-8", "oracle")) == [[round(30 * 10_582 / 8)]]
    (supervised,) = costs.steps_of_a_run(preset("voc-1464", "baseline"))
    assert supervised == [round(30 * math.sqrt(10_582 / 1_464) * 1_464 / 8)]


def test_two_models_cost_twice_as_much_as_one():
    """DST differs in nothing else, where both start from all labels: "half the computing budget" (Sec. 5.4)."""
    dst, dmt = (run_cost(preset("voc-20", method)) for method in ("dst", "dmt"))
    assert dmt.flops == 2 * dst.flops and dmt.images == 2 * dst.images


@pytest.mark.parametrize(("name", "mib"), [("voc-106", 4065), ("cityscapes-8", 4744), ("camvid-8", 1848)])
def test_memory_is_what_the_benchmark_counts(name, mib):
    """benchmarks/segmentation_step.py follows every tensor of a real step; here only shapes are known."""
    assert run_cost(preset(name, "dmt")).gpu_bytes / 2**20 == pytest.approx(mib, rel=0.02)


def test_disk_is_three_bytes_a_pixel_and_the_weights():
    cost = run_cost(preset("voc-8", "dmt"))
    pixels = 5 * 2 * (10_582 - 1_322) * 375 * 500
    assert cost.disk_bytes == pytest.approx(3 * pixels + 6 * 2 * 4 * 44.05e6, rel=0.001)
    assert run_cost(preset("voc-8", "oracle")).disk_bytes == pytest.approx(4 * 44.05e6, rel=0.001)


def test_every_run_of_the_paper_fits_its_gpu():
    """The authors trained on 11 GB."""
    for name in (name for name in TABLES if name.startswith("table-")):
        for cell in TABLES[name]:
            cost = run_cost(preset(cell.preset, cell.method, cell.seeds[0]))
            assert cost.gpu_bytes < 6e9 < GPUS["NVIDIA GeForce RTX 2080 Ti"].memory


def test_hours_are_operations_by_speed():
    cost = RunCost(images=1, flops=3600 * 989e12, gpu_bytes=0, disk_bytes=0)
    assert cost.hours(GPUS["NVIDIA H200"]) == pytest.approx((1 / 0.2, 1 / 0.05))


def test_an_unknown_gpu_is_told():
    assert costs.gpu_named("Tesla T4") == GPUS["Tesla T4"]
    with pytest.raises(ValueError, match="gpu must be one of NVIDIA H200, .*, got 'TPU'"):
        costs.gpu_named("TPU")
