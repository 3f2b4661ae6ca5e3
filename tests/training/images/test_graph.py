"""What a graph would replay depends on its batch alone; on a GPU, replayed steps are the eager ones."""

import copy
from collections.abc import Callable

import pytest
import torch
from random_phase import small_task
from torch.utils._pytree import tree_flatten, tree_unflatten

from dmtlib.training import descent
from dmtlib.training.images.phase import PhaseTask, PhaseTrainer, start_phase
from dmtlib.training.precision import choose_device

CPU = torch.device("cpu")
METHODS = ["baseline", "cl", "dmt", "dmt-naive", "dmt-flip", "online-st", "fixmatch", "flexmatch"]


class ReplayedInPython:
    """What a graph does, by calls: every batch is copied into the first one's memory, and nobody knows the step."""

    def __init__(self, trainer: PhaseTrainer) -> None:
        self.compute, self.state, self.read = trainer._compute, trainer.state, None

    def __call__(self, batch) -> None:
        leaves, tree = tree_flatten(batch)
        if self.read is None:
            self.read = [leaf if leaf is None else leaf.clone() for leaf in leaves]
        for read, leaf in zip(self.read, leaves, strict=True):
            if leaf is not None:
                read.copy_(leaf)
        step, self.state.step = self.state.step, None
        self.compute(tree_unflatten(self.read, tree))
        self.state.step = step


def trained(task: PhaseTask, steps: int, start: dict | None = None, replay: bool | Callable = False) -> PhaseTrainer:
    trainer = PhaseTrainer(task, start_phase(task), graph=replay is True)
    if callable(replay):
        trainer.compute = replay(trainer)
    if task.phase and task.device == CPU:
        trainer.gammas = torch.tensor(trainer.gammas)  # as on a GPU: p ** γ has other bits with a number
    if start is not None:
        trainer.state.load_state_dict(copy.deepcopy(start))
    for _ in range(steps):
        trainer.step()
    return trainer


def assert_same(ours: PhaseTrainer, theirs: PhaseTrainer) -> None:
    for name, value in ours.state.model.state_dict().items():
        assert torch.equal(value, theirs.state.model.state_dict()[name]), name
    assert torch.equal(ours.state.window, theirs.state.window)
    assert ours.state.seen is theirs.state.seen or torch.equal(ours.state.seen, theirs.state.seen)


@pytest.mark.parametrize("method", METHODS)
def test_all_that_changes_from_step_to_step_is_in_the_batch(method):
    task = small_task(CPU, method)
    assert_same(trained(task, 6), trained(task, 6, replay=ReplayedInPython))


def test_a_number_that_is_baked_in_would_be_noticed(monkeypatch):
    task = small_task(CPU)
    loss = PhaseTrainer._loss
    monkeypatch.setattr(PhaseTrainer, "_loss", lambda self, *given: loss(self, *given) * (1 + self.state.step))
    with pytest.raises(TypeError):
        trained(task, 1, replay=ReplayedInPython)


@pytest.mark.gpu
@pytest.mark.parametrize(("method", "dtype"), [*((name, torch.bfloat16) for name in METHODS), ("dmt", torch.float16)])
def test_forty_steps_are_forty_of_a_graph_and_twenty_and_a_stop_and_twenty(method, dtype, monkeypatch):
    """To the bit, because cuDNN was told to repeat its sums; with a scaler too, as on a T4."""
    monkeypatch.setattr(descent, "autocast_dtype", lambda *_: dtype)
    task = small_task(choose_device("cuda"), method)
    eager, graph = trained(task, 40), trained(task, 40, replay=True)
    stopped = trained(task, 20, replay=True).state.state_dict()
    again = trained(task, 20, start=stopped, replay=True)
    assert_same(graph, again)
    assert_same(eager, graph)
