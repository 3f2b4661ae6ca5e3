"""Eq. 3–6: worked by hand, against a float64 loop, and as properties."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from reference import batches, gammas, loss_loop, weights_loop
from torch._subclasses.fake_tensor import DataDependentOutputException, FakeTensorMode

from dmtlib import disagreement_cases, dynamic_loss, dynamic_weights, weighted_cross_entropy
from dmtlib.method.dynamic_loss import POSITIVE_DISAGREEMENT, full_weight_where, probability_of

properties = settings(max_examples=60, deadline=None, derandomize=True)

# Worked by hand:   B's probabilities   y_A  c_A   case  γ1 = 2, γ2 = 3   γ1 = γ2 = 0
BY_HAND = [
    ((0.75, 0.125, 0.125), 0, 1.000, 1, 0.5625, 1.0),  # both say 0
    ((0.75, 0.125, 0.125), 0, 0.125, 1, 0.5625, 1.0),  # agreement does not ask who was more confident
    ((0.50, 0.250, 0.250), 1, 0.875, 2, 0.015625, 1.0),  # A was more confident
    ((0.50, 0.250, 0.250), 1, 0.500, 2, 0.015625, 1.0),  # a tie is case 2
    ((0.50, 0.250, 0.250), 1, 0.375, 3, 0.0, 0.0),  # B is more confident: γ = 0 does not switch this off
    ((0.50, 0.500, 0.000), 2, 0.750, 2, 0.0, 1.0),  # p_B = 0, and 0⁰ = 1
    ((0.50, 0.250, 0.250), 255, 0.9, 0, 0.0, 0.0),  # ignored
]


def by_hand(layout):
    p, y_a, c_a, cases, weights, weights_at_0 = (torch.tensor(column) for column in zip(*BY_HAND, strict=True))
    if layout == "pixels":  # one image of 1 × 7 pixels
        p, y_a, c_a, cases, weights, weights_at_0 = (
            p.T[None, :, None],
            *(column[None, None] for column in (y_a, c_a, cases, weights, weights_at_0)),
        )
    return p, y_a, c_a, cases, weights, weights_at_0


def random_batch(space=(), batch=6, classes=5, seed=0):
    """Logits, targets (some ignored), confidence and labeled; every case of Eq. 3 occurs."""
    g = torch.Generator().manual_seed(seed)
    logits = 2 * torch.randn(batch, classes, *space, generator=g)
    likely = torch.rand(batch, *space, generator=g) < 0.5
    targets = torch.where(likely, logits.argmax(1), torch.randint(classes, (batch, *space), generator=g))
    targets[torch.rand(batch, *space, generator=g) < 0.15] = 255
    return logits, targets, torch.rand(batch, *space, generator=g), torch.arange(batch) < 2


IMAGES_AND_PIXELS = pytest.mark.parametrize("space", [(), (3, 4), (2, 2, 2)], ids=["images", "pixels", "voxels"])


@pytest.mark.parametrize("layout", ["images", "pixels"])
def test_the_three_cases_by_hand(layout):
    p, y_a, c_a, cases, weights, weights_at_0 = by_hand(layout)
    assert torch.equal(disagreement_cases(p, y_a, c_a), cases.to(torch.uint8))
    torch.testing.assert_close(dynamic_weights(p, y_a, c_a, 2, 3), weights)
    torch.testing.assert_close(dynamic_weights(p, y_a, c_a, 0, 0), weights_at_0)


def test_probability_of_by_hand():
    p, y_a, *_ = by_hand("images")
    assert probability_of(p, y_a).tolist() == [0.75, 0.75, 0.25, 0.25, 0.25, 0.0, 0.0]
    assert probability_of(p.T[None], y_a[None]).tolist() == [probability_of(p, y_a).tolist()]


def test_loss_by_hand():
    """Labeled, case 1, case 2, case 3 and ignored: four elements count, two of them with a weight below 1."""
    p = torch.tensor([[0.5, 0.25, 0.25], [0.75, 0.125, 0.125], *[[0.5, 0.25, 0.25]] * 3])
    targets = torch.tensor([1, 0, 1, 1, 255])
    confidence = torch.tensor([math.nan, 1.0, 0.875, 0.375, 0.9])  # not read where labeled
    labeled = torch.tensor([True, False, False, False, False])
    expected = (math.log(4) + 0.75**2 * math.log(4 / 3) + 0.25**3 * math.log(4) + 0) / 4
    assert dynamic_loss(p.log(), targets, confidence, labeled, 2, 3).item() == pytest.approx(expected, rel=1e-6)


@IMAGES_AND_PIXELS
@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("gamma1", "gamma2"), [(0.0, 0.0), (4.0, 4.0), (5.0, 0.5)])
def test_against_a_float64_loop(space, seed, gamma1, gamma2):
    logits, targets, confidence, labeled = random_batch(space, seed=seed)
    before = [t.clone() for t in (logits, targets, confidence, labeled)]
    p = logits.softmax(1)
    weights = dynamic_weights(p, targets, confidence, gamma1, gamma2)
    expected = weights_loop(p, targets, confidence, gamma1, gamma2)
    torch.testing.assert_close(weights.double(), expected, rtol=1e-5, atol=1e-7)
    loss = dynamic_loss(logits, targets, confidence, labeled, gamma1, gamma2)
    assert loss.item() == pytest.approx(loss_loop(logits, targets, confidence, labeled, gamma1, gamma2), rel=1e-5)
    assert all(torch.equal(a, b) for a, b in zip(before, (logits, targets, confidence, labeled), strict=True))


@IMAGES_AND_PIXELS
def test_the_gradient_flows_through_the_cross_entropy_alone(space):
    logits, targets, confidence, labeled = random_batch(space)
    frozen = weights_loop(logits.softmax(1), targets, confidence, 2, 3).float()
    frozen[labeled] = 1.0
    logits.requires_grad_()
    cross_entropy = F.cross_entropy(logits, targets, ignore_index=255, reduction="none")
    (expected,) = torch.autograd.grad((frozen * cross_entropy).sum() / (targets != 255).sum(), logits)
    (found,) = torch.autograd.grad(dynamic_loss(logits, targets, confidence, labeled, 2, 3), logits)
    torch.testing.assert_close(found, expected)
    assert found.any()


def test_weights_are_constants_to_autograd():
    """Even if everything that they are made of is part of a graph."""
    logits, targets, confidence, _ = random_batch()
    leaves = [t.requires_grad_() for t in (logits, confidence, torch.tensor(2.0), torch.tensor(3.0))]
    weights = dynamic_weights(leaves[0].softmax(1), targets, *leaves[1:])
    assert not weights.requires_grad
    assert not probability_of(logits.softmax(1), targets).requires_grad
    assert weights.dtype == torch.float32


def test_labeled_elements_weigh_1_whatever_their_confidence():
    logits, targets, confidence, _ = random_batch((3, 4))
    everything = torch.ones(len(targets), dtype=torch.bool)
    loss = dynamic_loss(logits, targets, torch.full_like(confidence, math.nan), everything, 4, 4)
    torch.testing.assert_close(loss, F.cross_entropy(logits, targets, ignore_index=255))
    mixed = torch.tensor([True, False])
    assert torch.equal(full_weight_where(mixed, torch.zeros(2, 2, 3)), mixed.float().view(2, 1, 1).expand(2, 2, 3))


def test_n_counts_the_whole_batch():
    """A labeled and a pseudo-labeled image of 4 pixels, 3 of the 8 ignored: every sum is divided by 5."""
    logits = torch.zeros(2, 2, 2, 2)  # p = 1/2 everywhere, the prediction is class 0, each cross-entropy log 2
    targets = torch.tensor([[[0, 1], [1, 255]], [[0, 0], [255, 255]]])
    loss = dynamic_loss(logits, targets, torch.ones(2, 2, 2), torch.tensor([True, False]), 3, 3)
    assert loss.item() == pytest.approx((3 + 2 * 0.5**3) * math.log(2) / 5)


@IMAGES_AND_PIXELS
@pytest.mark.parametrize("is_labeled", [False, True])
def test_nothing_to_learn_gives_zero_and_zero_gradients(space, is_labeled):
    logits, targets, confidence, labeled = random_batch(space)
    logits.requires_grad_()
    loss = dynamic_loss(logits, torch.full_like(targets, 255), confidence, torch.full_like(labeled, is_labeled), 4, 4)
    loss.backward()
    assert loss.item() == 0 and logits.grad.abs().sum() == 0


def test_an_empty_batch_gives_zero():
    logits, targets, confidence, labeled = (t[:0] for t in random_batch((3, 4)))
    assert dynamic_loss(logits, targets, confidence, labeled, 4, 4).item() == 0


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
@IMAGES_AND_PIXELS
def test_half_precision_logits_are_computed_in_float32(dtype, space):
    logits, targets, confidence, labeled = random_batch(space)
    half = logits.to(dtype).requires_grad_()
    loss = dynamic_loss(half, targets, confidence.to(dtype), labeled, 4, 4)
    assert loss.dtype == torch.float32
    assert torch.equal(loss, dynamic_loss(half.float(), targets, confidence.to(dtype).float(), labeled, 4, 4))
    loss.backward()
    assert half.grad.dtype == dtype
    assert dynamic_weights(half.softmax(1), targets, confidence, 4, 4).dtype == torch.float32


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32], ids=str)
def test_extreme_logits_stay_finite(dtype):
    """The largest numbers of the dtype: a weight of 0 beats a cross-entropy that overflows even float32."""
    top = torch.finfo(dtype).max
    logits = torch.tensor([[top, -top], [top, -top], [top, top], [0, 0]], dtype=dtype).requires_grad_()
    targets, labeled = torch.tensor([0, 1, 0, 1]), torch.zeros(4, dtype=torch.bool)
    loss = dynamic_loss(logits, targets, torch.full((4,), 0.75), labeled, 1, 1)
    # The second is case 3 with c_B = 1; the last two have p_B = 1/2, in case 1 and in case 2.
    assert loss.item() == pytest.approx((0 + 0 + 0.5 * math.log(2) + 0.5 * math.log(2)) / 4)
    loss.backward()
    assert logits.grad.isfinite().all()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
@IMAGES_AND_PIXELS
def test_autocast_changes_nothing(dtype, space):
    logits, targets, confidence, labeled = random_batch(space)
    plain = dynamic_loss(logits, targets, confidence, labeled, 4, 4)
    weights = dynamic_weights(logits.softmax(1), targets, confidence, 4, 4)
    with torch.autocast("cpu", dtype=dtype):
        assert (torch.ones(1, 2) @ torch.ones(2, 1)).dtype == dtype  # autocast is on
        under = dynamic_loss(logits, targets, confidence, labeled, 4, 4)
        weights_under = dynamic_weights(logits.softmax(1), targets, confidence, 4, 4)
    assert under.dtype == weights_under.dtype == torch.float32
    torch.testing.assert_close(under, plain)
    torch.testing.assert_close(weights_under, weights)


INTEGERS = [
    torch.int8, torch.int16, torch.int32, torch.uint8, torch.uint16, torch.uint32, torch.uint64,
]  # fmt: skip


@pytest.mark.parametrize("dtype", INTEGERS, ids=str)
@IMAGES_AND_PIXELS
def test_every_integer_dtype(dtype, space):
    logits, targets, confidence, labeled = random_batch(space)
    targets[targets == 255] = 100  # int8 ends at 127
    p, narrow = logits.softmax(1), targets.to(dtype)
    for function, inputs in ((dynamic_weights, (p,)), (dynamic_loss, (logits,))):
        rest = (confidence, labeled) if function is dynamic_loss else (confidence,)
        expected = function(*inputs, targets, *rest, 4, 3, ignore_index=100)
        assert torch.equal(function(*inputs, narrow, *rest, 4, 3, ignore_index=100), expected)


def test_uint8_masks_ignore_255_by_default():
    logits, targets, confidence, labeled = random_batch((3, 4))
    assert (targets == 255).any()
    expected = dynamic_loss(logits, targets, confidence, labeled, 4, 4)
    assert torch.equal(dynamic_loss(logits, targets.to(torch.uint8), confidence, labeled, 4, 4), expected)


@pytest.mark.parametrize("ignore_index", [0, -1, -100, 255, 1000])
def test_any_ignore_index(ignore_index):
    logits, targets, confidence, labeled = random_batch((3, 4))
    targets = torch.where(targets == 255, ignore_index, targets)
    found = dynamic_loss(logits, targets, confidence, labeled, 2, 2, ignore_index=ignore_index)
    assert found.item() == pytest.approx(
        loss_loop(logits, targets, confidence, labeled, 2, 2, ignore_index=ignore_index), rel=1e-5
    )
    weights = dynamic_weights(logits.softmax(1), targets, confidence, 0, 0, ignore_index=ignore_index)
    assert not weights[targets == ignore_index].any() and weights.any()


def test_an_ignore_index_beyond_the_dtype_ignores_nothing():
    """−100 is 156 in uint8, where a comparison that stays narrow would find it."""
    p = F.one_hot(torch.tensor([156]), 200).float()
    assert dynamic_weights(p, torch.tensor([156], dtype=torch.uint8), torch.ones(1), 4, 4, ignore_index=-100) == 1


def test_memory_layout_does_not_matter():
    logits, targets, confidence, labeled = random_batch((3, 4))
    expected = dynamic_loss(logits, targets, confidence, labeled, 4, 4)
    layouts = [
        logits.contiguous(memory_format=torch.channels_last),
        logits.permute(3, 2, 1, 0).contiguous().permute(3, 2, 1, 0),
        torch.stack([logits, logits], dim=-1)[..., 0],
    ]
    scattered = [t.transpose(1, 2).contiguous().transpose(1, 2) for t in (targets, confidence)]
    for strided in layouts:
        assert not strided.is_contiguous()
        torch.testing.assert_close(dynamic_loss(strided, *scattered, labeled, 4, 4), expected)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.int64], ids=str)
def test_gamma_may_be_a_scalar_tensor(dtype):
    logits, targets, confidence, labeled = random_batch()
    gamma1, gamma2 = torch.tensor(4, dtype=dtype), torch.tensor(2, dtype=dtype)
    expected = dynamic_weights(logits.softmax(1), targets, confidence, 4, 2)
    torch.testing.assert_close(dynamic_weights(logits.softmax(1), targets, confidence, gamma1, gamma2), expected)
    loss = dynamic_loss(logits, targets, confidence, labeled, gamma1, gamma2)
    torch.testing.assert_close(loss, dynamic_loss(logits, targets, confidence, labeled, 4, 2))


# --- Errors name the argument -------------------------------------------------------------------------------------

B, C, H, W = 3, 4, 2, 2
GOOD = {
    "logits": torch.zeros(B, C, H, W),
    "targets": torch.zeros(B, H, W, dtype=torch.long),
    "confidence": torch.zeros(B, H, W),
    "labeled": torch.zeros(B, dtype=torch.bool),
    "gamma1": 1.0,
    "gamma2": 1.0,
}
WEIGHTS_NAMES = {"logits": "probabilities", "targets": "pseudo_labels", "confidence": "pseudo_confidence"}
BAD = [
    ("logits", torch.zeros(B, C, H, W, dtype=torch.long)),
    ("logits", torch.zeros(B)),
    ("targets", torch.zeros(B, H, W)),
    ("targets", torch.zeros(B, H, W, dtype=torch.bool)),
    ("targets", torch.zeros(B, H, W, dtype=torch.complex64)),
    ("targets", torch.zeros(B, dtype=torch.long)),
    ("targets", torch.zeros(B, 1, H, W, dtype=torch.long)),
    ("targets", torch.zeros(1, H, W, dtype=torch.long)),  # would broadcast
    ("targets", torch.zeros(B, H, 1, dtype=torch.long)),
    ("confidence", torch.zeros(B, H, W, dtype=torch.long)),
    ("confidence", torch.zeros(B)),
    ("confidence", torch.zeros(B, H, W + 1)),
    ("confidence", torch.zeros(())),
    ("labeled", torch.zeros(B)),
    ("labeled", torch.zeros(B, dtype=torch.uint8)),
    ("labeled", torch.zeros(B + 1, dtype=torch.bool)),
    ("labeled", torch.zeros(B, H, W, dtype=torch.bool)),
    ("gamma1", -0.5),
    ("gamma1", math.nan),
    ("gamma1", torch.zeros(1)),
    ("gamma2", -1),
    ("gamma2", math.nan),
    ("gamma2", torch.zeros(B)),
]


@pytest.mark.wrong_shapes
@pytest.mark.parametrize(("name", "value"), BAD, ids=lambda v: v if isinstance(v, str) else None)
def test_errors_name_the_argument(name, value):
    arguments = GOOD | {name: value}
    with pytest.raises(ValueError, match=rf"^{name} must "):
        dynamic_loss(**arguments)
    arguments.pop("labeled")
    if name != "labeled":
        renamed = {WEIGHTS_NAMES.get(key, key): value for key, value in arguments.items()}
        with pytest.raises(ValueError, match=rf"^{WEIGHTS_NAMES.get(name, name)} must "):
            dynamic_weights(**renamed)


def test_good_arguments_raise_nothing():
    assert dynamic_loss(**GOOD).isfinite()


# --- Nothing waits for the device ---------------------------------------------------------------------------------


def test_no_host_synchronisation():
    """A fake tensor has no values: whatever reads one raises."""
    with FakeTensorMode():
        logits, targets, confidence, labeled = (torch.empty_like(t) for t in random_batch((3, 4)))
        with pytest.raises(DataDependentOutputException):
            bool(labeled.any())
        gamma = torch.empty(())
        assert dynamic_weights(logits.softmax(1), targets, confidence, gamma, gamma).shape == targets.shape
        assert dynamic_loss(logits.requires_grad_(), targets, confidence, labeled, gamma, 4.0).shape == ()


@pytest.mark.parametrize("device", ["meta", pytest.param("cuda", marks=pytest.mark.gpu)])
def test_it_stays_on_its_device(device, request):
    logits, targets, confidence, labeled = (t.to(device) for t in random_batch((3, 4)))
    if device == "cuda":  # whatever waits for it raises
        request.addfinalizer(lambda: torch.cuda.set_sync_debug_mode("default"))
        torch.cuda.set_sync_debug_mode("error")
    loss = dynamic_loss(logits.requires_grad_(), targets, confidence, labeled, 4.0, torch.tensor(4.0))
    loss.backward()
    assert loss.device.type == logits.grad.device.type == device


# --- Properties ---------------------------------------------------------------------------------------------------


@properties
@given(batches(), gammas, gammas)
def test_weights_lie_in_the_unit_interval_and_case_3_weighs_nothing(batch, gamma1, gamma2):
    weights = dynamic_weights(*batch, gamma1, gamma2)
    assert ((weights >= 0) & (weights <= 1)).all()
    cases = disagreement_cases(*batch)
    assert not weights[(cases == POSITIVE_DISAGREEMENT) | (cases == 0)].any()
    assert torch.equal(cases == 0, batch[1] == 255)
    torch.testing.assert_close(weights.double(), weights_loop(*batch, gamma1, gamma2), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("gamma", [0.5, 1.0, 4.0])
@pytest.mark.parametrize(("case", "low", "high"), [(1, 0.51, 1.0), (2, 0.01, 0.49)])
def test_within_a_case_the_weight_grows_with_p_b(case, low, high, gamma):
    p_b = torch.linspace(low, high, 40)
    p, y_a, c_a = torch.stack([1 - p_b, p_b], dim=1), torch.ones(40, dtype=torch.long), torch.ones(40)
    assert (disagreement_cases(p, y_a, c_a) == case).all()
    exponents = (gamma, 7.0) if case == 1 else (7.0, gamma)  # each case has its own
    weights = dynamic_weights(p, y_a, c_a, *exponents)
    assert (weights.diff() > 0).all()
    torch.testing.assert_close(weights, p_b**gamma)


@properties
@given(batches(), gammas)
def test_elements_do_not_see_each_other(batch, gamma):
    """Neither the order of the batch matters, nor whether elements come as pixels or as images."""
    weights = dynamic_weights(*batch, gamma, gamma)
    order = torch.arange(len(weights)).flip(0)
    assert torch.equal(dynamic_weights(*(t[order] for t in batch), gamma, gamma), weights[order])
    p, labels, confidence = batch
    flat = p.movedim(1, -1).reshape(-1, p.shape[1]), labels.reshape(-1), confidence.reshape(-1)
    torch.testing.assert_close(dynamic_weights(*flat, gamma, gamma), weights.reshape(-1))


@properties
@given(batches(), gammas)
def test_the_loss_is_that_of_the_known_weights(batch, gamma):
    p, targets, confidence = batch
    logits = (p + 1 / 64).log()
    labeled = torch.arange(len(p)) % 2 == 0
    weights = full_weight_where(labeled, dynamic_weights(logits.softmax(1), targets, confidence, gamma, gamma))
    loss = dynamic_loss(logits, targets, confidence, labeled, gamma, gamma)
    assert torch.equal(loss, weighted_cross_entropy(logits, targets, weights))
    assert loss.item() == pytest.approx(loss_loop(logits, targets, confidence, labeled, gamma, gamma), rel=1e-4)
