"""A budget below 1 is the same curriculum, shorter: steps, schedules and the average's memory all shrink."""

import dataclasses
import math

import pytest
import torch

from dmtlib.data.images.augment import AUGMENTATIONS
from dmtlib.presets import preset
from dmtlib.training.images.phase import PhaseTask, PhaseTrainer, start_phase

# A tenth, by hand. Appendix B: sqrt(1 / labeled ratio) · 300 epochs of a baseline, ratios 0.08 and 0.02. Table 1: 750
# epochs of each mutual phase, over 20 … 100% of the unlabeled images that 200 for validation leave, 7/8 and 31/32 of
# the batch of 512 being pseudo-labeled.
BY_HAND = {
    "cifar10-4000": [
        (4_000, 829),  # 1,060.66 / 10 epochs · 4,000 / 512 = 828.6
        (9_160, 1533),  # 75 epochs · 9,160 / 448 = 1,533.5
        (18_320, 3067),
        (27_480, 4600),
        (36_640, 6134),
        (45_800, 7667),
    ],
    "cifar10-1000": [
        (1_000, 414),  # 2,121.32 / 10 epochs · 1,000 / 512 = 414.3
        (9_760, 1476),  # 75 epochs · 9,760 / 496 = 1,475.8
        (19_520, 2952),
        (29_280, 4427),
        (39_040, 5903),
        (48_800, 7379),
    ],
}


@pytest.mark.parametrize("name", BY_HAND)
def test_a_tenth_of_every_phase(name):
    config = preset(name, "dmt", budget=0.1)
    assert [config.steps(phase, images) for phase, (images, _) in enumerate(BY_HAND[name])] == [
        steps for _, steps in BY_HAND[name]
    ]
    assert preset(name, "baseline", budget=0.1).steps(0, BY_HAND[name][0][0]) == BY_HAND[name][0][1]
    assert preset(name, "oracle", budget=0.1).steps(0, 49_800) == 2918  # 30 epochs · 49,800 / 512 = 2,917.97


def phase_of(total_steps: int, **changes) -> PhaseTrainer:
    """Phase 1 on a few random images: the digits' small network with the paper's average and strengths."""
    labels = torch.arange(40) % 10
    small = dict(batch_size=8, labeled_per_batch=1, ema_decay=0.999, gamma1=4.0, learning_rate=0.1)
    task = PhaseTask(
        config=dataclasses.replace(preset("digits-40", "dmt"), **small | changes),
        phase=1,
        total_steps=total_steps,
        num_classes=10,
        augment=AUGMENTATIONS["digits"]((0.3,), (0.4,)),
        images=torch.randint(0, 256, (40, 1, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)),
        labeled=torch.arange(10),
        labeled_targets=labels[:10],
        pseudo=torch.arange(10, 40),
        pseudo_labels=labels[10:],
        pseudo_confidence=torch.full((30,), 0.9),
        pseudo_truth=labels[10:],
    )
    return PhaseTrainer(task, start_phase(task))


def take(trainer: PhaseTrainer, steps: int) -> dict:
    for _ in range(steps):
        trainer.step()
    return trainer.close_window()


@pytest.mark.parametrize("total_steps", [10, 30])
def test_schedules_end_with_the_phase(total_steps):
    trainer = phase_of(total_steps)
    half, end = take(trainer, total_steps // 2), take(trainer, total_steps // 2)
    assert half["gamma1"] == pytest.approx(4 * math.exp(-5 / 4)) and end["gamma1"] == 4
    assert half["learning_rate"] == pytest.approx(0.05) and end["learning_rate"] == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("total_steps", [40, 160])
def test_the_average_forgets_the_first_half_of_a_short_phase(total_steps):
    """A decay of 0.999 remembers 1,000 steps, more than these phases have: the memory has to shrink with them."""
    trainer = phase_of(total_steps, learning_rate=0.0)  # the model stays, so what the average holds can be weighed
    take(trainer, total_steps // 2)
    weights = zip(trainer.state.averaged.parameters(), trainer.state.model.parameters(), strict=True)
    averaged, current = max(weights, key=lambda pair: pair[0].numel())
    averaged.zero_()
    take(trainer, total_steps // 2)
    assert 0.99 < (averaged.norm() / current.norm()).item() < 1
