import dataclasses
import json
import subprocess
import sys

import pytest
import torch

from dmtlib.data.images.datasets import load_digits
from dmtlib.data.images.splits import split_labeled
from dmtlib.presets import preset
from dmtlib.training import RunDirectory, RunError, train
from dmtlib.training.images import curriculum
from dmtlib.training.images.evaluation import pseudo_label_error
from dmtlib.training.images.stored import phase_model, stored_pseudo_labels
from dmtlib.training.methods import METHODS


@pytest.mark.parametrize("method", METHODS)
def test_every_method_leaves_a_whole_record(method, tiny):
    run, record = tiny(method)
    assert record == run.record
    row = METHODS[method]
    assert len(record["phases"]) == (6 if row.labeler else 2 if row.online else 1)
    assert {"preset", "method", "seed", "config", "phases", "test_accuracy", "fine_grained_accuracy"} <= record.keys()
    assert {"seconds", "images_per_second", "device", "commit", "versions"} <= record.keys()
    for phase in record["phases"]:
        assert {"alpha", "pseudo_labels", "pseudo_label_error", "test_accuracy"} <= phase.keys()
    assert record["test_accuracy"] == record["phases"][-1]["test_accuracy"]
    assert 0 < record["fine_grained_accuracy"] <= record["test_accuracy"] <= 100
    assert list((run.path / "tensorboard").iterdir())
    if row.labeler or row.online:
        counts = [251, 502, 754, 1005, 1257] if row.labeler else [1257]
        assert [p["pseudo_labels"] for p in record["phases"]] == [0, *counts]
        weights = [p["mean_weight"] for p in record["phases"][1:]]
        trusting = method in ("cl", "cbst")
        assert all(w == 1 if trusting else w <= row.flexible or w < 1 if row.online else 0 < w < 1 for w in weights)


def test_methods_share_their_first_phase(tiny):
    (baseline, _), (cl, _), (dmt, _) = tiny("baseline"), tiny("cl"), tiny("dmt")
    for run in (cl, dmt):
        ours, theirs = phase_model(run, 0).state_dict(), phase_model(baseline, 0).state_dict()
        assert all(torch.equal(ours[key], theirs[key]) for key in ours)


def test_equal_seeds_give_equal_bits_and_others_do_not(tmp_path):
    config = preset("digits-40", "dmt", budget=0.005)
    states = []
    for folder, seed in (("a", 1), ("b", 1), ("c", 2)):
        chosen = dataclasses.replace(config, seed=seed)
        train(chosen, runs=tmp_path / folder, device="cpu", progress=False)
        states.append(phase_model(RunDirectory.of(chosen, tmp_path / folder), 5).state_dict())
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])
    assert not torch.equal(states[0]["classifier.weight"], states[2]["classifier.weight"])


def kinship(run: RunDirectory, *phases: int) -> float:
    """The correlation of two phases' first weights: near 1 if the later model went on from the earlier one."""
    weights = [phase_model(run, phase).state_dict()["features.0.weight"].flatten() for phase in phases]
    return torch.corrcoef(torch.stack(weights))[0, 1].item()


@pytest.mark.parametrize("method", ["cl", "dmt"])
def test_each_phase_of_algorithm_1_starts_afresh(method, tiny):
    assert abs(kinship(tiny(method)[0], 1, 2)) < 0.5


@pytest.mark.parametrize("method", ["cbst", "dst", "online-st", "fixmatch", "flexmatch"])
def test_a_model_that_learns_its_own_labels_goes_on(method, tiny):
    run, record = tiny(method)
    last = len(record["phases"]) - 1
    assert kinship(run, last - 1, last) > 0.5


def test_two_models_that_take_turns_each_go_on(tiny, monkeypatch):
    run, _ = tiny("dmt-pair")
    assert abs(kinship(run, 0, 1)) < 0.5  # the second one is a new one
    assert all(kinship(run, phase - 2, phase) > 0.5 > abs(kinship(run, phase - 1, phase)) for phase in range(2, 6))
    after = phase_model(run, 5).state_dict()
    for file in ("result.json", "phase-5.pt"):
        (run.path / file).unlink()
    tiny("dmt-pair")  # a later process finds both
    assert all(torch.equal(after[key], value) for key, value in phase_model(run, 5).state_dict().items())
    for file in ("result.json", "phase-5.pt"):
        (run.path / file).unlink()
    (run.path / "phase-3.pt").write_bytes(b"spoilt")
    with pytest.warns(UserWarning, match="phase-(3|4).pt is damaged"):
        tiny("dmt-pair")  # and does anew what went with a damaged one
    assert all(torch.equal(after[key], value) for key, value in phase_model(run, 5).state_dict().items())


@pytest.mark.parametrize("method", ["online-st", "fixmatch", "flexmatch"])
def test_an_online_method_is_as_long_as_five_phases(method):
    online, dmt = preset("digits-40", method), preset("digits-40", "dmt")
    assert online.steps(1, 1257) == sum(dmt.steps(phase, 1257) for phase in range(1, 6))


