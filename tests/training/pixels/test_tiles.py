"""Large images: tiles put together are the whole image, and what fits goes through the network as it always did."""

import pytest
import torch

from dmtlib.data.pixels.images import StoredImages
from dmtlib.models.deeplab import DeepLabV2
from dmtlib.training.pixels import evaluation
from dmtlib.training.pixels.evaluation import predict_images, predict_in_tiles


def network(backbone: str, rates: tuple[int, ...], classes: int = 5) -> DeepLabV2:
    """With running statistics as after training: fresh ones let the last layers' numbers grow beyond all bounds."""
    torch.manual_seed(0)
    model = DeepLabV2(backbone, classes, rates)
    with torch.no_grad():
        for _ in range(30):
            model.backbone(model.normalise(noise(2, 64, 80)))
        for branch in model.aspp:
            branch.weight *= 10  # or all classes would be as probable
    return model.eval()


def noise(*size: int) -> torch.Tensor:
    """Images with large and with small things in them."""
    count, height, width = size
    coarse = torch.rand(count, 3, -(-height // 40), -(-width // 40)).repeat_interleave(40, 2).repeat_interleave(40, 3)
    fine = torch.rand(count, 3, height, width)
    return (255 * (0.7 * coarse[:, :, :height, :width] + 0.3 * fine)).to(torch.uint8)


def stored(images: torch.Tensor) -> StoredImages:
    return StoredImages([str(i) for i in range(len(images))], images, torch.zeros(images[:, 0].shape).to(torch.uint8))


@pytest.mark.parametrize("size", [(1003, 470), (481, 482), (300, 1201), (64, 900)])
def test_the_narrow_network_answers_as_on_the_whole_image(size, monkeypatch):
    monkeypatch.setattr(evaluation, "TILE", 480)
    model, image = network("narrow", (1, 2, 4, 6)), noise(1, *size)
    with torch.no_grad():
        whole = model(image).softmax(dim=1)[0]
    assert whole.std() > 0.05
    assert torch.allclose(predict_in_tiles(model, image[0]), whole, atol=2e-6)


def test_others_do_so_away_from_the_seams(monkeypatch):
    monkeypatch.setattr(evaluation, "TILE", 1024)
    model, image = network("resnet18", (6, 12, 18, 24)), noise(1, 100, 1300)
    with torch.no_grad():
        whole = model(image).softmax(dim=1)[0]
    apart = (predict_in_tiles(model, image[0]) - whole).abs().amax(dim=(0, 1))
    begin = 1300 - 1024 + 4 + 48 * 8  # where the second tile begins to count
    assert apart[: begin - 100].max() < 1e-4 and apart[begin + 100 :].max() < 1e-4 and whole.std() > 0.05


def test_what_fits_goes_through_the_network_as_before(monkeypatch):
    model, images = network("narrow", (1, 2)), noise(11, 64, 64)
    with torch.no_grad():
        expected = torch.cat([model(batch).softmax(dim=1) for batch in images.split(8)])
    assert torch.equal(torch.stack(list(predict_images(model, stored(images), range(11)))), expected)

    seen = []
    monkeypatch.setattr(evaluation, "PIXELS_AT_ONCE", 3 * 64 * 64)
    model.register_forward_pre_hook(lambda _, inputs: seen.append(len(inputs[0])))
    fewer = torch.stack(list(predict_images(model, stored(images), range(11))))
    assert seen == [3, 3, 3, 2] and torch.allclose(fewer, expected, atol=1e-6)


def test_an_image_that_is_too_large_goes_in_tiles(monkeypatch):
    model, images = network("narrow", (1, 2)), noise(2, 300, 500)
    expected = list(predict_images(model, stored(images), range(2), pad=(320, 500)))
    monkeypatch.setattr(evaluation, "PIXELS_AT_ONCE", 299 * 500)
    monkeypatch.setattr(evaluation, "TILE", 416)
    found = list(predict_images(model, stored(images), range(2), pad=(320, 500)))
    assert [p.shape for p in found] == [(5, 300, 500)] * 2
    assert all(torch.allclose(a, b, atol=2e-6) for a, b in zip(found, expected, strict=True))
