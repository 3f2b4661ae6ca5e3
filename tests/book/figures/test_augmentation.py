"""What the chapter on augmentation counts and draws."""

import pytest
import torch

from book.figures import augmentation as draw
from book.studies.augmentation import black_pairs, black_share
from dmtlib.data.images.operations import VARIANTS


@pytest.fixture(scope="module")
def pagoda() -> torch.Tensor:
    return draw.photograph(*draw.PAGODA)


def test_the_photographs_are_there_and_small(pagoda):
    flower = draw.photograph(*draw.FLOWER, side=64)
    assert pagoda.shape == (1, 3, 32, 32) and flower.shape == (1, 3, 64, 64)
    assert pagoda.dtype == torch.uint8 and pagoda.float().std() > 30


def test_strengths_at_a_share_of_the_range():
    ranges = {operation.name: operation for operation in VARIANTS["paper"].operations}
    assert draw.strength_of(ranges["rotate"], 0.5, side=32) == 15
    assert draw.strength_of(ranges["color"], 0.5, side=32) == pytest.approx(1)
    assert draw.strength_of(ranges["translate_x"], 1, side=32) == pytest.approx(9.6)


def test_two_operations_at_seven_levels_leave_a_small_image_black(pagoda):
    assert black_pairs(pagoda) == (14, 160)  # 40 … 100 of 100 pixels, at 32
    assert black_pairs(draw.photograph(*draw.PAGODA, side=64)) == (8, 160)  # 70 … 100
    assert black_pairs(draw.photograph(*draw.PAGODA, side=101)) == (0, 160)


def test_drawn_augmentations_come_out_black_as_often(pagoda):
    assert black_share(pagoda, "authors", count=2000) == pytest.approx(8.75, abs=2.5)  # 4 standard errors
    assert black_share(pagoda, "paper", count=500) == 0


def test_every_operation_has_its_picture(pagoda):
    titles = [ax.get_title() for ax in draw.operations_frame(pagoda, 0.5).axes]
    assert len(titles) == len(VARIANTS["paper"].operations) + 1
    assert "rotate\n15°" in titles and "translate_x\n4.8 px" in titles and titles[-1] == "cutout\n16 px"


def test_the_mixture_is_the_librarys(pagoda):
    figure = draw.mixup_frame(pagoda, 255 - pagoda, (1.0, 0.16), 0.3)
    images = [image for sub in figure.subfigs[:1] for image in sub.axes]
    assert images[2].get_title() == "mixed: 0.75"
    mixed = torch.from_numpy(images[2].images[0].get_array().data).permute(2, 0, 1).float()
    expected = 0.7 * pagoda[0].float() + 0.3 * (255 - pagoda[0].float())
    assert (mixed - expected).abs().max() <= 0.51


def test_the_other_figures_are_drawn(pagoda):
    assert len(draw.samples(pagoda, ("paper", "authors")).axes) == 28
    assert [ax.get_title() for ax in draw.translations(pagoda).axes][:4] == ["10", "20", "30", "40"]
    assert len(draw.anchoring().axes) == 2
