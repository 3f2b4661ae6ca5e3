"""The ablations of Sec. 5.4: one signature, each row worked by hand."""

from __future__ import annotations

import inspect
import math

import pytest
import torch
from hypothesis import given, settings
from reference import batches, gammas
from torch._subclasses.fake_tensor import FakeTensorMode

from dmtlib import RULES, disagreement_cases, dynamic_weights
from dmtlib.method.rules import PREDICTION_FREE, flexible_thresholds

properties = settings(max_examples=40, deadline=None, derandomize=True)

#                 case 1                 case 2               tie: case 2          case 3               ignored
P = torch.tensor([[0.75, 0.125, 0.125], [0.5, 0.25, 0.25], [0.5, 0.25, 0.25], [0.5, 0.25, 0.25], [0.95, 0.05, 0.0]])
Y_A = torch.tensor([0, 1, 1, 2, 255])
C_A = torch.tensor([0.5, 0.875, 0.5, 0.25, 1.0])
GAMMA1, GAMMA2 = 2.0, 3.0
LEARN_Y_A = [0, 1, 1, 2, 255]
BY_HAND = {
    "dmt": (LEARN_Y_A, [0.5625, 0.015625, 0.015625, 0.0, 0.0]),
    "dst": (LEARN_Y_A, [0.5625, 0.015625, 0.015625, 0.0, 0.0]),
    "cl": (LEARN_Y_A, [1.0, 1.0, 1.0, 1.0, 0.0]),
    "cbst": (LEARN_Y_A, [1.0, 1.0, 1.0, 1.0, 0.0]),
    "dmt-naive": (LEARN_Y_A, [0.5625, 0.0625, 0.0625, 0.0625, 0.0]),  # γ1 in all three cases
    "dmt-flip": ([0, 1, 1, 0, 255], [0.5625, 0.015625, 0.015625, 0.421875, 0.0]),  # (1 − 1/4)³
    "dmt-pair": (LEARN_Y_A, [0.5625, 0.015625, 0.015625, 0.0, 0.0]),
    "online-st": ([0, 0, 0, 0, 255], [0.0, 0.0, 0.0, 0.0, 0.0]),  # no c_B above 0.9 but the ignored one's
    "fixmatch": ([0, 0, 0, 0, 255], [0.0, 0.0, 0.0, 0.0, 0.0]),  # nor one of 0.95
    "flexmatch": ([0, 0, 0, 0, 255], [1.0, 0.0, 1.0, 1.0, 0.0]),  # c_A is what is asked of c_B
    "small-loss": (LEARN_Y_A, [1.0, 1.0, 0.0, 0.0, 0.0]),  # 2.125 labels are expected to be right
    "js": (LEARN_Y_A, [0.8621, 0.4512, 0.4512, 0.4512, 0.0]),
}
every_rule = pytest.mark.parametrize("name", list(RULES))


def test_the_table_has_a_row_for_each_method():
    assert set(RULES) == set(BY_HAND)


@every_rule
def test_one_signature(name):
    def plain(function):
        parameters = inspect.signature(function).parameters.values()
        return [(p.name, p.kind, p.default) for p in parameters]

    assert plain(RULES[name]) == plain(dynamic_weights)


@every_rule
@pytest.mark.parametrize("layout", ["images", "pixels"])
def test_by_hand(name, layout):
    p, y_a, c_a = (P, Y_A, C_A) if layout == "images" else (P.T[None, :, None], Y_A[None, None], C_A[None, None])
    targets, weights = RULES[name](p, y_a, c_a, GAMMA1, GAMMA2)
    assert targets.flatten().tolist() == BY_HAND[name][0]
    near = {"rtol": 0, "atol": 5e-5} if name == "js" else {}
    torch.testing.assert_close(weights.flatten(), torch.tensor(BY_HAND[name][1]), **near)
    assert targets.shape == weights.shape == y_a.shape


@pytest.mark.wrong_shapes
@every_rule
def test_the_rules_said_to_need_no_predictions_are_those_that_read_none(name):
    if name in PREDICTION_FREE:
        targets, weights = RULES[name](None, Y_A, None, GAMMA1, GAMMA2)
        assert targets.tolist() == BY_HAND[name][0] and weights.tolist() == BY_HAND[name][1]
    else:
        with pytest.raises(AttributeError):
            RULES[name](None, Y_A, None, GAMMA1, GAMMA2)


