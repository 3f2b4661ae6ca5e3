"""Algorithm 2 on one page is the library's: the same labels and the same weights, to the bit."""

import dataclasses

import torch
from tiny_scenes import scenes

from book.studies import dmt_pixels as dmt
from dmtlib.presets import preset
from dmtlib.training import RunDirectory, train
from dmtlib.training.pixels.plan import plan, split_of
from dmtlib.training.pixels.stored import phase_segmenter, stored_pixel_labels

START, STEPS = 20, 2


def test_its_labels_and_weights_are_those_of_the_library(tmp_path):
    config = dataclasses.replace(preset("scenes-small", "dmt", seed=1), baseline_steps=START, phase_steps=STEPS)
    data = scenes({"train": 30, "val": 2})
    record = train(config, runs=tmp_path, device="cpu", progress=False, data=data)
    run = RunDirectory.of(config, tmp_path)

    images, planned = data.parts["train"], plan(config, data.parts["train"], split_of(config, data))
    pairs = dmt.dmt(images, planned.labeled, planned.unlabeled, config.seed, START, STEPS)

    assert len(pairs) == config.phases
    clean = images.images[planned.unlabeled]
    for phase, pair in enumerate(pairs):
        for name, other in ("AB", "BA"):
            weights, expected = pair[name].state_dict(), phase_segmenter(run, phase, name).state_dict()
            assert weights.keys() == expected.keys()
            assert all(torch.equal(weights[key], expected[key]) for key in expected), f"{name} of phase {phase}"
            if phase:
                said = dmt.pseudo_labels(pairs[phase - 1][other], clean, dmt.ALPHAS[phase - 1])
                stored = stored_pixel_labels(run, phase, name)
                for i in range(len(stored)):
                    assert all(map(torch.equal, (said[0][i], said[1][i]), stored[i])), f"{name} in phase {phase}"
    cases = [m["case_shares"] for entry in record["phases"][1:] for m in entry["models"].values()]
    assert (torch.tensor(cases).sum(dim=0) > 0).all()  # each case of Eq. 3 was met


def test_its_constants_are_those_of_the_preset():
    config = preset("scenes-small", "dmt")
    assert tuple(alpha / 100 for alpha in dmt.ALPHAS) == config.alphas
    assert (config.gamma1, config.gamma2) == (dmt.GAMMA1, dmt.GAMMA2)
    assert (config.batch_size, config.labeled_per_batch) == (dmt.BATCH, dmt.LABELED)
    assert (dmt.augment.crop, dmt.augment.flip) == (config.crop, config.flip)
    assert dmt.dmt.__defaults__ == (config.baseline_steps, config.phase_steps)
