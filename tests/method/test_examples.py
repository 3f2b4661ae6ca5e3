"""The examples in docstrings run, and print what they say."""

import doctest
import importlib
import pkgutil

import pytest
import torch

from dmtlib import method

MODULES = [name for _, name, _ in pkgutil.iter_modules(method.__path__, "dmtlib.method.")]
WITH_EXAMPLES = {
    *("dynamic_loss.dynamic_loss", "dynamic_loss.dynamic_weights", "dynamic_loss.weighted_cross_entropy"),
    *("mixup.mixup_loss", "pseudo_labels.select_top_images", "schedules.gamma_ramp", "supervision.supervise"),
}


@pytest.mark.parametrize("name", MODULES)
def test_examples(name):
    module = importlib.import_module(name)
    found = [t for t in doctest.DocTestFinder().find(module, extraglobs={"torch": torch}) if t.examples]
    assert {test.name.removeprefix("dmtlib.method.") for test in found} >= {
        example for example in WITH_EXAMPLES if example.startswith(f"{name.rpartition('.')[2]}.")
    }
    for test in found:
        assert doctest.DocTestRunner().run(test).failed == 0
