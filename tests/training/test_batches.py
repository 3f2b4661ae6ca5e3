import pytest
import torch

from dmtlib.training.batches import ShuffledStream

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
