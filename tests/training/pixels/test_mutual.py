"""Alg. 2 on tiny scenes: every method, who labels for whom, its steps, its scores, and what is refused."""

import copy
import dataclasses
import itertools
import json

import pytest
import torch
import torchvision
from tiny_scenes import CLASSES, CONFIG, PARTS, metrics, scenes
from torchvision.io import encode_png

from dmtlib.data.pixels.datasets import SegmentationData
from dmtlib.data.pixels.images import ListedImages, StoredImages
from dmtlib.data.pixels.masks import encode_mask
from dmtlib.method import pixel_selection
from dmtlib.method.dynamic_loss import dynamic_loss
from dmtlib.method.rules import RULES
from dmtlib.training import RunDirectory, RunError, train
from dmtlib.training.methods import SEGMENTATION_METHODS as METHODS
from dmtlib.training.pixels import evaluation, mutual
from dmtlib.training.pixels import phase as phases
from dmtlib.training.pixels.config import GOES_ON_FROM
from dmtlib.training.pixels.evaluation import class_iou, confusion_matrix, mean_iou, predict_images
from dmtlib.training.pixels.phase import SegmentationTrainer
from dmtlib.training.pixels.pixel_labels import write_pixel_labels
from dmtlib.training.pixels.plan import split_of
from dmtlib.training.pixels.stored import initialise, phase_segmenter, stored_pixel_labels
from dmtlib.training.precision import choose_device
from dmtlib.training.statistics import STATISTICS, pixel_sums


@pytest.fixture(scope="module")
def data() -> SegmentationData:
    return scenes()


@pytest.fixture
def tiny(tmp_path, data):
    """Start a run of few steps: tiny("dst", seed=1) → its directory and its record."""

    def run(method: str = "dmt", data=data, **changes) -> tuple[RunDirectory, dict]:
        config = dataclasses.replace(CONFIG, method=method, **changes)
        record = train(config, runs=tmp_path, device="cpu", progress=False, data=data)
        return RunDirectory.of(config, tmp_path), record

    return run


# --- Every method is a row of one table ---------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
def test_every_method_runs_to_its_record(method, tiny):
    run, record = tiny(method)
    row = METHODS[method]
    assert record == run.record == tiny(method)[1]
    assert len(record["phases"]) == (6 if row.labeler else 2 if row.online else 1)
    assert [phase["alpha"] for phase in record["phases"][1:]] == (
        [0.2, 0.4, 0.6, 0.8, 1.0] if row.labeler else [None]
    )[: len(record["phases"]) - 1]
    for phase in record["phases"]:
        assert list(phase["models"]) == (["A", "B"] if row.labeler == "other" else ["A"])
        for model in phase["models"].values():
            present = [iou for iou in model["val_class_iou"].values() if iou is not None]
            assert model["val_mean_iou"] == pytest.approx(sum(present) / len(present), abs=1e-3)
            assert model["loss"] > 0 and model["steps"] in (3, 4)
    assert record["mean_iou"] == max(m["val_mean_iou"] for m in record["phases"][-1]["models"].values())
    assert set(record["class_iou"]) == set(CLASSES)
    assert record["split_sha256"] == run.split["sha256"] and run.split["sizes"] == {"labeled": 6, "unlabeled": 12}
    assert record["config"] == dataclasses.replace(CONFIG, method=method).to_json()
    assert record["device"].startswith("cpu") and record["versions"]["torch"] == torch.__version__


def test_a_method_with_labels_of_its_own_has_a_rule_and_the_others_have_none():
    assert {name for name, row in METHODS.items() if row.labeler or row.online} == METHODS.keys() & RULES.keys()


def test_dst_and_dmt_differ_in_the_labeler_alone(tiny):
    assert METHODS["dst"] == dataclasses.replace(METHODS["dmt"], title="DST", labeler="itself")
    assert RULES["dst"] is RULES["dmt"]
    weights = [phase_segmenter(tiny(method, alphas=(1.0,))[0], 0, "A").state_dict() for method in ("dst", "dmt")]
    assert all(torch.equal(weights[0][key], weights[1][key]) for key in weights[0])


