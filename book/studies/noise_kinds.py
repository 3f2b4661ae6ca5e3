"""Does Eq. 3 find errors, or only images that are hard? One phase on labels that are wrong in three different ways.

    python -m book.studies.noise_kinds --seeds 0 1 2 3 4

writes results/noise-kinds/seed-<n>.json, some four minutes a seed; a seed that is recorded is passed over.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from statistics import mean
from typing import Any

import pandas as pd
import torch
from torch import Tensor
from torch.optim.swa_utils import update_bn

from dmtlib.data.images.augment import AUGMENTATIONS, normalise
from dmtlib.data.images.datasets import ClassificationData, load_dataset
from dmtlib.data.images.splits import split_labeled
from dmtlib.files import write_json
from dmtlib.method.pseudo_labels import pseudo_label
from dmtlib.presets import preset
from dmtlib.records.comparison import NAMES, NOT_RUN, difference_cell
from dmtlib.training.images.config import RunConfig
from dmtlib.training.images.evaluation import predict
from dmtlib.training.images.phase import PhaseTask, PhaseTrainer, PseudoLabels, start_phase
from dmtlib.training.precision import describe_device
from dmtlib.training.provenance import commit, versions
from dmtlib.training.seeding import derive_seed
from dmtlib.training.statistics import summarise

from .baselines import fresh_model
from .disagreement import one_thread

PRESET = "digits-10"
KINDS = {"own": "the teacher's own", "random": "drawn at random", "other": "another teacher's"}
RULES = ("cl", "dmt", "small-loss", "js")
ANOTHER = 1000  # what the other teacher's seed is away: other labels, other weights


def three_kinds(
    own: PseudoLabels, other: PseudoLabels, classes: int, generator: torch.Generator
) -> dict[str, PseudoLabels]:
    """The same images with equally many wrong labels: the teacher's, drawn at random, another teacher's.

    The teacher that errs more often has its surplus corrected, in images drawn at random. Random errors keep the first
    teacher's confidences: it is as sure of a label as it was of its own.
    """
    wrong = min(int((p.labels != p.truth).sum()) for p in (own, other))
    chosen = torch.randperm(len(own.truth), generator=generator)[:wrong]
    drawn = own.truth.clone()
    drawn[chosen] = (drawn[chosen] + torch.randint(1, classes, (wrong,), generator=generator)) % classes
    kinds = {"own": own, "random": own._replace(labels=drawn), "other": other}
    return {kind: pseudo._replace(labels=_corrected(pseudo, wrong, generator)) for kind, pseudo in kinds.items()}


def _corrected(pseudo: PseudoLabels, wrong: int, generator: torch.Generator) -> Tensor:
    """Its labels, of which ``wrong`` stay wrong."""
    errors = (pseudo.labels != pseudo.truth).nonzero().flatten()
    right = errors[torch.randperm(len(errors), generator=generator)[wrong:]]
    labels = pseudo.labels.clone()
    labels[right] = pseudo.truth[right]
    return labels


@one_thread()
def measure(seed: int, budget: float = 1.0) -> dict[str, Any]:
    """One seed: two teachers, three sets of labels, and one phase under each rule on each of them."""
    begun = time.monotonic()
    config = preset(PRESET, "dmt", seed, budget)
    data = load_dataset(config.data)
    split = split_labeled(data.train_labels, config.num_labels, seed, config.validation)
    unlabeled = split.unlabeled
    own, other = (
        PseudoLabels(unlabeled, *pseudo_label(answers), data.train_labels[unlabeled])
        for answers in (_teacher(data, unlabeled, s, budget) for s in (seed, seed + ANOTHER))
    )
    generator = torch.Generator().manual_seed(derive_seed(seed, "noise kinds"))
    kinds = three_kinds(own, other, len(data.classes), generator)
    outcome = {
        kind: {rule: _learn(data, split.labeled, pseudo, preset(PRESET, rule, seed, budget)) for rule in RULES}
        for kind, pseudo in kinds.items()
    }
    return {
        "seed": seed,
        "budget": budget,
        "preset": PRESET,
        "wrong": 100 * (kinds["own"].labels != own.truth).double().mean().item(),
        "kinds": outcome,
        "seconds": round(time.monotonic() - begun, 1),
        "device": describe_device(torch.device("cpu")),
        "commit": commit(),
        "versions": versions(),
    }


def _teacher(data: ClassificationData, unlabeled: Tensor, seed: int, budget: float) -> Tensor:
    """What the baseline of a seed makes of some training images."""
    return predict(fresh_model(PRESET, seed, budget), data.train_images[unlabeled], data.mean, data.std)


def _learn(data: ClassificationData, labeled: Tensor, pseudo: PseudoLabels, config: RunConfig) -> dict[str, float]:
    """The last phase of a curriculum, from all pseudo labels at once: its test accuracy and mean weights."""
    phase = config.phases - 1
    task = PhaseTask(
        config=config,
        phase=phase,
        total_steps=config.steps(phase, len(pseudo.labels)),
        num_classes=len(data.classes),
        augment=AUGMENTATIONS[config.augmentation](data.mean, data.std),
        images=data.train_images,
        labeled=labeled,
        labeled_targets=data.train_labels[labeled],
        pseudo=pseudo,
    )
    trainer = PhaseTrainer(task, start_phase(task))
    while trainer.state.step < task.total_steps:
        trainer.step()
    trainer.close_window()
    model = trainer.state.averaged
    update_bn(normalise(data.train_images, data.mean, data.std).split(config.batch_size), model)
    right = predict(model.eval(), data.test_images, data.mean, data.std).argmax(dim=1) == data.test_labels
    weights = summarise(trainer.state.totals)
    return {
        "accuracy": 100 * right.double().mean().item(),
        **{kind: weights[f"mean_weight_{kind}"] for kind in ("right", "wrong")},
    }


def records(results: Path) -> list[dict[str, Any]]:
    """All recorded seeds, in order."""
    files = sorted((Path(results) / "noise-kinds").glob("seed-*.json"), key=lambda f: int(f.stem.split("-")[1]))
    return [json.loads(file.read_text(encoding="utf-8")) for file in files]


def table(results: Path) -> pd.DataFrame:
    """By kind of error: what right and wrong labels weighed under DMT, and what the weights won."""
    found = records(results)
    rows = {}
    for kind, name in KINDS.items():
        runs = [record["kinds"][kind] for record in found]
        weights = {f"weight, {w}": mean(r["dmt"][w] for r in runs) if runs else NOT_RUN for w in ("right", "wrong")}
        accuracy = {rule: mean(r[rule]["accuracy"] for r in runs) if runs else NOT_RUN for rule in ("cl", "dmt")}
        gain = difference_cell([r["dmt"]["accuracy"] - r["cl"]["accuracy"] for r in runs])
        rows[name] = weights | {"CL (%)": accuracy["cl"], "DMT (%)": accuracy["dmt"], "DMT − CL": gain}
    return pd.DataFrame(rows).T.rename_axis("errors")


def by_rule(results: Path) -> pd.DataFrame:
    """By kind of error and by rule: what right and wrong labels weighed, and what came of it; means over the seeds."""
    found, rows = records(results), {}
    for kind, errors in KINDS.items():
        for rule in RULES:
            runs = [record["kinds"][kind][rule] for record in found if rule in record["kinds"][kind]]
            columns = {"weight, right": "right", "weight, wrong": "wrong", "accuracy (%)": "accuracy"}
            told = {name: mean(run[key] for run in runs) if runs else NOT_RUN for name, key in columns.items()}
            rows[errors, NAMES[rule]] = told
    return pd.DataFrame(rows).T.rename_axis(["errors", "weights by"])


def main() -> None:
    """Measure the seeds that are asked for, and write a record each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=range(5))
    parser.add_argument("--results", type=Path, default=Path("results"))
    parser.add_argument("--budget", type=float, default=1.0, help="share of the steps; below 1 to try it out")
    arguments = parser.parse_args()
    for seed in arguments.seeds:
        file = arguments.results / "noise-kinds" / f"seed-{seed}.json"
        if not file.exists():
            file.parent.mkdir(parents=True, exist_ok=True)
            write_json(file, measure(seed, arguments.budget))
        print(file)


if __name__ == "__main__":
    main()