def test_online_st_asks_for_more_than_09():
    p = torch.tensor([[0.08, 0.92], [0.1, 0.9], [0.95, 0.05]])
    targets, weights = RULES["online-st"](p, torch.tensor([0, 0, 1]), torch.zeros(3), 4.0, 4.0)
    assert targets.tolist() == [1, 1, 0] and weights.tolist() == [1.0, 0.0, 1.0]


@given(batches())
@properties
def test_fixmatch_is_that_of_a_loop(batch):
    """Sohn et al. 2020, Eq. 4, element by element: of 0.95 and more the class is learned."""
    p, y_a, c_a = batch
    for sharper in (1, 4, 16):  # few random probabilities are above 0.95
        q = (p + 1e-6) ** sharper / ((p + 1e-6) ** sharper).sum(1, keepdim=True)
        targets, weights = RULES["fixmatch"](q, y_a, c_a, 4.0, 4.0)
        rows = q.movedim(1, -1).reshape(-1, q.shape[1]).tolist()
        limit = torch.tensor(0.95).item()
        for row, stored, target, weight in zip(
            rows, *(x.flatten().tolist() for x in (y_a, targets, weights)), strict=True
        ):
            assert target == (255 if stored == 255 else row.index(max(row)))
            assert weight == float(stored != 255 and max(row) >= limit)


def test_fixmatch_asks_for_095():
    p = torch.tensor([[0.04, 0.96], [0.05, 0.95], [0.94, 0.06]])
    targets, weights = RULES["fixmatch"](p, torch.tensor([0, 0, 1]), torch.zeros(3), 4.0, 4.0)
    assert targets.tolist() == [1, 1, 0] and weights.tolist() == [1.0, 1.0, 0.0]


@pytest.mark.parametrize(
    ("seen", "asked"),
    [
        ([-1] * 8, [0.0, 0.0, 0.0]),  # nothing is known, all is learned
        ([-1, -1, -1, -1, 0, 0, 1, -2], [1 / 3, 1 / 7, 0.0]),  # β is 2/4, 1/4 and 0: four are not seen yet
        ([0, 0, 0, 0, 1, 1, 1, -1], [1.0, 3 / 5, 0.0]),  # and now 1, 3/4 and 0: the commonest class has four
        ([2, 1, 0, -2, -2], [1.0, 1.0, 1.0]),
    ],
)
def test_flexible_thresholds_by_hand(seen, asked):
    """β / (2 − β) of 0.95; −2 are images without a part in it."""
    asked = torch.tensor([0.95 * share for share in asked])
    torch.testing.assert_close(flexible_thresholds(torch.tensor(seen), 3), asked)


@given(batches())
@properties
def test_small_loss_is_that_of_a_loop(batch):
    """Han et al. 2018, Alg. 1: the elements of the batch by their loss, and of those the first so many."""
    p, y_a, c_a = batch
    targets, weights = RULES["small-loss"](p, y_a, c_a, 4.0, 4.0)
    rows, found = p.movedim(1, -1).reshape(-1, p.shape[1]).tolist(), weights.flatten().tolist()
    labels, sure = y_a.flatten().tolist(), c_a.flatten().tolist()
    chosen = [(-row[y], place) for place, (row, y) in enumerate(zip(rows, labels, strict=True)) if y != 255]
    kept = {place for _, place in sorted(chosen)[: round(sum(sure[place] for _, place in chosen))]}
    assert found == [float(place in kept) for place in range(len(rows))] and torch.equal(targets, y_a)


@given(batches())
@properties
def test_js_is_the_divergence_of_two_distributions(batch):
    """In bits, by its definition, of the label as one class alone and the whole prediction."""
    p, y_a, c_a = batch
    targets, weights = RULES["js"](p, y_a, c_a, 4.0, 4.0)

    def bits(q: torch.Tensor) -> torch.Tensor:
        return torch.special.entr(q).sum(dim=1) / math.log(2)

    b = (p.double() / p.double().sum(dim=1, keepdim=True)).movedim(1, -1).reshape(-1, p.shape[1])
    said = y_a.flatten().long()
    a = torch.nn.functional.one_hot(said.where(said != 255, 0), p.shape[1]).double()
    expected = 1 - (bits((a + b) / 2) - bits(b) / 2)
    torch.testing.assert_close(weights.flatten().double(), expected.where(said != 255, 0.0), rtol=1e-4, atol=1e-4)
    assert torch.equal(targets, y_a) and weights.min() >= 0 and weights.max() <= 1 + 1e-6


