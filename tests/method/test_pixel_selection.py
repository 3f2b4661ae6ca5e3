"""The top pixels of each class, against Python's sort; and what 16 bits of confidence keep."""

from __future__ import annotations

import math
import weakref

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dmtlib import dynamic_loss, dynamic_weights, pseudo_label
from dmtlib.method.pixel_selection import decode_confidence, encode_confidence, select_top_pixels

properties = settings(max_examples=150, deadline=None, derandomize=True)


def chunk(labels, codes, shape=(-1,)):
    labels, codes = torch.tensor(labels, dtype=torch.uint8), torch.tensor(codes, dtype=torch.int32)
    return labels.reshape(shape), codes.to(torch.uint16).reshape(shape)


def select(chunks, num_classes, alpha):
    return torch.cat([kept.reshape(-1) for kept in select_top_pixels(chunks, num_classes, alpha)]).tolist()


# --- Exactly the right pixels -------------------------------------------------------------------------------------


@st.composite
def pixels(draw):
    """Labels with some ignored and some classes missing, few different codes so that ties are everywhere."""
    labels = draw(st.lists(st.sampled_from([0, 1, 3, 255]), max_size=40))
    codes = draw(st.lists(st.sampled_from([0, 1, 40_000, 65_535]), min_size=len(labels), max_size=len(labels)))
    return labels, codes