def test_cbst_weighs_everything_1_and_the_dynamic_loss_does_not(tiny):
    for method, trusting in (("cbst", True), ("dst", False)):
        models = [phase["models"]["A"] for phase in tiny(method)[1]["phases"][1:]]
        assert all((model["mean_weight"] == pytest.approx(1)) == trusting for model in models)
        assert all((model["case_shares"] is None) == trusting for model in models)
    assert all(sum(model["case_shares"]) == pytest.approx(1) for model in models)


def test_online_st_stores_no_labels(tiny):
    run, record = tiny("online-st")
    assert not list(run.path.glob("pseudo-labels*")) and not list(run.path.glob(".pseudo-labels*"))
    last = record["phases"][1]["models"]["A"]
    assert last["labeled_by"] is None and last["pseudo_labels"] == 0 and last["case_shares"] is None
    assert 0 <= last["mean_weight"] <= 1


def test_online_st_learns_its_own_confident_predictions(monkeypatch, tiny):
    seen = []
    rule = RULES["online-st"]

    def watched(probabilities, labels, *rest, **options):
        seen.append((probabilities, labels, rule(probabilities, labels, *rest, **options)))
        return seen[-1][2]

    monkeypatch.setitem(RULES, "online-st", watched)
    tiny("online-st", crop=(64, 64))
    assert len(seen) == 3
    assert any((labels == 255).any() for _, labels, _ in seen)  # some views are smaller than the crop
    for probabilities, labels, (targets, weights) in seen:
        inside = labels != 255
        assert torch.equal(targets[inside], probabilities.argmax(1)[inside].to(torch.uint8))
        assert torch.equal(weights.bool(), (probabilities.amax(1) > 0.9) & inside)


# --- Who labels for whom ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "labelers", "expected"),
    [
        ("dst", "previous", {"A": ("A", 1)}),
        ("cbst", "newest", {"A": ("A", 1)}),
        ("dmt", "previous", {"A": ("B", 1), "B": ("A", 1)}),
        ("dmt", "newest", {"A": ("B", 1), "B": ("A", 2)}),
    ],
)
def test_the_stored_labels_are_the_labelers(method, labelers, expected, tiny, data):
    run, record = tiny(method, labelers=labelers, alphas=(0.5, 1.0))
    images, unlabeled = data.parts["train"], split_of(CONFIG, data).unlabeled
    for name, (labeler, phase) in expected.items():
        stored = stored_pixel_labels(run, 2, name)
        assert stored.names == unlabeled
        indices = [images.names.index(image) for image in unlabeled]
        predicted = list(predict_images(phase_segmenter(run, phase, labeler), images, indices))
        assert all(torch.equal(stored[i][0], p.argmax(0).to(torch.uint8)) for i, p in enumerate(predicted))
        model = record["phases"][2]["models"][name]
        assert model["labeled_by"] == f"{labeler} of phase {phase}"
        truth = torch.stack([images.mask(i) for i in indices])
        wrong = (torch.stack([p.argmax(0) for p in predicted]) != truth)[truth != 255]
        assert model["pseudo_label_error"] == pytest.approx(100 * wrong.float().mean().item(), abs=1e-3)


def test_a_phase_keeps_its_share_of_each_class(tiny):
    run, record = tiny("dst", alphas=(0.3, 1.0))
    kept = [stored_pixel_labels(run, phase, "A") for phase in (1, 2)]
    assert sum(kept[1].kept) == 12 * 64 * 64
    labels = torch.stack([kept[0][i][0] for i in range(12)])
    predicted = torch.stack(
        [p.argmax(0) for p in _predictions(run, 0, kept[0].names)],
    )
    for c in range(len(CLASSES)):
        assert int((labels == c).sum()) == kept[0].kept[c] == 3 * int((predicted == c).sum()) // 10
    assert record["phases"][1]["models"]["A"]["pseudo_labels"] == sum(kept[0].kept)
    assert record["phases"][1]["models"]["A"]["pseudo_labels_by_class"] == list(kept[0].kept)


def _predictions(run, phase, names):
    images = scenes().parts["train"]
    return predict_images(phase_segmenter(run, phase), images, [images.names.index(name) for name in names])


