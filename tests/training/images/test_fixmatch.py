"""The steps of FixMatch and FlexMatch once more, as their papers say it, without the library's rules, loss or crop."""

import copy
import dataclasses
from collections import Counter

import pytest
import torch
import torch.nn.functional as F
from random_phase import random_phase

from dmtlib.data.images.augment import AUGMENTATIONS, WEAK, shift_and_flip
from dmtlib.data.images.operations import VARIANTS
from dmtlib.presets import preset
from dmtlib.training.images.phase import PhaseTrainer
from dmtlib.training.images.stored import phase_model

CPU = torch.device("cpu")
TAU = 0.95


def weak_by_hand(image: torch.Tensor, chance: list[float], padding: int, fill: int, flip: float) -> torch.Tensor:
    """One image, (C, H, W): pixel by pixel what stands there after the shift and the flip."""
    top, left = (int(c * (2 * padding + 1)) - padding for c in chance[:2])
    channels, height, width = image.shape
    moved = torch.full_like(image, fill)
    for y in range(height):
        for x in range(width):
            row, column = y + top, (width - 1 - x if chance[2] < flip else x) + left
            if 0 <= row < height and 0 <= column < width:
                moved[:, y, x] = image[:, row, column]
    return moved


@pytest.mark.parametrize("name", WEAK)
def test_a_weak_view_is_a_shift_and_perhaps_a_flip(name):
    images = torch.randint(0, 256, (12, 3, 9, 7), dtype=torch.uint8)
    views = shift_and_flip(images, torch.Generator().manual_seed(3), WEAK[name])
    chance = torch.rand(3, 12, generator=torch.Generator().manual_seed(3), dtype=torch.float64).T.tolist()
    padding, fill, flip = {"digits": (1, 0, 0.0), "paper-half": (2, 128, 0.5)}.get(name, (4, 128, 0.5))
    for image, view, c in zip(images, views, chance, strict=True):
        assert torch.equal(view, weak_by_hand(image, c, padding, fill, flip))


def test_every_augmentation_has_a_weak_view():
    assert set(WEAK) == set(AUGMENTATIONS) == {"digits", *VARIANTS}


@pytest.mark.parametrize("sharper", [1.0, 30.0])
def test_a_step_is_that_of_the_paper(sharper):
    """l_s + l_u in float32, before the first step; a head that is sharper has predictions on both sides of τ."""
    config = dataclasses.replace(preset("digits-40", "fixmatch"), precision="fp32")
    trainer = random_phase(config, CPU)
    with torch.no_grad():
        trainer.state.model.classifier.weight.mul_(sharper)
    model, task, labeled = trainer.state.model, trainer.task, config.labeled_per_batch
    batch = trainer._feed(0)
    state = trainer.generator.get_state()
    trainer._compute(batch)
    ours, gradient = trainer.state.window[1].item(), model.classifier.weight.grad.clone()

    generator = torch.Generator()
    generator.set_state(state)
    images = task.images[batch.which]
    chance = torch.rand(3, len(images), generator=generator, dtype=torch.float64).T.tolist()
    weak = torch.stack([weak_by_hand(*pair, 1, 0, 0.0) for pair in zip(images, chance, strict=True)])
    weak = (weak.float() / 255 - 0.3) / 0.4
    strong = task.augment(images[labeled:], generator)
    with torch.no_grad():
        q = model(weak)[labeled:].softmax(dim=1)
    model.zero_grad()
    logits = model(torch.cat([weak[:labeled], strong]))
    l_s = F.cross_entropy(logits[:labeled], batch.targets[:labeled])
    mask = (q.amax(dim=1) >= TAU).float()
    l_u = (mask * F.cross_entropy(logits[labeled:], q.argmax(dim=1), reduction="none")).mean()
    (l_s + l_u).backward()
    assert ours == pytest.approx((l_s + l_u).item(), rel=1e-6, abs=1e-6)
    torch.testing.assert_close(gradient, model.classifier.weight.grad, rtol=1e-4, atol=1e-6)
    assert mask.mean() == 0 if sharper == 1 else 0 < mask.mean() < 1


def flexible_by_hand(memory: dict[int, int], q: list[list[float]]) -> list[float]:
    """Zhang et al. 2021, Alg. 1, with the convex mapping of Sec. 3.3: the weight of each image's own label."""
    known = Counter(memory.values())
    unused = known.pop(-1, 0)
    most = max([*known.values(), unused])
    weights = []
    for row in q:
        beta = known[row.index(max(row))] / most
        weights.append(float(max(row) >= beta / (2 - beta) * TAU))
    return weights


def test_flexmatch_remembers_what_it_was_sure_of():
    """Thirty steps beside a dictionary: weights, what is remembered, and the same after a stop in the middle."""
    config = dataclasses.replace(preset("digits-40", "flexmatch"), precision="fp32")
    trainer = random_phase(config, CPU)
    task, labeled = trainer.task, config.labeled_per_batch
    with torch.no_grad():
        trainer.state.model.classifier.weight.mul_(20)  # or it would be sure of nothing
    memory, weighed = dict.fromkeys(task.pseudo.indices.tolist(), -1), []
    judge, supervise = trainer._judge, trainer._supervise

    def judged(images):
        logits = judge(images)
        weighed.append(logits[labeled:].softmax(dim=1))
        return logits

    def supervised(logits, batch):
        taught = supervise(logits, batch)
        q = weighed[-1].tolist()
        assert taught.weights[labeled:].tolist() == flexible_by_hand(memory, q)
        assert taught.targets[labeled:].tolist() == [row.index(max(row)) for row in q]
        for image, row in zip(batch.pseudo.indices.tolist(), q, strict=True):
            if max(row) >= torch.tensor(TAU).item():
                memory[image] = row.index(max(row))
        assert {i: trainer.state.seen[i].item() for i in memory} == memory
        return taught

    trainer._judge, trainer._supervise = judged, supervised
    for step in range(30):
        if step == 15:
            stopped = copy.deepcopy(trainer.state.state_dict())
        trainer.step()
    kinds = {trainer.state.seen[i].item() for i in task.pseudo.indices.tolist()}
    assert len(kinds) > 2, "some are remembered, of more than one class"
    assert (trainer.state.seen[task.labeled] == -2).all()
    again = random_phase(config, CPU)
    again = PhaseTrainer(task, again.state)
    again.state.load_state_dict(stopped)
    for _ in range(15):
        again.step()
    assert torch.equal(again.state.seen, trainer.state.seen) and torch.equal(again.state.window, trainer.state.window)


@pytest.mark.parametrize("method", ["fixmatch", "flexmatch"])
def test_its_first_phase_is_the_baseline(method, tiny):
    (baseline, _), (fixmatch, _) = tiny("baseline"), tiny(method)
    ours, theirs = phase_model(fixmatch, 0).state_dict(), phase_model(baseline, 0).state_dict()
    assert all(torch.equal(ours[key], theirs[key]) for key in ours)
