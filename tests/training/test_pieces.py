import copy
import math

import pytest
import torch
from random_phase import random_phase

from dmtlib.models.wideresnet import WideResNet
from dmtlib.presets import preset
from dmtlib.training.batches import ShuffledStream
from dmtlib.training.images.evaluation import accuracy, fine_grained_accuracy, predict
from dmtlib.training.images.phase import PhaseTrainer, batch_statistics_only, start_phase
from dmtlib.training.precision import autocast_dtype, choose_device
from dmtlib.training.seeding import derive_seed
from dmtlib.training.statistics import STATISTICS, summarise

CPU = torch.device("cpu")


@pytest.mark.parametrize(("n", "batch"), [(10, 3), (10, 10), (3, 8), (7, 1), (40, 128)])
def test_a_stream_passes_over_everything_before_it_repeats(n, batch):
    stream = ShuffledStream(n, batch, seed=5, device=CPU)
    steps = -(-4 * n // batch)
    joined = torch.cat([stream.batch(step) for step in range(steps)])
    for whole in joined[: len(joined) // n * n].reshape(-1, n):
        assert whole.sort().values.tolist() == list(range(n))


def test_a_stream_can_be_entered_anywhere():
    through = ShuffledStream(11, 4, seed=1, device=CPU)
    all_batches = [through.batch(step) for step in range(20)]
    assert torch.equal(ShuffledStream(11, 4, seed=1, device=CPU).batch(13), all_batches[13])
    assert not torch.equal(ShuffledStream(11, 4, seed=2, device=CPU).batch(13), all_batches[13])


def test_derived_seeds_differ_by_every_part_and_stay():
    places = [(0, "a", 1), (0, "a", 2), (0, "b", 1), (1, "a", 1), (0, "a", 1, 2), (0, "a", 12)]
    seeds = [derive_seed(*place) for place in places]
    assert len(set(seeds)) == len(seeds)
    assert all(0 <= seed < 2**63 for seed in seeds)
    assert derive_seed(0, "initialise", 1) == 8454674139733114080


def test_batch_statistics_only_uses_the_batch_and_leaves_the_running_ones():
    model = WideResNet(10, 1, 10, 1).train()
    images = torch.randn(16, 1, 8, 8)
    with torch.no_grad(), batch_statistics_only(model):
        before = {key: value.clone() for key, value in model.state_dict().items()}
        logits = model(images)
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    assert torch.equal(logits, model(images))  # this pass is a training one, and does move them
    assert not torch.equal(model.norm.running_mean, before["norm.running_mean"])


def test_accuracies():
    probabilities = torch.tensor([[0.7, 0.3], [0.4, 0.6], [0.9, 0.1], [0.2, 0.8]])
    labels = torch.tensor([0, 1, 1, 1])
    assert accuracy(probabilities, labels) == 75
    assert fine_grained_accuracy(probabilities, labels) == pytest.approx(100 * (0.7 + 0.6 + 0.8) / 4, abs=1e-4)


def test_predict_is_clean_and_leaves_the_mode():
    model = WideResNet(10, 1, 10, 1).train()
    images = torch.randint(0, 256, (1203, 1, 8, 8), dtype=torch.uint8)
    probabilities = predict(model, images, (0.3,), (0.4,))
    assert model.training
    assert probabilities.shape == (1203, 10)
    torch.testing.assert_close(probabilities.sum(1), torch.ones(1203))
    torch.testing.assert_close(predict(model, images[7:9], (0.3,), (0.4,)), probabilities[7:9])


def test_summary_of_a_window():
    sums = dict(zip(STATISTICS, [2, 3.0, 4, 2.0, 1, 0.25, 5, 2.25, 3, 1, 1], strict=True))
    assert summarise(list(sums.values())) == {
        "loss": 1.5,
        "mean_weight": 0.45,
        "mean_weight_right": 0.5,
        "mean_weight_wrong": 0.25,
        "case_shares": [0.6, 0.2, 0.2],
    }


@pytest.mark.parametrize("name", ["tpu", "", "cuda:x", "cpu:1:2"])
def test_unknown_devices_are_told(name):
    with pytest.raises(ValueError, match="device"):
        choose_device(name)


def test_fp32_is_fp32_everywhere():
    assert autocast_dtype(CPU, "fp32") is None
    assert choose_device("cpu") == CPU


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("mnist", "dmt"), "preset must be one of digits-40, cifar10-small, cifar10-4000"),
        (("digits-40", "sgd"), "method must be one of baseline, online-st, cbst"),
        (("digits-40", "dmt", -1), "seed must lie in"),
        (("digits-40", "dmt", 0, 0.0), "budget must lie in"),
        (("digits-40", "dmt", 0, math.nan), "budget must lie in"),
        (("digits-40", "dmt", 0, math.inf), "budget must lie in"),
    ],
)
def test_presets_say_what_is_allowed(arguments, word):
    with pytest.raises(ValueError, match=word):
        preset(*arguments)


def test_a_budget_scales_every_phase():
    whole, tenth = preset("digits-40", "dmt"), preset("digits-40", "dmt", budget=0.1)
    for phase in range(6):
        assert tenth.steps(phase, 1000) == round(whole.steps(phase, 1000) / 10)
    assert preset("digits-40", "dmt", budget=1e-9).steps(1, 1000) == 1


def test_the_average_follows_the_model_and_keeps_its_buffers():
    trainer = random_phase(preset("digits-40", "dmt"), CPU)
    start = [p.clone() for p in trainer.state.averaged.parameters()]
    trainer.step()  # at step 0 the memory is 1/10
    moved = [0.1 * s + 0.9 * p for s, p in zip(start, trainer.state.model.parameters(), strict=True)]
    for expected, averaged in zip(moved, trainer.state.averaged.parameters(), strict=True):
        torch.testing.assert_close(averaged, expected, rtol=1e-4, atol=1e-6)
    for ours, theirs in zip(trainer.state.averaged.buffers(), trainer.state.model.buffers(), strict=True):
        assert torch.equal(ours, theirs)


def test_the_state_of_a_phase_survives_its_state_dict():
    config = preset("digits-40", "dmt")
    trainer = random_phase(config, CPU)
    torch.manual_seed(0)
    for _ in range(3):
        trainer.step()
    state = copy.deepcopy(trainer.state.state_dict())
    for _ in range(3):
        trainer.step()
    again = PhaseTrainer(trainer.task, start_phase(trainer.task))
    again.state.load_state_dict(state)
    for _ in range(3):
        again.step()
    for ours, theirs in zip(again.state.model.parameters(), trainer.state.model.parameters(), strict=True):
        assert torch.equal(ours, theirs)
    assert again.close_window() == trainer.close_window()


@pytest.mark.gpu
@pytest.mark.parametrize("method", ["cl", "dmt", "dmt-naive", "dmt-flip"])
def test_a_step_never_waits_for_the_device(method):
    trainer = random_phase(preset("digits-40", method), torch.device("cuda"))
    trainer.step()
    torch.cuda.synchronize()
    torch.cuda.set_sync_debug_mode("error")
    try:
        for _ in range(5):
            trainer.step()
    finally:
        torch.cuda.set_sync_debug_mode("default")