def test_pseudo_labels_stay_inspectable(tiny):
    run, record = tiny("dmt")
    pseudo = stored_pseudo_labels(run, 3)
    assert len(pseudo.indices.unique()) == 754
    assert (pseudo.confidence.diff() <= 0).all()
    assert pseudo_label_error(pseudo) == pytest.approx(record["phases"][3]["pseudo_label_error"])


def test_a_finished_run_is_not_repeated(tiny):
    run, record = tiny("baseline")
    before = {file: file.stat().st_mtime_ns for file in run.path.rglob("*") if file.name != "lock"}
    assert tiny("baseline")[1] == record
    assert {file: file.stat().st_mtime_ns for file in run.path.rglob("*") if file.name != "lock"} == before


def test_other_settings_are_refused_by_name(tiny):
    tiny("baseline")
    with pytest.raises(RunError, match=r"learning_rate is 0\.1 there and 0\.2 now; choose another --runs"):
        tiny("baseline", learning_rate=0.2)


def test_other_data_are_refused(tiny):
    run, _ = tiny("baseline")
    settings = json.loads((run.path / "config.json").read_text())
    (run.path / "config.json").write_text(json.dumps({**settings, "data_fingerprint": "other"}))
    with pytest.raises(RunError, match="data_fingerprint is 'other' there"):
        tiny("baseline")


def test_the_split_is_on_the_disk_and_in_the_record(tiny):
    run, record = tiny("baseline", num_labels=30, validation=20)
    data = load_digits()
    assert run.split == split_labeled(data.train_labels, 30, record["seed"], 20).to_json(data.fingerprint)
    assert record["split_sha256"] == run.split["sha256"]


@pytest.mark.parametrize("finished", [True, False])
@pytest.mark.parametrize("key", ["labeled", "sha256", "sizes", "data_fingerprint"])
def test_a_changed_split_is_refused(key, finished, tiny):
    run, _ = tiny("baseline")
    if not finished:
        (run.path / "result.json").unlink()
    other = split_labeled(load_digits().train_labels, 39, seed=1).to_json("other data")
    (run.path / "split.json").write_text(json.dumps({**run.split, key: other[key]}))
    with pytest.raises(RunError, match=rf"split\.json is not the split that these settings draw \({key} differ"):
        tiny("baseline")


def test_a_new_rule_does_not_touch_an_old_run(tiny, monkeypatch):
    run, record = tiny("baseline")
    before = (run.path / "split.json").read_bytes()
    (run.path / "result.json").unlink()
    monkeypatch.setattr(curriculum, "split_labeled", lambda labels, n, seed, v: split_labeled(labels, n, seed + 1, v))
    with pytest.raises(RunError, match=r"\(sha256, labeled differ\)"):
        tiny("baseline")
    assert (run.path / "split.json").read_bytes() == before
    monkeypatch.undo()
    assert tiny("baseline")[1]["split_sha256"] == record["split_sha256"]


def test_validation_images_are_tested_apart(tiny):
    phase, both = (tiny("baseline", seed, validation=20 * seed)[1]["phases"][0] for seed in (0, 1))
    names = {"test_accuracy", "fine_grained_accuracy"}
    assert {key for key in phase if "accuracy" in key} == names
    names |= {"validation_accuracy", "validation_fine_grained_accuracy"}
    assert {key for key in both if "accuracy" in key} == names
    assert both["validation_accuracy"] % 5 == 0  # of 20 images
    assert 0 < both["validation_fine_grained_accuracy"] < both["validation_accuracy"] <= 100


def test_unreadable_settings_are_told(tiny):
    run, _ = tiny("baseline")
    (run.path / "config.json").write_text("{")
    with pytest.raises(RunError, match=r"config\.json is no JSON object: .*; restore it, or choose another --runs"):
        tiny("baseline")


def test_a_second_process_is_refused(tmp_path):
    config = preset("digits-40", "baseline", budget=0.005)
    directory = RunDirectory.of(config, tmp_path)
    holder = (
        "import sys, time\nfrom pathlib import Path\nfrom dmtlib.training.directory import RunDirectory\n"
        f"lock = RunDirectory(Path({str(directory.path)!r})).lock()\nprint('held', flush=True)\ntime.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", holder], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "held\n"
        with pytest.raises(RunError, match="is in use by another process"):
            train(config, runs=tmp_path, device="cpu", progress=False)
        process.kill()
    train(config, runs=tmp_path, device="cpu", progress=False)  # the lock died with its process


def test_a_lock_can_be_waited_for(tmp_path):
    """As long as the workers of a killed run on a GPU may hold it."""
    directory = RunDirectory(tmp_path)
    holder = "import sys, filelock\nwith filelock.FileLock(sys.argv[1]):\n    print('held', flush=True)\n    input()"
    pipes = dict(stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    with subprocess.Popen([sys.executable, "-c", holder, tmp_path / "lock"], **pipes) as process:
        assert process.stdout.readline() == "held\n"
        with pytest.raises(RunError, match="is in use by another process"):
            directory.lock(wait=0.1)
        process.stdin.write("\n")
        process.stdin.flush()
        directory.lock(wait=30).release()


def test_checkpoints_need_no_trust(uninterrupted):
    for file in uninterrupted.path.glob("*.pt"):
        torch.load(file, weights_only=True)