def started_with(monkeypatch) -> list[SegmentationTrainer]:
    """The trainers that runs make from now on."""
    made = []

    class Watched(SegmentationTrainer):
        def __init__(self, task, state):
            super().__init__(task, state)
            made.append(self)

    monkeypatch.setattr(mutual, "SegmentationTrainer", Watched)
    return made


def test_the_two_first_models_learn_from_two_subsets_and_the_later_ones_from_all(monkeypatch, tiny):
    made = started_with(monkeypatch)
    tiny("dmt", difference_maximized=True, alphas=(1.0,))
    a, b, later_a, later_b = (set(trainer.task.batches.labeled) for trainer in made)
    assert len(a) == len(b) == 5 and len(a & b) == 4 and len(a | b) == 6  # 80% of 6 labels each
    assert later_a == later_b == a | b
    made.clear()
    tiny("dst", difference_maximized=True, alphas=(1.0,))
    assert set(made[0].task.batches.labeled) == a | b  # one model has no other to differ from


def test_the_oracle_learns_all_labels_and_the_baseline_the_labeled_ones(monkeypatch, tiny):
    made = started_with(monkeypatch)
    tiny("oracle"), tiny("baseline")
    assert [sorted(trainer.task.batches.labeled) for trainer in made] == [
        list(range(18)),
        sorted(made[1].task.batches.labeled),
    ]
    assert len(made[1].task.batches.labeled) == 6


def test_images_without_masks_are_never_labeled(monkeypatch, tiny, data):
    """Not by a ratio, and not for the oracle; the methods that label for themselves take them all."""
    names = data.parts["train"].names
    bare = frozenset(split_of(CONFIG, data).labeled[:2]) | {split_of(CONFIG, data).unlabeled[0]}
    monkeypatch.setattr(data.parts["train"], "without_mask", bare, raising=False)
    made = started_with(monkeypatch)
    run, _ = tiny("dst", alphas=(1.0,))
    tiny("oracle")
    assert len(run.split["labeled"]) == 6 and not bare & set(run.split["labeled"])
    first, later, oracle = (trainer.task.batches for trainer in made)
    assert not bare & {names[i] for i in first.labeled + later.labeled}
    assert bare < {names[i] for i in later.unlabeled}
    assert {names[i] for i in oracle.labeled} == set(names) - bare


def test_two_initialisations_differ(monkeypatch, tiny):
    first = []
    monkeypatch.setattr(mutual, "initialise", lambda *a: first.append(copy.deepcopy(initialise(*a))) or initialise(*a))
    before = torch.get_rng_state()
    tiny("dmt", alphas=(1.0,))
    assert torch.equal(before, torch.get_rng_state())  # no draw from the global generator
    assert len(first) == 2 and not torch.equal(first[0].backbone.conv1.weight, first[1].backbone.conv1.weight)


def test_what_fits_of_loaded_weights_is_told(tiny, tmp_path, capsys):
    backbone = initialise(CONFIG, {"backbone": "narrow", "num_classes": 5, "rates": (1, 2)}, "A").backbone
    torch.save(backbone.state_dict(), tmp_path / "weights.pth")
    tiny("baseline", initialisations=(f"imagenet:{tmp_path}/weights.pth", "random"))
    (told,) = [line for line in capsys.readouterr().err.splitlines() if "starts from" in line]
    matched = sum(not key.endswith("num_batches_tracked") for key in backbone.state_dict())
    assert told.startswith("model A starts from imagenet:") and told.endswith(
        f": {matched} matched, 4 missing, 0 unexpected, 0 wrongly shaped"  # weights and biases of two classifiers
    )


