"""The quick network: its size, its shapes, and a first layer under which patches are white."""

import pytest
import torch
import torch.nn.functional as F

from dmtlib.models.whitened import WhitenedCNN, classifier, whitening_filters
from dmtlib.models.wideresnet import WideResNet

MEAN, STD = (0.5, 0.4, 0.3), (0.2, 0.25, 0.3)


def smooth_images(n: int = 40, channels: int = 3) -> torch.Tensor:
    """Whose neighbouring pixels and channels are alike, as in photographs."""
    generator = torch.Generator().manual_seed(0)
    noise = torch.rand(n, 1, 16, 16, generator=generator) + 0.2 * torch.rand(n, channels, 16, 16, generator=generator)
    return (F.avg_pool2d(noise, 3, stride=1) * 200).to(torch.uint8)


@pytest.mark.parametrize(
    ("widths", "parameters"),
    [
        # Three blocks of two 3×3 convolutions behind 24 filters, two norms a block, the filters' bias, the head.
        ((32, 128, 128), 9 * (24 * 32 + 32**2 + 32 * 128 + 3 * 128**2) + 4 * (32 + 128 + 128) + 24 + 1280),
        ((64, 256, 256), 9 * (24 * 64 + 64**2 + 64 * 256 + 3 * 256**2) + 4 * (64 + 256 + 256) + 24 + 2560),
    ],
)
def test_size(widths, parameters):
    assert sum(p.numel() for p in WhitenedCNN(widths, 10).parameters()) == parameters
    assert 0.4e6 < parameters < 2e6


@pytest.mark.parametrize("shape", [(2, 3, 32, 32), (3, 1, 9, 9), (1, 3, 17, 23)])
def test_shapes(shape):
    model = WhitenedCNN((4, 6, 8), 7, in_channels=shape[1])
    assert model.eval()(torch.randn(shape)).shape == (shape[0], 7)


def test_images_that_are_too_small_are_told():
    with pytest.raises(ValueError, match="at least 9 pixels wide and high, got 32×8"):
        WhitenedCNN((4, 6, 8), 7)(torch.randn(2, 3, 32, 8))


def test_parts_that_are_not_learned():
    """The filters and the scales of batch norm; both are in the state that a checkpoint keeps."""
    model = WhitenedCNN((4, 6, 8), 10)
    assert "whitening" in model.state_dict() and "whitening" not in dict(model.named_parameters())
    frozen = {name for name, p in model.named_parameters() if not p.requires_grad}
    assert frozen == {f"blocks.{block}.norm{n}.weight" for block in range(3) for n in (1, 2)}


def test_convolutions_begin_by_passing_on():
    weight = WhitenedCNN((32, 128, 128), 10).blocks[0].conv1.weight  # from 24 channels to 32
    x = torch.randn(1, 24, 5, 5)
    passed = F.conv2d(x, weight, padding=1)
    torch.testing.assert_close(passed[:, :24], x)
    assert passed[:, 24:].std() > 0.1


@pytest.mark.parametrize("channels", [1, 3])
def test_whitened_patches_are_white(channels):
    images = smooth_images(channels=channels)
    mean, std = torch.tensor(MEAN[:channels]).view(-1, 1, 1), torch.tensor(STD[:channels]).view(-1, 1, 1)
    filters = whitening_filters(images, MEAN[:channels], STD[:channels], eps=0)
    assert filters.shape == (8 * channels, channels, 2, 2) and filters.dtype == torch.float32
    half = 4 * channels
    assert torch.equal(filters[:half], -filters[half:])
    seen = F.conv2d((images / 255 - mean) / std, filters[:half]).transpose(0, 1).flatten(1)
    torch.testing.assert_close(torch.cov(seen), torch.eye(half), atol=2e-3, rtol=0)
    lengths = filters[:half].flatten(1).norm(dim=1)  # one over the root of a variance
    assert (lengths.diff() > 0).all()


def test_eps_keeps_noise_small():
    flat = torch.full((4, 3, 8, 8), 7, dtype=torch.uint8)
    assert whitening_filters(flat, MEAN, STD).abs().max() <= 5e-4**-0.5


def test_the_same_images_give_the_same_bits():
    images = smooth_images(600)  # more than one batch of sums
    filters = whitening_filters(images, MEAN, STD)
    assert torch.equal(filters, whitening_filters(images, MEAN, STD))
    shuffled = images[torch.randperm(600, generator=torch.Generator().manual_seed(1))]
    assert torch.equal(filters, whitening_filters(shuffled, MEAN, STD))
    assert not torch.equal(filters, whitening_filters(images[:300], MEAN, STD))


def test_a_classifier_is_made_from_what_is_kept_of_it():
    assert isinstance(classifier(widths=[4, 6, 8], num_classes=10, in_channels=1), WhitenedCNN)
    assert isinstance(classifier(depth=10, widen_factor=1, num_classes=10, in_channels=1), WideResNet)


def test_logits_have_32_bits_under_autocast():
    """16 bits would leave steps between confidences."""
    model = WhitenedCNN((4, 6, 8), 10).eval()
    with torch.autocast("cpu", torch.bfloat16):
        assert model(torch.randn(2, 3, 12, 12)).dtype == torch.float32
