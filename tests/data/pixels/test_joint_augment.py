"""An image, its labels and their confidences stay on top of each other."""

import pytest
import torch
import torch.nn.functional as F
from torchvision import tv_tensors
from torchvision.transforms.v2 import functional as v2

from dmtlib.data.pixels.joint_augment import JointAugment, pad_to
from dmtlib.data.pixels.masks import VOID


def smooth_image(height=64, width=80, seed=0):
    """A smooth image, labels that say where it is bright, and confidences of each pixel's own."""
    coarse = torch.rand(1, 1, 7, 9, generator=torch.Generator().manual_seed(seed))
    grey = F.interpolate(coarse, (height, width), mode="bicubic", align_corners=False)[0].clamp(0, 1)
    image = (grey * 255).round().to(torch.uint8).expand(3, -1, -1).contiguous()
    labels = (image[0] > 127).to(torch.uint8)
    return image, labels, torch.linspace(0.1, 1, height * width).view(height, width)


def draw(augment, *sample, seed=0):
    return augment(*sample, generator=torch.Generator().manual_seed(seed))


def test_without_randomness_nothing_changes():
    sample = smooth_image()
    same = draw(JointAugment((64, 80), scale=(1, 1), flip=0), *sample)
    for before, after in zip(sample, same, strict=True):
        assert after.dtype == before.dtype and torch.equal(torch.as_tensor(after), torch.as_tensor(before))


def test_flip_turns_all_of_them():
    sample = smooth_image()
    for before, after in zip(sample, draw(JointAugment((64, 80), (1, 1), flip=1), *sample), strict=True):
        assert torch.equal(torch.as_tensor(after), torch.as_tensor(before).flip(-1))


def test_what_is_missing_is_to_the_right_and_below_and_ignored():
    image, labels, confidence = smooth_image()
    image = image.clamp(min=1)
    image, labels, confidence = draw(JointAugment((64, 80), scale=(0.5, 0.5), flip=0), image, labels, confidence)
    assert image.shape == (3, 64, 80) and labels.shape == confidence.shape == (64, 80)
    there = torch.zeros(64, 80, dtype=torch.bool)
    there[:32, :40] = True
    assert torch.equal(image.amin(0) > 0, there)
    assert torch.equal(labels != VOID, there)
    assert torch.equal(confidence > 0, there)


@pytest.mark.parametrize("seed", range(20))
def test_each_pixel_keeps_its_own_label_and_confidence(seed):
    image, _, _ = smooth_image()
    labels = torch.randint(0, 21, (64, 80), generator=torch.Generator().manual_seed(seed), dtype=torch.uint8)
    confidence = (labels.float() + 1) / 21  # a function of the label: no blend of two pixels could keep it
    _, labels, confidence = draw(JointAugment((50, 50)), image, labels, confidence, seed=seed)
    seen = labels != VOID
    assert seen.any() and torch.equal(confidence[seen], (labels[seen].float() + 1) / 21)
    assert (confidence[~seen] == 0).all()


def share_of_wrong_labels(labels, image):
    return (labels.bool() != (torch.as_tensor(image)[0] > 127)).float().mean().item()


def test_labels_lie_on_the_image_closer_than_by_corners():
    ours, corners = [], []
    for seed, factor in enumerate((0.5, 0.6, 0.7, 0.8, 0.9, 1.1, 1.2, 1.3, 1.4, 1.5)):
        image, labels, _ = smooth_image(seed=seed)
        size = (round(64 * factor), round(80 * factor))
        view = draw(JointAugment(size, scale=(factor, factor), flip=0), image, labels)
        ours.append(share_of_wrong_labels(view[1], view[0]))
        corners.append(share_of_wrong_labels(v2.resize(tv_tensors.Mask(labels), size), view[0]))
    assert sum(ours) / 10 < 0.03 and sum(ours) < 0.75 * sum(corners)


def test_scales_positions_and_flips_cover_their_ranges():
    """An image that says where it is: red is the row, green the column."""
    rows = torch.arange(60, dtype=torch.uint8).view(60, 1).expand(60, 90)
    columns = torch.arange(90, dtype=torch.uint8).view(1, 90).expand(60, 90)
    image = torch.stack([rows, columns, torch.zeros_like(rows)])
    views = [draw(JointAugment((30, 40), scale=(1, 1)), image, seed=seed)[0] for seed in range(300)]
    tops, lefts = {int(v[0].min()) for v in views}, {int(v[1].min()) for v in views}
    assert min(tops) == 0 and max(tops) == 30 and len(tops) > 25
    assert min(lefts) == 0 and max(lefts) == 50 and len(lefts) > 40
    flipped = sum(int(v[1, 0, 0]) > int(v[1, 0, -1]) for v in views)
    assert 120 < flipped < 180

    labels = torch.zeros(40, 40, dtype=torch.uint8)
    image = torch.zeros(3, 40, 40, dtype=torch.uint8)
    sides = [int((draw(JointAugment((60, 60)), image, labels, seed=s)[1][0] != VOID).sum()) for s in range(300)]
    assert min(sides) in (20, 21) and max(sides) in (59, 60) and 38 < sum(sides) / 300 < 42


def test_a_seed_draws_the_same_view_and_no_other_generator_is_asked():
    sample, augment = smooth_image(), JointAugment((48, 48))
    before = torch.get_rng_state()
    views = [draw(augment, *sample, seed=seed) for seed in (1, 1, 2)]
    assert torch.equal(before, torch.get_rng_state())
    assert all(torch.equal(a, b) for a, b in zip(views[0], views[1], strict=True))
    assert not torch.equal(views[0][0], views[2][0])
    with_maps, alone = draw(augment, *sample, seed=3)[0], draw(augment, sample[0], seed=3)[0]
    assert torch.equal(with_maps, alone)  # the same draws, whatever travels along


def test_padding_for_scoring():
    image, labels, confidence = smooth_image()
    assert pad_to(image, (505, 505)).shape == (3, 505, 505)
    padded = pad_to(labels, (70, 80))
    assert padded.shape == (70, 80) and (padded[64:] == VOID).all() and torch.equal(padded[:64], labels)
    assert pad_to(confidence, (10, 10)).shape == (64, 80)


def test_a_map_of_another_size_is_refused():
    image, labels, _ = smooth_image()
    with pytest.raises(ValueError, match="a map must have the image's size 64×80, got 63×80"):
        draw(JointAugment((5, 5)), image, labels[1:])