def test_two_models_see_the_same_crop_each_in_its_own_way(monkeypatch, tiny):
    """Of two networks, whose weights were trained with other means and deviations (Alg. 2, line 1)."""
    seen = {}

    def first_batch(config, architecture, name):
        model = initialise(config, architecture, name)
        model.normalise.register_forward_hook(lambda _, given, out: seen.update({name: seen.get(name, (*given, out))}))
        return model

    monkeypatch.setattr(mutual, "initialise", first_batch)
    derive = mutual.derive_seed  # one order and one crop for both
    monkeypatch.setattr(mutual, "derive_seed", lambda seed, what, *place: derive(seed, what, *place[:1]))
    networks = "timm:tf_efficientnet_lite0", "timm:lcnet_035"
    starts = dict(backbone=networks, initialisations=("pip:efficientnet-lite0", "random"), output_stride=16)
    run, record = tiny("dmt", alphas=(1.0,), **starts)
    (crop, of_a), (crop_of_b, of_b) = seen["A"], seen["B"]
    assert torch.equal(crop, crop_of_b) and crop.dtype == torch.uint8
    mean, deviation = (255 * torch.tensor(x).view(3, 1, 1) for x in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    torch.testing.assert_close(of_a, (crop - 127.0) / 128)
    torch.testing.assert_close(of_b, (crop - mean) / deviation)
    assert record["config"]["backbone"] == list(networks) and record["config"]["output_stride"] == 16
    for name, channels in (("A", 320), ("B", 176)):  # each in its own form, from what was kept
        again = phase_segmenter(run, 1, name)
        assert again.backbone.out_channels == channels
        assert again.normalise.mean[0].item() == pytest.approx({"A": 127, "B": 255 * 0.485}[name])
    assert record == tiny("dmt", alphas=(1.0,), **starts)[1]


def test_a_phase_goes_on_from_its_own_model(monkeypatch, tiny):
    """Fine-tuning: with a learning rate of 0 the weights of every phase are those of phase 0."""
    run, _ = tiny("dmt", learning_rate=0.0, alphas=(0.5, 1.0))
    for name in "AB":
        weights = [dict(phase_segmenter(run, phase, name).named_parameters()) for phase in (0, 2)]
        assert all(torch.equal(weights[0][key], weights[1][key]) for key in weights[0])


def test_the_authors_leak_takes_what_is_best_on_val(monkeypatch, tiny, data):
    """The best weights end the phase: they are scored, they label for the other model, and they go on."""
    monkeypatch.setattr(phases, "LOOK_STEPS", 4)
    seen, given = [], itertools.cycle([10.0, 30.0, 30.0, 20.0])  # after 4, 8, 12 and 14 steps
    measured, confusion = phases.confusion_matrix, []

    def look(model, *arguments):
        seen.append(copy.deepcopy(model.state_dict()))
        confusion.append(measured(model, *arguments))
        return confusion[-1]

    monkeypatch.setattr(phases, "confusion_matrix", look)
    monkeypatch.setattr(phases, "mean_iou", lambda matrix: next(given) if matrix is confusion[-1] else 0)
    run, record = tiny("dmt", goes_on_from="best-on-val", phase_steps=14, baseline_steps=14, alphas=(1.0, 1.0))
    assert len(seen) == 3 * 2 * 4
    for n, (phase, name) in enumerate(itertools.product(range(3), "AB")):
        best = seen[4 * n + 1]
        ended = phase_segmenter(run, phase, name).state_dict()
        assert all(torch.equal(best[key], ended[key]) for key in best), f"{name} of phase {phase}"
        assert any(not torch.equal(seen[4 * n + 3][key], ended[key]) for key in best)  # the last ones are others
        model = record["phases"][phase]["models"][name]
        assert model["best_step"] == 8
        assert model["val_mean_iou"] == mean_iou(confusion_matrix(phase_segmenter(run, phase, name), data, "val"))
    indices = [data.parts["train"].names.index(name) for name in split_of(CONFIG, data).unlabeled]
    predicted = predict_images(phase_segmenter(run, 1, "B"), data.parts["train"], indices)
    labels = stored_pixel_labels(run, 2, "A")
    assert all(torch.equal(labels[i][0], p.argmax(0).to(torch.uint8)) for i, p in enumerate(predicted))


def test_the_authors_leak_goes_on_from_the_best(monkeypatch, tiny):
    """With a learning rate of 0 after phase 0, the later phases have its best weights, not its last."""
    monkeypatch.setattr(phases, "LOOK_STEPS", 2)
    run, _ = tiny("dst", goes_on_from="best-on-val", learning_rate=0.0, baseline_steps=8, alphas=(1.0,))
    first, later = (dict(phase_segmenter(run, phase).named_parameters()) for phase in (0, 1))
    assert all(torch.equal(first[key], later[key]) for key in first)
    assert "best_step" not in tiny("dst", seed=1, alphas=(1.0,))[1]["phases"][0]["models"]["A"]


def test_looking_at_val_changes_no_step(monkeypatch, tiny):
    monkeypatch.setattr(phases, "LOOK_STEPS", 2)
    ways = {way: tiny("baseline", preset=way, goes_on_from=way, baseline_steps=6)[0] for way in GOES_ON_FROM}
    losses = [[line["loss"] for line in metrics(run)] for run in ways.values()]
    assert len(losses[0]) == 6 and losses[0] == losses[1]


# --- Steps --------------------------------------------------------------------------------------------------------


def test_the_poly_schedule_starts_anew_in_every_phase(tiny):
    run, _ = tiny("dst", alphas=(0.5, 1.0))
    rates = [(line["phase"], line["step"], line["learning_rate"]) for line in metrics(run)]
    expected = [(0, t, 0.02 * (1 - t / 4) ** 0.9) for t in range(1, 5)]
    expected += [(phase, t, 0.01 * (1 - t / 3) ** 0.9) for phase in (1, 2) for t in range(1, 4)]
    assert [rate[:2] for rate in rates] == [rate[:2] for rate in expected]
    assert [rate[2] for rate in rates] == pytest.approx([rate[2] for rate in expected], abs=1e-9)


def test_the_head_may_learn_at_a_rate_of_its_own(monkeypatch, tiny):
    made = started_with(monkeypatch)
    tiny("dst", alphas=(1.0,), head_rate=0.1)
    for trainer, rate in zip(made, (CONFIG.supervised_learning_rate, CONFIG.learning_rate), strict=True):
        body, head = trainer.state.optimizer.param_groups
        assert [group["initial_lr"] for group in (body, head)] == pytest.approx([rate, 0.1 * rate])
        assert {*map(id, head["params"])} == {*map(id, trainer.state.model.aspp.parameters())}
        assert len(body["params"]) + len(head["params"]) == len([*trainer.state.model.parameters()])


def test_a_step_minimises_the_dynamic_loss_with_constant_gamma(monkeypatch, tiny):
    made = started_with(monkeypatch)
    losses = []
    step = SegmentationTrainer.step

    def watched(trainer):
        if trainer.task.phase:
            batch, now = trainer.task.batches[trainer.state.step], trainer.state.step
            with torch.no_grad():
                norms = {k: v.clone() for k, v in trainer.state.model.state_dict().items()}
                logits = trainer.state.model(batch.images)
                trainer.state.model.load_state_dict(norms)
            labeled = torch.arange(4) < 1
            confidence = torch.cat([torch.zeros(1, 32, 40), batch.confidence])
            losses.append((now, float(dynamic_loss(logits, batch.targets, confidence, labeled, 5.0, 3.0))))
        step(trainer)

    monkeypatch.setattr(SegmentationTrainer, "step", watched)
    run, _ = tiny("dmt", alphas=(0.6,))
    assert len(made) == 4 and [now for now, _ in losses] == [0, 1, 2] * 2
    logged = [line["loss"] for line in metrics(run) if line["phase"] == 1]
    assert logged == pytest.approx([loss for _, loss in losses], rel=1e-4)


def test_a_batch_is_a_function_of_its_step(monkeypatch, tiny):
    made = started_with(monkeypatch)
    tiny("dmt", alphas=(0.5,))
    batches = made[2].task.batches
    for first, again in zip(batches[2], batches[2], strict=True):
        assert torch.equal(first, again)
    assert batches[2].images.shape == (4, 3, 32, 40) and batches[2].images.dtype == torch.uint8
    assert batches[2].confidence.shape == batches[2].truth.shape == (3, 32, 40)
    others = [batches[1].images, made[3].task.batches[2].images]  # another step; the other model
    assert not any(torch.equal(batches[2].images, other) for other in others)


def test_pixel_sums_by_hand():
    learned = torch.tensor([[[0, 1, 1, 255]]], dtype=torch.uint8)
    truth = torch.tensor([[[0, 0, 255, 1]]], dtype=torch.uint8)
    cases = torch.tensor([[[1, 3, 2, 0]]], dtype=torch.uint8)
    sums = dict(
        zip(
            STATISTICS,
            (4 * pixel_sums(learned, truth, torch.tensor([[[0.5, 0.0, 0.25, 0.0]]]), cases)).tolist(),
            strict=True,
        )
    )
    assert sums == {
        "steps": 0, "loss": 0, "right": 1, "weight_right": 0.5, "wrong": 1, "weight_wrong": 0,
        "pseudo": 3, "weight": 0.75, "1": 1, "2": 1, "3": 1,
    }  # fmt: skip


@pytest.mark.gpu
@pytest.mark.parametrize("method", ["dmt", "dmt-flip", "cbst", "online-st"])
def test_no_step_waits_for_the_device(method, monkeypatch, tmp_path, data):
    step, steps = SegmentationTrainer.step, itertools.count()

    def strict(trainer):
        torch.cuda.set_sync_debug_mode("error" if trainer.state.step else "default")  # a first step allocates
        try:
            step(trainer)
        finally:
            torch.cuda.set_sync_debug_mode("default")
        next(steps)

    monkeypatch.setattr(SegmentationTrainer, "step", strict)
    config = dataclasses.replace(CONFIG, method=method, alphas=(0.5,))
    train(config, runs=tmp_path, device="cuda", progress=False, data=data)
    assert next(steps) >= 7


# --- Scores -------------------------------------------------------------------------------------------------------


def test_mean_iou_by_hand():
    confusion = torch.tensor([[3, 1, 0, 0], [2, 4, 0, 0], [0, 0, 0, 0], [0, 1, 0, 0]])
    iou = class_iou(confusion)
    assert iou[:2].tolist() == [3 / 6, 4 / 8] and iou[2].isnan() and iou[3] == 0  # absent; there but never found
    assert mean_iou(confusion) == pytest.approx(100 * (0.5 + 0.5 + 0) / 3, abs=1e-4)


def test_the_confusion_matrix_is_over_the_whole_part(data, tiny):
    run, record = tiny("baseline")
    confusion = confusion_matrix(phase_segmenter(run, 0), data, "val")
    truth = torch.stack([data.parts["val"].mask(i) for i in range(5)])
    predicted = torch.stack(
        [p.argmax(0) for p in predict_images(phase_segmenter(run, 0), data.parts["val"], range(5))]
    )
    for i, j in itertools.product(range(5), repeat=2):
        assert confusion[i, j] == ((truth == i) & (predicted == j)).sum()
    assert record["mean_iou"] == mean_iou(confusion)


def test_counting_leaves_void_out(monkeypatch, data):
    """By hand: two pixels of class 2 are called 2 and 1, a third is void."""
    truth, scores = torch.tensor([[2, 2, 255]], dtype=torch.uint8), torch.zeros(5, 1, 3)
    scores[2, 0, 0] = scores[1, 0, 1] = scores[2, 0, 2] = 1
    monkeypatch.setattr(evaluation, "predict_images", lambda *_: iter([scores]))
    one = StoredImages(("a",), torch.zeros(1, 3, 1, 3, dtype=torch.uint8), truth[None])
    confusion = confusion_matrix(torch.nn.Module(), dataclasses.replace(data, parts={"val": one}), "val")
    assert confusion.dtype == torch.int64 and confusion.device.type == "cpu"
    assert confusion.nonzero().tolist() == [[2, 1], [2, 2]] and confusion.sum() == 2


@pytest.mark.gpu
def test_a_gpu_counts_the_pixels_that_a_cpu_counts(tmp_path):
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(0, 5, (3, 90, 70), generator=generator, dtype=torch.uint8)
    confidence, written = torch.rand(3, 90, 70, generator=generator), []
    for device in ("cpu", "cuda"):
        predictions = [(str(i), labels[i].to(device), confidence[i].to(device)) for i in range(3)]
        written.append(write_pixel_labels(tmp_path / device, predictions, 5, 0.3))
    assert written[0].kept == written[1].kept
    for i in range(3):
        assert all(map(torch.equal, written[0].codes(i), written[1].codes(i)))


@pytest.mark.gpu
def test_a_gpu_scores_what_it_predicts(data, tiny):
    model = phase_segmenter(tiny("baseline")[0], 0).to(choose_device("cuda"))
    confusion, images = confusion_matrix(model, data, "val"), data.parts["val"]
    predicted = torch.stack([p.argmax(0).cpu() for p in predict_images(model, images, range(5))])
    for i, j in itertools.product(range(5), repeat=2):
        assert confusion[i, j] == ((images.masks == i) & (predicted == j)).sum()


def test_padding_for_scoring_is_cut_off_again(data, tiny):
    model = phase_segmenter(tiny("baseline")[0], 0)
    padded = next(predict_images(model, data.parts["val"], [0], pad=(80, 72)))
    alone = next(predict_images(model, data.parts["val"], [0]))
    black = torch.zeros(1, 3, 80, 72, dtype=torch.uint8)
    black[:, :, :64, :64] = data.parts["val"].images[0]  # the border is to the right and below
    with torch.no_grad():
        expected = model(black).softmax(dim=1)[0, :, :64, :64]
    assert torch.allclose(padded, expected, atol=1e-5) and not torch.allclose(padded, alone, atol=1e-5)


def test_files_of_several_sizes_are_trained_on_and_scored_with_a_border(data, tiny, tmp_path):
    """As VOC is: pictures of their own sizes, scored in a frame that all of them fit into."""
    parts, images, masks = {}, {}, {}
    for part, stored in data.parts.items():
        for i, name in enumerate(stored.names):
            height, width = 40 + 2 * i, 64 - 2 * (i % 5)
            images[name], masks[name] = tmp_path / f"{name}-image.png", tmp_path / f"{name}-mask.png"
            images[name].write_bytes(bytes(encode_png(stored.images[i, :, :height, :width].contiguous()).numpy()))
            masks[name].write_bytes(encode_mask(stored.masks[i, :height, :width].numpy()))
        parts[part] = ListedImages(stored.names, images, masks, len(CLASSES))
    framed = SegmentationData("framed", CLASSES, parts, evaluation_size=(80, 72))
    run, record = tiny("dmt", data=framed, alphas=(1.0,))
    for name, model in record["phases"][-1]["models"].items():
        segmenter, total = phase_segmenter(run, 1, name), torch.zeros(5, 5, dtype=torch.int64)
        for image, mask in (parts["val"][i] for i in range(len(parts["val"]))):
            frame = torch.zeros(1, 3, 80, 72, dtype=torch.uint8)
            frame[0, :, : image.shape[1], : image.shape[2]] = image
            with torch.no_grad():
                predicted = segmenter(frame)[0, :, : image.shape[1], : image.shape[2]].argmax(dim=0)
            known = mask != 255
            total += (5 * mask[known].long() + predicted[known]).bincount(minlength=25).view(5, 5)
        assert model["val_mean_iou"] == pytest.approx(mean_iou(total), abs=1e-3)
    labels = stored_pixel_labels(run, 1, "A")
    place = {name: i for i, name in enumerate(parts["train"].names)}
    assert len(labels) == 12
    assert all(labels[i][0].shape == parts["train"].mask(place[name]).shape for i, name in enumerate(labels.names))


def test_the_better_model_is_chosen_on_val_and_scored_on_test(tiny, monkeypatch):
    data = scenes({**PARTS, "test": 4})
    scores = iter([10.0, 10.0, 15.0, 30.0, 20.0, 40.0])  # A, B and both in phase 0, then in phase 1
    measure = mutual.measure_segmentation
    monkeypatch.setattr(
        mutual, "measure_segmentation", lambda *a: measure(*a) | {"val_mean_iou": next(scores), "test_mean_iou": 7.0}
    )
    _, record = tiny("dmt", data=data, alphas=(1.0,))
    assert (record["best"], record["best_chosen_on"], record["scored_on"]) == ("A", "val", "test")
    assert record["mean_iou"] == 7.0 and record["phases"][1]["both"]["val_mean_iou"] == 40.0
    assert record["class_iou"] == record["phases"][1]["models"]["A"]["test_class_iou"]


def test_both_models_word_is_the_mean_of_their_probabilities(tiny, data):
    run, record = tiny("dmt")
    assert [("both" in phase) for phase in record["phases"]] == [True, *[False] * 4, True]
    for phase in (0, 5):
        a, b = (predict_images(phase_segmenter(run, phase, name), data.parts["val"], range(5)) for name in "AB")
        total = torch.zeros(25, dtype=torch.int64)
        for index, (p, q) in enumerate(zip(a, b, strict=True)):
            said, truth = ((p + q) / 2).argmax(dim=0), data.parts["val"].mask(index).long()
            total += (5 * truth + said)[truth != 255].bincount(minlength=25)
        both = record["phases"][phase]["both"]
        assert both["val_mean_iou"] == pytest.approx(mean_iou(total.view(5, 5)), abs=1e-3)
    assert "both" not in tiny("dst")[1]["phases"][0]


@pytest.mark.parametrize(("flip", "views"), [(0.5, 3), (0.0, 2)])
def test_pseudo_labels_of_several_views(flip, views, tiny, data):
    """Another scale by another library's resampling, and the mirror image, if training mirrors too: labels of their
    mean probabilities."""
    run, _ = tiny("dmt", views=views, flip=flip)
    images, labels = data.parts["train"], stored_pixel_labels(run, 5, "B")
    model = phase_segmenter(run, 4, "A")
    for place in (0, len(labels) - 1):
        image = images.image(images.names.index(labels.names[place]))[None]
        smaller = torchvision.transforms.v2.functional.resize(image.float(), [48, 48], antialias=True)
        with torch.no_grad():
            plain, mirrored, small = (model(x).softmax(dim=1) for x in (image, image.flip(3), smaller))
        small = torchvision.transforms.v2.functional.resize(small, [64, 64])
        seen = [plain, small, *([mirrored.flip(3)] if flip else [])]
        assert len(seen) == views
        expected = (sum(seen) / views)[0]
        found, codes = labels.codes(place)
        kept, sure = found != 255, expected.amax(dim=0)
        clear = (expected.topk(2, dim=0).values.diff(dim=0).abs() > 1e-4)[0]
        assert kept.any() and torch.equal(found[kept & clear].long(), expected.argmax(dim=0)[kept & clear])
        assert (pixel_selection.encode_confidence(sure).int() - codes.int()).abs().max() <= 1


# --- What is refused ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (dict(flip=0.0, views=9), "views must lie in 1…16, 1…8 without flips, got 9"),
        (dict(method="cl"), "method must be one of baseline, online-st, cbst, .*, got 'cl'"),
        (dict(seed=1000), r"seed must lie in 0…999, got 1000"),
        (dict(budget=0), r"budget must lie in \(0, 10\], got 0"),
    ],
)
def test_an_impossible_run_is_told_in_one_line(changes, message):
    with pytest.raises(ValueError, match=message) as error:
        dataclasses.replace(CONFIG, **changes)
    assert "\n" not in str(error.value)


