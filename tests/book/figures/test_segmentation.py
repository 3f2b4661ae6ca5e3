"""That the figures of the chapter from images to pixels show what was counted."""

import pytest
import torch

from book.figures import segmentation as draw
from book.figures.masks import CLASS_COLOURS, VOID_COLOUR, paint
from book.page.look import COLOURS, style
from book.studies import segmentation as ranking
from dmtlib.data.pixels.joint_augment import JointAugment
from dmtlib.method.difference_sampling import difference_maximized_subsets

CLASSES = ("background", "3", "8")


@pytest.fixture(autouse=True)
def book_style():
    style()


@pytest.fixture(scope="module")
def labeling() -> ranking.PixelLabeling:
    generator = torch.Generator().manual_seed(0)
    logits = 2 * torch.randn(4, 3, 16, 16, generator=generator)
    logits[:, 0] += 3
    truth = torch.randint(0, 3, (4, 16, 16), generator=generator).to(torch.uint8)
    truth[:, :2] = 255
    return ranking.pixel_labeling(CLASSES, logits.softmax(dim=1), truth)


def widths(ax) -> list[float]:
    return [bar.get_width() for bar in ax.patches]


def test_bars_are_the_shares_that_are_kept(labeling):
    together, by_class = draw.kept_shares(labeling, 0.2).axes
    counts = ranking.kept_by_class(labeling, ranking.keep_top(labeling, 0.2, by_class=False))
    assert widths(together) == pytest.approx((100 * counts["kept"] / counts["labeled"]).tolist())
    assert widths(by_class) == pytest.approx([20] * 3, abs=1.5)  # whole pixels
    assert [text.get_text() for text in together.texts] == [f"{n:,}" for n in counts["kept"]]


def test_a_frame_shows_the_kept_labels_and_which_are_wrong(labeling):
    figure = draw.alpha_frame(labeling, [0, 3], 0.5)
    pictures = figure.subfigs[0].axes  # row by row: two true maps, two maps of labels, two verdicts
    assert [ax.get_ylabel() for ax in pictures[::2]] == ["truth", "kept", "wrong?"]
    assert (pictures[1].images[0].get_array().data == paint(labeling.truth[3]).numpy()).all()
    kept = ranking.keep_top(labeling, 0.5)[3]
    dropped = torch.from_numpy((pictures[3].images[0].get_array().data == rgb(VOID_COLOUR)).all(axis=2))
    assert torch.equal(dropped, kept == 255)
    verdict = pictures[5].images[0].get_array().data
    counted = (kept != 255) & labeling.known[3]
    assert (verdict == rgb(COLOURS["wrong"])).all(axis=2).sum() == (counted & labeling.wrong[3]).sum() > 0
    assert (verdict == rgb(COLOURS["right"])).all(axis=2).sum() == (counted & ~labeling.wrong[3]).sum() > 0


def test_a_frames_bars_are_the_four_parts(labeling):
    figure = draw.alpha_frame(labeling, [0], 0.5)
    (bars,) = figure.subfigs[1].axes
    parts = ranking.four_parts(labeling, ranking.keep_top(labeling, 0.5))
    assert widths(bars)[:12] == pytest.approx(parts.to_numpy().T.flatten().tolist())
    assert [text.get_text() for text in bars.get_legend().get_texts()] == list(parts.columns)


def test_lines_are_the_thresholds_and_the_changed_labels(labeling):
    alphas = [0.2, 0.8, 1.0]
    above, below = draw.cbst_lines(labeling, alphas).axes
    lines = torch.stack([torch.tensor(line.get_ydata()) for line in above.lines[:3]])
    torch.testing.assert_close(lines, torch.stack([ranking.thresholds(labeling, a) for a in alphas]).T)
    assert [line.get_color() for line in above.lines[:3]] == list(CLASS_COLOURS[:3])
    effect = ranking.renormalisation_effect(labeling, alphas)
    assert below.lines[0].get_ydata().tolist() == effect["right made wrong"].tolist()


def test_maps_follow_the_image_through_its_views():
    image = torch.zeros(3, 8, 8, dtype=torch.uint8)
    image[:, 2:4, 1:3] = 200
    labels, confidence = torch.zeros(8, 8, dtype=torch.uint8), torch.full((8, 8), 0.5)
    labels[2:4, 1:3], confidence[2:4, 1:3] = 3, 0.75
    rows = draw.joint_views(image, labels, confidence, JointAugment((8, 8), scale=(1, 1), flip=0.5), count=8, seed=0)
    assert [len(row) for row in rows] == [9, 9, 9]
    for seen, marked, sure in zip(*rows, strict=True):
        assert torch.equal(seen[0] == 200, marked == 3) and torch.equal(marked == 3, sure == 0.75)
    assert any((marked == 3)[:, 5:].any() for marked in rows[1])  # some are flipped


def test_the_halves_are_drawn_as_they_were_made():
    names = [f"{i:02d}" for i in range(10)]
    a, b = difference_maximized_subsets(names, 8, seed=0)
    (ax,) = draw.halves(names, a, b).axes
    cells = [patch for patch in ax.patches if hasattr(patch, "get_height")]
    by_name, shuffled = cells[:10], cells[10:]
    order = [*a, *(name for name in b if name not in a)]
    colour_of = {name: cell.get_facecolor() for name, cell in zip(names, by_name, strict=True)}
    assert [cell.get_facecolor() for cell in shuffled] == [colour_of[name] for name in order]
    assert len({cell.get_facecolor() for cell in shuffled[2:8]}) == 1  # the six in the middle are in both
    assert {text.get_text() for text in ax.texts} >= {"A: the first 8", "B: the last 8"}


def rgb(colour: str) -> list[int]:
    return [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
