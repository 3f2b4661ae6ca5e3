import itertools

import pytest
import torch

from dmtlib.data.images.augment import WEAK
from dmtlib.models.wideresnet import WideResNet
from dmtlib.training.images.evaluation import Views, accuracy, fine_grained_accuracy, predict


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


def padded(image: torch.Tensor, top: int, left: int, mirrored: bool, like) -> torch.Tensor:
    """One weak view, pixel by pixel."""
    side, width, view = image.shape[-1], like.padding, torch.full_like(image, 0)
    for y in range(side):
        for x in range(side):
            source, across = y + top - width, (side - 1 - x if mirrored else x) + left - width
            inside = 0 <= source < side and 0 <= across < side
            view[:, y, x] = image[:, source, across] if inside else like.padding_fill
    return view


@pytest.mark.parametrize("augmentation", ["digits", "paper"])
def test_views_are_averaged_the_clean_one_among_them(augmentation):
    model = WideResNet(10, 1, 10, 3).eval()
    images = torch.randint(0, 256, (260, 3, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    told, like = ((0.3, 0.4, 0.5), (0.2, 0.2, 0.2)), WEAK[augmentation]
    clean = predict(model, images, *told)
    assert torch.equal(predict(model, images, *told, Views(1, like, 5)), clean)
    views = Views(3, like, 5)
    found = predict(model, images, *told, views)
    seen = [torch.cat(batch) for batch in zip(views.of(images[:250], 0), views.of(images[250:], 1), strict=True)]
    assert len(seen) == 3 and torch.equal(seen[0], images)
    torch.testing.assert_close(found, sum(predict(model, view, *told) for view in seen) / 3)
    assert not torch.equal(found, clean) and torch.equal(found, predict(model, images, *told, views))
    assert not torch.equal(found, predict(model, images, *told, Views(3, like, 6)))
    for image, view in zip(images[:20], seen[1], strict=False):  # each is one of the crops of its image
        places = itertools.product(range(2 * like.padding + 1), range(2 * like.padding + 1), (False, True))
        matches = {place[2] for place in places if torch.equal(padded(image, *place, like), view)}
        assert matches and (like.flip or False in matches)
