"""A start without labels: what it learns, that a kill changes no bit of it, and where phase 0 takes over."""

import dataclasses
import json
import shutil
import sys

import pytest
import torch
from random_phase import small_task

from dmtlib.cli import main
from dmtlib.data.images.datasets import load_digits
from dmtlib.models.whitened import classifier
from dmtlib.presets import preset
from dmtlib.training import RunDirectory, loop, train
from dmtlib.training.images import curriculum, start
from dmtlib.training.images.start import OUTPUTS, StartTrainer
from dmtlib.training.images.stored import phase_model
from dmtlib.training.metrics_log import describe_window
from dmtlib.training.seeding import ShuffledStream, derive_seed

CPU = torch.device("cpu")
STEPS = 7
WORDS = dict(start="self-supervised", start_steps=1400)  # 7 of them


def tiny_config(method="baseline", name="digits-40", **changes):
    """A start of seven steps, then phases of four."""
    return dataclasses.replace(preset(name, method, budget=0.005), **WORDS, log_every=3, **changes)


def few_digits():
    whole = load_digits()
    few = {name: getattr(whole, name)[:200] for name in ("train_images", "train_labels", "test_images", "test_labels")}
    return dataclasses.replace(whole, **few)


def run(config, folder, data=None):
    train(config, runs=folder, device="cpu", progress=False, data=data or few_digits())
    return RunDirectory.of(config, folder)


def learned(config, folder, monkeypatch, data=None):
    """What phase 0 was given to start from, and with which weights it started."""
    seen, begin = [], curriculum.start_phase

    def remembered(task, before=None):
        phase = begin(task, before)
        states = (model.state_dict() if model else None for model in (before, phase.model, phase.averaged))
        seen.append([task, *({k: v.clone() for k, v in state.items()} for state in states if state is not None)])
        return phase

    with monkeypatch.context() as patch:
        patch.setattr(curriculum, "start_phase", remembered)
        run(config, folder, data)
    return seen


def equal(ours, theirs):
    return ours.keys() == theirs.keys() and all(torch.equal(ours[key], theirs[key]) for key in ours)


@pytest.mark.parametrize("architecture", ["WideResNet", "WhitenedCNN"])
def test_phase_0_begins_with_what_was_learned_and_a_new_head(architecture, tmp_path, monkeypatch):
    narrow = {} if architecture == "WideResNet" else dict(depth=None, widen_factor=None, widths=(8, 8, 8))
    data = few_digits()
    if narrow:  # it needs images of nine pixels
        larger = {n: getattr(data, n).repeat(1, 1, 2, 2) for n in ("train_images", "test_images")}
        data = dataclasses.replace(data, **larger)
    phases = learned(tiny_config("cl", alphas=(1.0,), **narrow), tmp_path, monkeypatch, data)
    (task, before, model, averaged), (_, second, _) = phases
    head = {"classifier.weight", "classifier.bias"} if architecture == "WideResNet" else {"head.weight"}
    before = {key: value for key, value in before.items() if not key.startswith(("classifier.", "head."))}
    assert model.keys() - before.keys() == head and before.keys() < model.keys()
    assert equal(before, {key: model[key] for key in before}) and equal(model, averaged)
    torch.manual_seed(derive_seed(0, "initialise", 0))
    new = classifier(**task.architecture).state_dict()
    assert all(torch.equal(new[key], model[key]) for key in head)
    moved = {key for key in before if not torch.equal(before[key], new[key])}
    counted = [key for key in before if key.endswith("num_batches_tracked")]
    assert {key for key in before if key.endswith(("conv1.weight", "running_mean"))} <= moved
    assert all(before[key] == STEPS for key in counted)  # batch norm's buffers go along; both views are one batch
    assert all(second[key] == 0 for key in counted)  # the phases after it have new models, as in Alg. 1


