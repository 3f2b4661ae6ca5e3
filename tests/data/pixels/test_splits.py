"""The paper's splits: sizes by the rule, nesting, and equal lists for equal names."""

import random

import pytest

from dmtlib.data.pixels.splits import difference_maximized_halves, labeled_count, split_names, split_prescribed

NAMES = [f"2007_{i:06d}" for i in range(10_582)]


@pytest.mark.parametrize(
    ("total", "ratio", "count"),
    [
        (10_582, 8, 1_322),
        (10_582, 20, 530),  # 529 = 66 · 8 + 1
        (10_582, 50, 211),
        (10_582, 105.82, 100),
        (2_975, 8, 371),
        (2_975, 29.75, 100),
        (367, 8, 45),
        (600, 8, 75),
        (17, 1, 17),  # there is no eighteenth
        (1, 1, 1),
    ],
)
def test_sizes_follow_the_rule(total, ratio, count):
    assert labeled_count(total, ratio) == count


def test_lists_are_those_of_the_rule_word_for_word():
    """METHOD, section 4, with Python's own global generator."""
    names = sorted(NAMES)
    random.seed(7777)
    for split in range(3):
        random.shuffle(names)
        for ratio in (8, 20, 50, 105.82):
            n = int(len(names) / ratio)
            n += n % 8 == 1
            made = split_names(NAMES, ratio, split)
            assert made.labeled == tuple(names[:n]) and made.unlabeled == tuple(names[n:])


@pytest.mark.parametrize("split", range(3))
def test_smaller_subsets_lie_inside_larger_ones(split):
    subsets = [split_names(NAMES, ratio, split) for ratio in (105.82, 50, 20, 8)]
    for small, large in zip(subsets, subsets[1:], strict=False):
        assert set(small.labeled) < set(large.labeled)
    for made in subsets:
        assert sorted(made.labeled + made.unlabeled) == NAMES


def test_equal_names_in_any_order_give_equal_lists():
    assert split_names(NAMES, 8, 1) == split_names(NAMES[::-1], 8, 1) == split_names(NAMES, 8, 1)
    assert split_names(NAMES, 8, 0).labeled != split_names(NAMES, 8, 1).labeled


def test_images_without_a_mask_are_passed_over():
    usual = split_names(NAMES, 50, 1)
    bare = set(usual.labeled[::2]) | set(usual.unlabeled[:7])
    made = split_names(NAMES, 50, 1, bare)
    assert len(made.labeled) == len(usual.labeled) == 211 and not bare & set(made.labeled)
    assert sorted(made.labeled + made.unlabeled) == NAMES
    assert set(usual.labeled[1::2]) < set(made.labeled) < set(split_names(NAMES, 20, 1, bare).labeled)
    with pytest.raises(ValueError, match=r"one in 2 of 4 images is 2, with a mask: 1;"):
        split_names(["a", "b", "c", "d"], 2, 0, {"a", "b", "c"})


def test_the_global_generator_is_left_alone():
    random.seed(1)
    state = random.getstate()
    split_names(NAMES, 8, 2)
    assert random.getstate() == state


@pytest.mark.parametrize(("ratio", "split"), [(0.5, 0), (0, 0), (10_583, 0), (8, -1), (float("nan"), 0)])
def test_impossible_splits_are_told(ratio, split):
    with pytest.raises(ValueError, match="ratio must lie in 1…10582|split must be 0 or more"):
        split_names(NAMES, ratio, split)


def test_a_name_twice_is_told():
    with pytest.raises(ValueError, match="names must be different"):
        split_names(["a", "b", "a"], 1, 0)


def test_vocs_own_1464_and_the_other_9118():
    own = NAMES[::-1][:1_464]
    made = split_prescribed(NAMES, own)
    assert len(made.labeled) == 1_464 and len(made.unlabeled) == 9_118
    assert sorted(made.labeled + made.unlabeled) == NAMES and set(made.labeled) == set(own)
    assert made == split_prescribed(NAMES[::-1], own[::-1])
    with pytest.raises(ValueError, match="'x' is not among the names"):
        split_prescribed(NAMES, ["x"])


@pytest.mark.parametrize(("labeled", "size", "common"), [(100, 80, 60), (1_322, 1_058, 794), (1, 1, 1), (45, 36, 27)])
def test_halves_share_sixty_percent(labeled, size, common):
    a, b = difference_maximized_halves(NAMES[:labeled], seed=3)
    assert len(set(a)) == len(set(b)) == size and len(set(a) & set(b)) == common
    assert set(a) | set(b) == set(NAMES[:labeled])
    assert (a, b) == difference_maximized_halves(NAMES[:labeled], seed=3)
    assert labeled == 1 or a != difference_maximized_halves(NAMES[:labeled], seed=4)[0]