@properties
@given(pixels(), st.integers(1, 100), st.data())
def test_selection_against_python_s_sort(pixels, percent, data):
    labels, codes = pixels
    expected = [255] * len(labels)
    for c in range(5):
        ranked = sorted((i for i, label in enumerate(labels) if label == c), key=lambda i: (-codes[i], i))
        for i in ranked[: percent * len(ranked) // 100]:
            expected[i] = c
    assert select([chunk(labels, codes)], 5, percent / 100) == expected

    bounds = sorted(data.draw(st.lists(st.integers(0, len(labels)), max_size=6)))  # equal ones make empty chunks
    spans = list(zip([0, *bounds], [*bounds, len(labels)], strict=True))
    assert select([chunk(labels[a:b], codes[a:b]) for a, b in spans], 5, percent / 100) == expected


def test_images_keep_their_shapes_and_ties_go_to_the_earlier_image():
    first = chunk([0] * 6 + [255] * 2, [500] * 8, (2, 4))
    second = chunk([0] * 4 + [1] * 5, [500] * 3 + [501] + [7] * 5, (3, 3))
    kept = list(select_top_pixels([first, second], 2, 0.5))
    assert kept[0].tolist() == [[0, 0, 0, 0], [255, 255, 255, 255]]
    assert kept[1].tolist() == [[255, 255, 255], [0, 1, 1], [255, 255, 255]]
    assert all(labels.dtype == torch.uint8 for labels in kept)
    assert first[0].tolist() == [[0] * 4, [0, 0, 255, 255]]  # what was given stays as it was


def test_alpha_1_keeps_all_but_ignored_pixels():
    labels, codes = [0, 255, 2, 2, 255, 0], [0, 65_535, 0, 9, 0, 65_535]
    assert select([chunk(labels, codes)], 255, 1.0) == labels
    assert select([chunk(labels, codes)], 3, 1) == labels


def test_a_class_of_one_pixel():
    one = [chunk([255, 1, 255], [9, 5, 9])]
    assert select(one, 3, 1.0) == [255, 1, 255]
    assert select(one, 3, 0.999) == [255, 255, 255]  # ⌊0.999⌋ = 0


def test_no_pixels_at_all():
    assert list(select_top_pixels([], 3, 0.5)) == []
    assert select([chunk([255, 255], [1, 2])], 3, 1.0) == [255, 255]


@pytest.mark.parametrize(("alpha", "n", "expected"), [(0.29, 100, 29), (0.57, 100, 57), (0.2, 1257, 251)])
def test_exactly_the_floor_of_alpha_n(alpha, n, expected):
    """In floats, 0.29 · 100 and 0.57 · 100 fall just below the integer."""
    kept = select([chunk([0] * n, [65_535] * n)], 1, alpha)
    assert kept == [0] * expected + [255] * (n - expected)


def test_many_pixels_of_confidence_1():
    """Two ranks deep in a class of easy pixels, where a strict threshold would keep nothing."""
    n = 70_000
    labels = (torch.arange(n) % 2).to(torch.uint8)
    codes = encode_confidence(torch.ones(n))
    kept = torch.cat(list(select_top_pixels(list(zip(labels.split(999), codes.split(999), strict=True)), 2, 0.4)))
    assert torch.equal(kept[:28_000], labels[:28_000]) and (kept[28_000:] == 255).all()


def test_two_passes_that_hold_no_chunks():
    alive, passes = [], []

    class Chunks:
        def __iter__(self):
            passes.append(0)
            for i in range(20):
                fresh = chunk([i % 3] * 50, range(i, i + 50))
                alive.extend(weakref.ref(tensor) for tensor in fresh)
                yield fresh
                del fresh
                passes[-1] = max(passes[-1], sum(ref() is not None for ref in alive))

    for _ in select_top_pixels(Chunks(), 3, 0.5):
        pass
    assert len(passes) == 2 and max(passes) <= 2  # labels and codes of one chunk


# --- Errors -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("alpha", [0, -0.2, 1.0001, 20, math.nan])
def test_alpha_errors(alpha):
    with pytest.raises(ValueError, match=r"^alpha must lie in \(0, 1\], got .*$"):
        select_top_pixels([chunk([0], [1])], 1, alpha)


@pytest.mark.parametrize("num_classes", [0, 256, -1])
def test_num_classes_errors(num_classes):
    with pytest.raises(ValueError, match=r"^num_classes must lie in 1…255, got"):
        select_top_pixels([], num_classes, 0.5)


@pytest.mark.parametrize("label", [3, 100, 254])
def test_a_label_that_is_no_class(label):
    with pytest.raises(ValueError, match=rf"^labels must lie in 0…2, or be 255, got {label}$"):
        select_top_pixels([chunk([0, label, 255, 1], [1, 2, 3, 4])], 3, 0.5)


@pytest.mark.wrong_shapes
@pytest.mark.parametrize(
    "bad",
    [
        (torch.zeros(4, dtype=torch.uint8), torch.zeros(5, dtype=torch.uint16)),
        (torch.zeros(4, dtype=torch.int64), torch.zeros(4, dtype=torch.uint16)),
        (torch.zeros(4, dtype=torch.uint8), torch.zeros(4)),
    ],
)
def test_chunk_errors(bad):
    with pytest.raises(ValueError, match=r"^labels and codes must be uint8 and uint16 of one shape, got"):
        select_top_pixels([bad], 3, 0.5)


def test_chunks_that_pass_by_once():
    with pytest.raises(ValueError, match=r"^chunks must be a collection, .* got a generator"):
        select_top_pixels((chunk([0], [1]) for _ in range(2)), 1, 0.5)


@pytest.mark.parametrize("value", [-1e-7, 1.0000001, math.nan, math.inf])
def test_confidence_errors(value):
    with pytest.raises(ValueError, match=r"^confidence must lie in \[0, 1\]"):
        encode_confidence(torch.tensor([0.5, value]))


# --- Sixteen bits -------------------------------------------------------------------------------------------------


def test_codes_keep_the_order_and_come_close():
    steps = torch.arange(2**24, -1, -1, dtype=torch.float64)
    confidence = (1 - steps / 2**24).float()  # every float32 of [0.5, 1], and as many below
    codes = encode_confidence(confidence)
    decoded = decode_confidence(codes)
    differences = codes.int().diff()
    assert (differences >= 0).all() and codes[0] == 0 and codes[-1] == 65_535
    assert (differences[-64:] > 0).all()  # all floats down to 1 − 2⁻¹⁸ apart
    assert (confidence - decoded).abs().max() < 1.6e-5
    assert decoded[0] == 0 and decoded[-1] == 1
    assert torch.equal(encode_confidence(decoded), codes)


def test_all_floating_dtypes():
    for dtype in (torch.float16, torch.bfloat16, torch.float32, torch.float64):
        codes = encode_confidence(torch.tensor([[0.25, 1.0]], dtype=dtype))
        assert codes.dtype == torch.uint16 and codes.tolist() == [[8_780, 65_535]]
        assert decode_confidence(codes).dtype == torch.float32


@pytest.fixture(scope="module")
def two_models():
    """Logits of a model and of the other one, which sees things much alike and is as often nearly certain."""
    generator = torch.Generator().manual_seed(0)
    common = 6 * torch.randn(4, 21, 65, 65, generator=generator)
    return (common + 2 * torch.randn(common.shape, generator=generator) for _ in range(2))


def test_the_loss_does_not_notice(two_models):
    """Eq. 3 compares confidences, so a code can tip a weight from p_B^γ2 to 0; hardly ever, or the loss would move."""
    logits_a, logits_b = two_models
    labels, confidence = pseudo_label(logits_a.softmax(1))
    decoded = decode_confidence(encode_confidence(confidence))
    assert not torch.equal(decoded, confidence)

    probabilities = logits_b.softmax(1)
    exact = dynamic_weights(probabilities, labels, confidence, 5.0, 5.0)
    assert ((exact == 0).float().mean() > 0.05) and (exact > 0).any()
    assert (dynamic_weights(probabilities, labels, decoded, 5.0, 5.0) - exact).abs().mean() < 1e-4

    labeled = torch.zeros(4, dtype=torch.bool)
    losses = [dynamic_loss(logits_b, labels, c, labeled, 1.0, 1.0) for c in (confidence, decoded, confidence - 0.01)]
    assert abs(losses[1] - losses[0]) < 1e-3 * losses[0]
    assert abs(losses[2] - losses[0]) > 1e-3 * losses[0]  # seven bits would be noticed