def test_no_label_is_read_and_all_training_images_are_seen(tmp_path, monkeypatch):
    data = few_digits()
    order = torch.randperm(200, generator=torch.Generator().manual_seed(0))
    others = dataclasses.replace(data, train_labels=data.train_labels[order])
    ways = [(tiny_config(), data), (tiny_config(), others), (tiny_config("oracle"), data)]
    ways += [(tiny_config(name="digits-10"), data), (tiny_config(validation=40), data)]
    before = [learned(config, tmp_path / str(i), monkeypatch, d)[0][1] for i, (config, d) in enumerate(ways)]
    assert all(equal(before[0], state) for state in before[1:4])
    assert not equal(before[0], before[4])  # those for validation are left out

    seen = []
    monkeypatch.setattr(curriculum, "StartTrainer", lambda *told: (seen.append(told[1]), StartTrainer(*told))[1])
    apart = run(ways[4][0], tmp_path / "seen", data).split["validation"]
    assert len(apart) == 40 and seen[0].tolist() == [i for i in range(200) if i not in apart]


def barlow_twins(a: torch.Tensor, b: torch.Tensor, trade_off: float = 0.005) -> torch.Tensor:
    """Eq. 1 and 2 of Zbontar et al. (2021) in float64, entry by entry, over the number of outputs."""
    a, b = ((z.double() - z.double().mean(0)) / (z.double().var(0, unbiased=False) + 1e-5).sqrt() for z in (a, b))
    count, loss = a.shape[1], 0
    for i in range(count):
        for j in range(count):
            c = (a[:, i] * b[:, j]).sum() / len(a)
            loss = loss + ((1 - c) ** 2 if i == j else trade_off * c**2)
    return loss / count


def test_the_loss_is_that_of_the_paper():
    task = small_task(CPU, "baseline")
    task = dataclasses.replace(task, config=dataclasses.replace(task.config, precision="fp32", **WORDS))
    which = torch.arange(0, 90, 2)
    trainer = StartTrainer(task, which)
    model = trainer.state.model
    weights = [weight.clone() for weight in model.parameters()]
    trainer.step()
    ours, gradients = trainer.state.window[1].item(), [weight.grad.clone() for weight in model.parameters()]

    stream = ShuffledStream(len(which), task.config.batch_size, derive_seed(task.config.seed, "start", "order"), CPU)
    images = task.images[which[stream.batch(0)]]
    generator = torch.Generator().manual_seed(derive_seed(task.config.seed, "start", 0))
    one, two = task.augment(images, generator), task.augment(images, generator)
    assert not torch.equal(one, two)
    with torch.no_grad():
        for weight, then in zip(model.parameters(), weights, strict=True):
            weight.copy_(then)
    model.zero_grad()
    outputs = model(torch.cat([one, two]))
    assert outputs.shape == (2 * len(images), OUTPUTS)
    loss = barlow_twins(outputs[: len(images)], outputs[len(images) :])
    loss.backward()
    assert ours == pytest.approx(loss.item(), rel=1e-5)
    for gradient, weight in zip(gradients, model.parameters(), strict=True):
        torch.testing.assert_close(gradient, weight.grad, rtol=1e-2, atol=1e-5)


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    """A run, and what there was of it whenever a step began: what a kill would have left then."""
    folder, copies = tmp_path_factory.mktemp("through"), tmp_path_factory.mktemp("killed")
    config, steps = tiny_config("cl", alphas=(1.0,)), []

    def copied(step):
        def counted(self):
            shutil.copytree(folder, copies / str(len(steps)))
            steps.append(type(self).__name__)
            step(self)

        return counted

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "CHECKPOINT_SECONDS", 0.0)
        patch.setattr(loop, "CHECKPOINT_SHARE", float("inf"))
        saves, save = [], RunDirectory.save_checkpoint
        every_other = lambda self, state: (saves.append(0), len(saves) % 2 or save(self, state))  # noqa: E731
        patch.setattr(RunDirectory, "save_checkpoint", every_other)
        for trainer in (StartTrainer, curriculum.PhaseTrainer):
            patch.setattr(trainer, "step", copied(trainer.step))
        torch.set_num_threads(1)
        done = run(config, folder)
    assert steps == ["StartTrainer"] * STEPS + ["PhaseTrainer"] * 8
    return config, done, copies