def test_what_does_not_fit_the_data_is_told(tiny):
    with pytest.raises(ValueError, match=r"tiny prescribes no labeled subset \(labeled\.txt\)"):
        tiny("baseline", labeled_ratio=None)
    with pytest.raises(ValueError, match="dmt needs unlabeled images, and all 18 are labeled"):
        tiny("dmt", labeled_ratio=1)
    with pytest.raises(ValueError, match=r"nowhere\.pth: No such file"):
        tiny("baseline", initialisations=("imagenet:nowhere.pth", "random"), backbone="resnet18", seed=1)


def test_other_settings_and_a_changed_split_are_refused(tiny):
    run, _ = tiny("baseline")
    with pytest.raises(RunError, match=r"gamma1 is 5\.0 there and 4\.0 now"):
        tiny("baseline", gamma1=4.0)
    split = run.split
    (run.path / "split.json").write_text(json.dumps({**split, "labeled": split["labeled"][1:]}))
    with pytest.raises(RunError, match=r"split\.json is not the split that these settings draw \(labeled differ"):
        tiny("baseline")


def test_a_phase_or_model_that_is_not_there_is_told(tiny):
    run, _ = tiny("baseline")
    with pytest.raises(RunError, match="has no finished phase 1"):
        phase_segmenter(run, 1)
    with pytest.raises(RunError, match="has the models A, not 'B'"):
        phase_segmenter(run, 0, "B")
