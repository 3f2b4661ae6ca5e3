import os
from types import SimpleNamespace

import pytest
import torch

from dmtlib.training.pixels import batches
from dmtlib.training.seeding import ShuffledStream

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


def shared_memory(monkeypatch, tmp_path, free: int) -> None:
    monkeypatch.setattr(batches, "SHARED_MEMORY", str(tmp_path))
    monkeypatch.setattr(batches.shutil, "disk_usage", lambda place: SimpleNamespace(free=free))


@pytest.mark.parametrize(
    ("cores", "jobs", "expected"), [(1, 1, 1), (2, 1, 1), (4, 1, 3), (16, 1, 8), (16, 3, 5), (16, 16, 1), (64, 2, 8)]
)
def test_workers_leave_a_core_and_share_the_rest(cores, jobs, expected, monkeypatch, tmp_path):
    shared_memory(monkeypatch, tmp_path, 8 << 30)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(cores)))
    monkeypatch.setenv("DMT_JOBS", str(jobs))
    assert batches.workers() == expected


@pytest.mark.parametrize(("free", "expected"), [(0, 1), (64 << 20, 4), (1 << 30, 8)])
def test_workers_have_room_for_what_they_hand_over(free, expected, monkeypatch, tmp_path):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(64)))
    shared_memory(monkeypatch, tmp_path, free)
    assert batches.workers() == expected
    monkeypatch.setattr(batches, "SHARED_MEMORY", str(tmp_path / "none"))
    assert batches.workers() == 8


@pytest.mark.filterwarnings("ignore:.*pin_memory")
def test_what_workers_make_ahead_is_what_is_made_at_once():
    """In order, to the bit; and what one cannot read is still told in one line."""

    def make(index: int) -> tuple[torch.Tensor, tuple[int, int]]:
        if index == 9:
            raise ValueError("9.png: not an image")
        return torch.full((2, 3), index, dtype=torch.uint8), (index, 3)

    which = [5, 3, 8, 3, 0]
    at_once, ahead = batches.in_order(make, which, CPU), batches._ahead(make, which, 2)
    for (image, size), (image_ahead, size_ahead) in zip(at_once, ahead, strict=True):
        assert torch.equal(image, image_ahead) and size == tuple(size_ahead)
    with pytest.raises(ValueError, match="^9.png: not an image$"):
        list(batches._ahead(make, [1, 9], 2))
