"""Class colours that everybody can tell apart, and pictures that show the pixels they are given."""

import itertools

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from seeing import distance, lab

from book.figures import masks as draw


@pytest.mark.parametrize(("classes", "least"), [(5, 20), (11, 17), (21, 13)])
def test_everybody_can_tell_the_classes_apart(classes, least):
    colours = [*draw.CLASS_COLOURS[:classes], draw.VOID_COLOUR]
    assert len(colours) == classes + 1
    assert min(distance(*pair) for pair in itertools.combinations(colours, 2)) > least


def test_the_measure_knows_red_from_green_and_who_does_not():
    assert distance("#FF0000", "#FF0000") == 0
    assert distance("#000000", "#FFFFFF") == pytest.approx(100, abs=1)
    assert (
        distance("#AA5500", "#777700") < 15 < np.linalg.norm(lab("#AA5500", "all cones") - lab("#777700", "all cones"))
    )


def test_a_label_map_is_painted_pixel_by_pixel():
    painted = draw.paint(torch.tensor([[0, 1, 255], [2, 1, 0]], dtype=torch.uint8))
    assert painted.shape == (2, 3, 3) and painted.dtype == torch.uint8
    assert painted[0, 0].tolist() == [0x3A, 0x3F, 0x47] and painted[0, 2].tolist() == [0xE4, 0xE6, 0xEA]
    assert torch.equal(painted[0, 1], painted[1, 1]) and not torch.equal(painted[0, 1], painted[1, 0])
    assert draw.paint(torch.tensor([[11]]), void=11).tolist() == [[[0xE4, 0xE6, 0xEA]]]
    assert torch.equal(draw.paint(torch.tensor([[22]])), draw.paint(torch.tensor([[1]])))  # the colours begin anew


@pytest.mark.wrong_shapes
def test_what_is_no_label_map_is_refused():
    with pytest.raises(ValueError, match=r"integers of shape \(H, W\), got torch.float32 of \(2, 2\)"):
        draw.paint(torch.zeros(2, 2))
    with pytest.raises(ValueError, match=r"got torch.uint8 of \(1, 2, 2\)"):
        draw.paint(torch.zeros(1, 2, 2, dtype=torch.uint8))


def test_a_picture_shows_the_pixels_it_is_given():
    image = torch.randint(0, 256, (3, 4, 6), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    labels = torch.arange(24, dtype=torch.uint8).reshape(4, 6)
    weights = torch.linspace(0, 1, 24).reshape(4, 6)
    figure = draw.picture_figure([[image, labels, draw.paint(labels), weights]], ["a", "b", "c", "d"])
    shown = [torch.from_numpy(np.asarray(ax.images[0].get_array())) for ax in figure.axes]
    assert torch.equal(shown[0], image.permute(1, 2, 0))
    assert torch.equal(shown[1], draw.paint(labels)) and torch.equal(shown[2], shown[1])
    assert torch.equal(shown[3], weights) and figure.axes[3].images[0].get_clim() == (0, 1)
    assert [ax.get_title() for ax in figure.axes] == ["a", "b", "c", "d"]


def test_rows_have_names_and_a_key():
    labels = torch.zeros(4, 4, dtype=torch.uint8)
    figure = draw.picture_figure([[labels], [labels]], ["truth"], names=["one", "two"], classes=["background", "3"])
    assert [ax.get_ylabel() for ax in figure.axes] == ["one", "two"]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["background", "3", "no class"]
    with pytest.raises(ValueError, match="row 1 must have a picture for each of 1 titles, got 2"):
        draw.picture_figure([[labels], [labels, labels]], ["truth"])
    with pytest.raises(ValueError, match=r"a picture must be .* got torch.float32 \(3, 4, 4\)"):
        draw.picture_figure([[torch.zeros(3, 4, 4)]], ["truth"])


def test_a_key_stands_in_an_axes_of_its_own_too():
    _, ax = plt.subplots()
    draw.class_key(ax, ["background"], void="")
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["background"]


def test_pictures_say_what_stands_where():
    labels = torch.zeros(4, 4, dtype=torch.uint8)
    figure = draw.picture_figure([[labels, labels], [labels, labels]], ["truth", "the\nlabels"], names=["one", "two"])
    assert figure.get_label() == "Pictures in 2 rows: one, two. From left to right: truth, the labels."


def test_the_key_of_many_classes_fits_its_figure():
    streets = ["sky", "building", "pole", "road", "pavement", "tree", "sign", "fence", "car", "pedestrian", "cyclist"]
    figure = draw.picture_figure([[torch.zeros(45, 60, dtype=torch.long)] * 4], list("abcd"), classes=streets)
    figure.canvas.draw()
    key = figure.legends[0].get_window_extent()
    assert figure.bbox.x0 <= key.x0 and key.x1 <= figure.bbox.x1