@pytest.mark.parametrize("step", [0, 1, 4, STEPS - 1, STEPS, STEPS + 1, STEPS + 3, STEPS + 4])
def test_a_killed_run_ends_with_the_bits_of_one_that_was_not(step, killed, tmp_path):
    """Killed before some step of the start, between the start and phase 0, and in it."""
    config, through, copies = killed
    shutil.copytree(copies / str(step), tmp_path, dirs_exist_ok=True)
    directory = RunDirectory.of(config, tmp_path)
    if checkpoint := directory.load_checkpoint():
        assert (checkpoint["start"] or {"steps": None})["steps"] == (None if step <= STEPS + 1 else STEPS)
    done = run(config, tmp_path)
    assert (done.path / "metrics.jsonl").read_bytes() == (through.path / "metrics.jsonl").read_bytes()
    assert all(equal(*(phase_model(r, phase).state_dict() for r in (done, through))) for phase in (0, 1))
    ours, theirs = (json.loads(json.dumps(r.record["phases"])) for r in (done, through))
    for phases in (ours, theirs):
        assert phases[0]["start"].pop("seconds") > 0
    assert ours == theirs


def test_a_start_is_told_and_counted(killed):
    config, done, _ = killed
    lines = [json.loads(line) for line in (done.path / "metrics.jsonl").read_text().splitlines()]
    places = [(line["phase"], line.get("start"), line["step"]) for line in lines]
    assert places[:3] == [(0, "self-supervised", step) for step in (3, 6, 7)]
    assert places[3:] == [(phase, None, step) for phase in (0, 1) for step in (3, 4)]
    first, second = done.record["phases"]
    assert first["start"].keys() == {"steps", "loss", "seconds"} and "start" not in second
    assert first["start"]["steps"] == STEPS and first["start"]["loss"] == lines[2]["loss"]
    assert first["steps"] == second["steps"] == 4 and config.steps(0, 40) == STEPS + 4 and config.steps(1, 160) == 4
    seen = config.batch_size * (STEPS + 8)
    assert done.record["images_per_second"] == pytest.approx(seen / done.record["seconds"], rel=0.1)
    assert {key: done.record["config"][key] for key in WORDS} == WORDS
    assert describe_window("7/7", lines[2]) == f"start, step 7/7, loss {lines[2]['loss']:.3f}"  # beside the bar


def test_other_runs_say_nothing_of_it():
    plain = preset("digits-40", "dmt")
    assert not {"start", "start_steps"} & plain.to_json().keys()
    assert preset("digits-40", "dmt", start="random") == plain
    changed = preset("digits-40", "dmt", start="self-supervised")
    name = "digits-40-self-supervised"
    assert changed.to_json() == plain.to_json() | {"preset": name, "start": "self-supervised"}
    assert preset(name, "dmt") == changed and preset("digits-40-views-4-self-supervised", "dmt").views == 4
    assert changed.steps(0, 40) == plain.steps(0, 40) + changed.start_steps and changed.steps(1, 9) == plain.steps(
        1, 9
    )


def test_without_lightly_nothing_is_left(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "lightly.loss", None)
    words = r"^a self-supervised start needs lightly: pip install lightly, or '.\[start\]' in a clone$"
    with pytest.raises(ValueError, match=words):
        run(tiny_config(), tmp_path)
    assert not list(tmp_path.rglob("*.json*"))


def test_several_processes_are_refused(monkeypatch):
    monkeypatch.setattr(start, "count", lambda: 2)
    with pytest.raises(ValueError, match="^several processes can't learn a .* start: start it without torchrun$"):
        StartTrainer(small_task(CPU, "baseline"), torch.arange(9))


def test_from_the_command_line(tmp_path, capsys):
    train = ["train", "digits-40", "--method", "baseline", "--budget", "0.0025", "--runs", str(tmp_path)]
    train += ["--device", "cpu"]
    assert main([*train, "--start", "self-supervised"]) == 0
    record = json.loads((tmp_path / "digits-40-self-supervised/baseline/seed-0/result.json").read_text())
    assert record["config"]["start"] == "self-supervised" and record["phases"][0]["start"]["steps"] > 0
    capsys.readouterr()
    for command, words in (
        (["train", "digits-40", "--start", "mocov2"], "start must be one of random, self-supervised, got 'mocov2'"),
        (["train", "scenes", "--start", "self-supervised"], "only runs on images let you choose a start, not scenes"),
        (
            ["train", "folder", "--data", "folder@32:x", "--start", "self-supervised"],
            "initialisation must be random for a self-supervised start, got 'pip:efficientnet-lite0'",
        ),
    ):
        assert main(command) == 2
        assert capsys.readouterr().err == f"error: {words}\n"
