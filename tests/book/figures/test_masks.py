"""Class colours that everybody can tell apart, and pictures that show the pixels they are given."""

import itertools

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch

from book.figures import masks as draw
from book.page.look import style

# Machado, Oliveira and Fernandes (2009): what linear RGB looks like without one kind of cone.
READERS = {
    "all cones": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.04294, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.3039]],
}
TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
WHITE = np.array([0.9505, 1, 1.089])


def lab(colour: str, reader: str) -> np.ndarray:
    srgb = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    xyz = TO_XYZ @ np.clip(np.array(READERS[reader]) @ linear, 0, 1) / WHITE
    x, y, z = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def distance(first: str, second: str) -> float:
    """CIE76, to the reader who sees the least of it; 2.3 is just noticeable."""
    return min(float(np.linalg.norm(lab(first, r) - lab(second, r))) for r in READERS)


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


def test_it_gets_onto_the_page_with_its_words(capsys):
    style()
    draw.picture_rows([[torch.zeros(4, 4, dtype=torch.uint8)]], ["truth"], alt="A mask of the background alone.")
    assert "[A mask of the background alone.]" in capsys.readouterr().out
