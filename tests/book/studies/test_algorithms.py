"""The algorithms' lines beside their code."""

import re

from book.studies.algorithms import ALGORITHM_2, algorithm_2


def test_each_of_alg_2s_lines_that_does_something_has_its_code():
    words = " ".join(re.match(r"[\d, ]*", line)[0] for line, _, _ in ALGORITHM_2)
    assert {int(n) for n in re.findall(r"\d+", words)} == set(range(1, 17)) - {5}  # line 5 is "else"


def test_the_other_model_labels_in_the_lines_that_the_paper_prints_otherwise():
    (labeling,) = [block for block in algorithm_2().split("\n\n") if "12, 14" in block]
    assert 'Labeler({"A": "B", "B": "A"}[model]' in labeling