@pytest.mark.parametrize(
    ("name", "case_3"), [("dmt", 0.0), ("dst", 0.0), ("cl", 1.0), ("cbst", 1.0), ("dmt-naive", 1.0), ("dmt-flip", 1.0)]
)
def test_gamma_0(name, case_3):
    """It does not make CL of DMT, whose case 3 still weighs 0; and an ignored element weighs 0, although 0⁰ = 1."""
    assert RULES[name](P, Y_A, C_A, 0, 0).weights.tolist() == [1.0, 1.0, 1.0, case_3, 0.0]


@every_rule
def test_weights_are_float32_constants(name):
    """Also where everything that they are made of is part of a graph, or in half precision."""
    p, c_a = P.clone().requires_grad_(), C_A.clone().requires_grad_()
    gamma = torch.tensor(2.0, requires_grad=True)
    assert not RULES[name](p, Y_A, c_a, gamma, gamma).weights.requires_grad
    assert RULES[name](P.bfloat16(), Y_A, C_A.bfloat16(), 2.0, 2.0).weights.dtype == torch.float32


@every_rule
@pytest.mark.parametrize("dtype", [torch.uint8, torch.int16, torch.int32], ids=str)
def test_targets_keep_the_dtype_of_the_pseudo_labels(name, dtype):
    narrow = RULES[name](P, Y_A.to(dtype), C_A, GAMMA1, GAMMA2)
    wide = RULES[name](P, Y_A, C_A, GAMMA1, GAMMA2)
    assert narrow.targets.dtype == dtype
    assert torch.equal(narrow.targets.long(), wide.targets) and torch.equal(narrow.weights, wide.weights)


@pytest.mark.parametrize(
    ("name", "gammas", "argument"),
    [
        ("dmt", (-1, 1), "gamma1"),
        ("dmt", (1, -1), "gamma2"),
        ("dmt-naive", (-1, 1), "gamma1"),
        ("dmt-flip", (1, -1), "gamma2"),
    ],
)
def test_a_negative_gamma_is_an_error(name, gammas, argument):
    with pytest.raises(ValueError, match=f"^{argument} must "):
        RULES[name](P, Y_A, C_A, *gammas)


@every_rule
def test_no_host_synchronisation(name):
    with FakeTensorMode():
        y_a = torch.zeros(4, 2, 2, dtype=torch.long)
        p, c_a, gamma = torch.empty(4, 3, 2, 2), torch.empty(4, 2, 2), torch.empty(())
        assert RULES[name](p, y_a, c_a, gamma, gamma).weights.shape == y_a.shape


@every_rule
@properties
@given(batch=batches(), gamma=gammas)
def test_every_rule_ignores_and_stays_in_the_unit_interval(name, batch, gamma):
    p, y_a, c_a = batch
    targets, weights = RULES[name](p, y_a, c_a, gamma, gamma)
    ignored = y_a == 255
    assert not weights[ignored].any()  # 0⁰ = 1 must not slip in
    assert torch.equal(targets == 255, ignored)
    assert ((weights >= 0) & (weights <= 1)).all()
    flat = RULES[name](p.movedim(1, -1).reshape(-1, p.shape[1]), y_a.reshape(-1), c_a.reshape(-1), gamma, gamma)
    torch.testing.assert_close(flat.weights, weights.reshape(-1))
    assert torch.equal(flat.targets, targets.reshape(-1))


@properties
@given(batches(), gammas)
def test_naive_never_weighs_less_than_dmt(batch, gamma):
    assert (RULES["dmt-naive"](*batch, gamma, gamma).weights >= RULES["dmt"](*batch, gamma, gamma).weights).all()


@properties
@given(batches(), gammas, gammas)
def test_flip_differs_from_dmt_in_case_3_alone(batch, gamma1, gamma2):
    dmt, flip = (RULES[name](*batch, gamma1, gamma2) for name in ("dmt", "dmt-flip"))
    p, _, c_a = batch
    case_3 = disagreement_cases(*batch) == 3
    assert torch.equal(torch.where(case_3, 0, flip.targets), torch.where(case_3, 0, dmt.targets))
    assert torch.equal(flip.weights[~case_3], dmt.weights[~case_3])
    assert torch.equal(flip.targets[case_3], p.argmax(1)[case_3])
    torch.testing.assert_close(flip.weights[case_3], (1 - c_a[case_3]) ** gamma2)
