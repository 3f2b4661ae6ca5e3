"""Runs by several processes, as torchrun would start them: python several.py FOLDER NAME… tells how they ended.

A NAME is KIND-METHOD-PROCESSES, as pixels-dmt-2; its run goes below FOLDER/NAME, what was printed to FOLDER/NAME.out
and .err. KIND is one of :data:`KINDS`; `double-…` computes in float64, `short-…` takes few steps. `killed-…` is mixup,
of which the last process dies in the middle, and `again-…` goes on with it: PROCESSES may differ. `hurt-…` goes on
with a copy of it whose checkpoint is damaged. Other names are no runs: :data:`PARTS`. One process imports everything
and forks all others.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
import os
import shutil
import sys
import traceback
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import torch
import torch.distributed as dist
import torch.nn.functional as F
from dying import die, patch
from PIL import Image
from random_phase import random_phase
from tiny_scenes import CONFIG, scenes
from torch.utils import tensorboard  # noqa: F401 - runs import it late; here, once for all of them

from dmtlib import cli
from dmtlib.data import entry
from dmtlib.data.images import folders
from dmtlib.data.images.datasets import load_dataset, load_digits
from dmtlib.data.images.packed import ImageFile
from dmtlib.method import rules
from dmtlib.presets import preset
from dmtlib.training import loop, processes, train
from dmtlib.training.images import evaluation
from dmtlib.training.images.phase import PhaseTrainer
from dmtlib.training.pixels.config import SegmentationConfig
from dmtlib.training.settings import Config

DIGITS = preset("digits-40", "dmt")
IMAGES = dataclasses.replace(
    DIGITS,
    num_labels=20,
    depth=10,
    widen_factor=1,
    batch_size=24,
    labeled_per_batch=9,  # of four processes one has both kinds of images
    learning_rate=0.01,
    supervised_learning_rate=0.01,
    alphas=(0.5, 1.0),
    baseline_steps=14,
    baseline_epochs=None,
    phase_steps=18,
    phase_epochs=None,
    precision="fp32",
    log_every=1,
)
# A smaller rate than elsewhere: above it, steps on these few pixels enlarge any rounding a thousandfold within ten.
PIXELS = dataclasses.replace(
    CONFIG, alphas=(0.5, 1.0), baseline_steps=9, phase_steps=8, learning_rate=0.001, supervised_learning_rate=0.001
)
OTHER = {"depth": None, "widen_factor": None}
FAST = {"recalibrate_batch_norm": True, "weight_pass_moves_statistics": True, "nesterov": True}
KINDS: dict[str, tuple[Config, dict]] = {
    "mixup": (IMAGES, {}),
    "plain": (IMAGES, {"mixup_alpha": 0.0}),
    "file": (IMAGES, {}),  # as mixup, of images that are read from a file
    "timm": (IMAGES, {**OTHER, "network": "timm:test_efficientnet", "side": 32}),
    "white": (IMAGES, {**OTHER, **FAST, "widths": (4, 4, 4), "schedule": "triangular"}),
    "pixels": (PIXELS, {}),
    "best": (PIXELS, {"goes_on_from": "best-on-val"}),
    "both": (PIXELS, {"backbone": ("timm:lcnet_035", "narrow"), "output_stride": 16}),
}
DIES_BEFORE = 25  # of 50 steps: in the middle of phase 1


def config_of(name: str) -> Config:
    kind, method = name.removeprefix("double-").removeprefix("short-").rsplit("-", 1)[0].split("-", 1)
    config, more = KINDS.get(kind, KINDS["mixup"])
    if "short" in name:
        more = {**more, "baseline_steps": 3, "phase_steps": 3}
    return dataclasses.replace(config, method=method, **more)


def data_of(name: str, folder: Path):
    if isinstance(config_of(name), SegmentationConfig):
        return scenes()
    digits = load_digits()  # of so few images no two are of almost equal confidence
    if "white" in name:  # needs larger images
        larger = {part: F.pad(getattr(digits, part), (4, 4, 4, 4)) for part in ("train_images", "test_images")}
        digits = dataclasses.replace(digits, **larger)
    images, labels = digits.train_images[:90], digits.train_labels[:90]
    if "file" in name:
        (folder / f"{name}.pixels").write_bytes(images.numpy().tobytes())
        images = ImageFile(open(folder / f"{name}.pixels", "rb"), torch.arange(90), images.shape[1:])  # noqa: SIM115
    return dataclasses.replace(digits, train_images=images, train_labels=labels)


def run(name: str, folder: Path) -> int:
    config, data = config_of(name), data_of(name, folder)
    evaluation.PREDICTION_BATCH = 16  # or there would be nothing to share
    rules.FIXMATCH_THRESHOLD = 0.13  # or models that have learned so little would teach themselves nothing
    if name.startswith("double"):
        torch.set_default_dtype(torch.float64)
        torch.Tensor.float = torch.Tensor.double
    if name.startswith("killed"):
        loop.CHECKPOINT_SECONDS, loop.CHECKPOINT_SHARE = 0.0, float("inf")
        if processes.launched() and os.environ["RANK"] == str(int(os.environ["WORLD_SIZE"]) - 1):
            steps = itertools.count(1)
            patch(PhaseTrainer, "step", lambda s: lambda self: die() if next(steps) == DIES_BEFORE else s(self))
    cli.preset, cli.training.train = lambda *_: config, lambda *_, **more: train(config, data=data, **more)
    runs = folder / ("killed" if name.startswith(("killed", "again")) else name)
    return cli.main(["train", "digits-40", "--device", "cpu", "--runs", str(runs)])


def norm(*_: object) -> int:
    """Batch norm over parts is batch norm over the whole, and so are its gradients."""
    torch.manual_seed(0)
    for shape, dtype in [((8, 3, 4, 5), torch.float32), ((8, 3), torch.float64), ((8, 3, 4, 5), torch.bfloat16)]:
        x, scale, bias = 5 + torch.randn(shape).to(dtype), 1 + torch.rand(3), torch.rand(3)
        if dtype == torch.float64:
            scale, bias = scale.double(), bias.double()
        teach = torch.randn(shape).to(dtype)
        found = []
        for cut in (lambda t: t, processes.part):
            leaf, running = cut(x).clone().requires_grad_(), (torch.zeros_like(scale), torch.ones_like(scale))
            w, b = scale.clone().requires_grad_(), bias.clone().requires_grad_()
            with processes.WholeBatchNorm() if cut is processes.part else torch.enable_grad():
                y = F.batch_norm(leaf, *running, w, b, training=True)
            (y.float() * cut(teach).float()).sum().backward()
            shares = [w.grad, b.grad]
            if cut is processes.part:
                shares = [processes.mean_of_parts(share) * processes.count() for share in shares]
            found.append([y.detach(), leaf.grad, *running, *shares])
        whole, part = found
        near = {"rtol": 2e-2, "atol": 2e-2} if dtype == torch.bfloat16 else {"rtol": 1e-4, "atol": 1e-5}
        for i, (ours, theirs) in enumerate(zip(part, whole, strict=True)):
            torch.testing.assert_close(ours, processes.part(theirs) if i < 2 else theirs, **near)
    with processes.WholeBatchNorm():  # a model that is scored looks at no other process
        frozen = F.batch_norm(x.float(), torch.zeros(3), torch.ones(3), scale, bias)
    torch.testing.assert_close(frozen, F.batch_norm(x.float(), torch.zeros(3), torch.ones(3), scale, bias))
    return 0


def overflow(*_: object) -> int:
    """A gradient that overflows in one process is no step in any."""
    torch.manual_seed(0)
    trainer = random_phase(
        dataclasses.replace(DIGITS, depth=10, widen_factor=1, precision="fp32"), torch.device("cpu")
    )
    trainer.state.scaler = torch.amp.GradScaler("cpu", init_scale=8.0)
    weight = next(trainer.state.model.parameters())
    for step in range(3):
        before, broken = weight.detach().clone(), step == 1 and processes.rank() == 1
        mean = processes.mean_of_parts(weight.detach())
        assert torch.allclose(mean, weight, rtol=0, atol=1e-7)
        loss = trainer.loss
        trainer.loss = lambda *a, loss=loss, broken=broken: loss(*a) * (torch.inf if broken else 1)
        trainer.step()
        trainer.loss = loss
        assert torch.equal(weight, before) == (step == 1), step
    assert trainer.state.scaler.get_scale() == 4.0
    return 0


def packed(folder: Path) -> int:
    """Images that memory doesn't hold are decoded by the first process; the others find its file."""
    os.environ |= {"DMT_MEMORY": "0", "XDG_CACHE_HOME": str(folder / "cache")}
    entry.SETTLED, decoded = 0.0, []

    def make() -> None:
        for i in range(8):
            file = folder / "photos" / ("cat", "dog")[i % 2] / f"{i}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (9, 9), (30 * i,) * 3).save(file)

    processes.by_first(make)
    patch(folders, "facts", lambda facts: lambda image: (decoded.append(1), facts(image))[1])
    data = processes.after_first(lambda: load_dataset(f"folder@8:{folder / 'photos'}"))
    assert isinstance(data.train_images, ImageFile) and len(decoded) == (8 if processes.rank() == 0 else 0)
    assert processes.gathered([data.fingerprint]) == [data.fingerprint] * processes.count()
    return 0


PARTS = {"norm": norm, "overflow": overflow, "packed": packed}


def fork(count: int, work: Callable[[], int], output: Path) -> list[int]:
    """How the processes ended that did the work together. The store is the parent's, as it is torchrun's."""
    store = dist.TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False, timeout=timedelta(seconds=300))
    children = []
    for rank in range(count):
        if child := os.fork():
            children.append(child)
            continue
        for name, number in (("out", 1), ("err", 2)):
            os.dup2(os.open(f"{output}.{name}", os.O_WRONLY | os.O_CREAT | os.O_APPEND), number)
        if count > 1:
            place = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": store.port, "TORCHELASTIC_USE_AGENT_STORE": True}
            told = {"TORCHELASTIC_RUN_ID": "test", "TORCHELASTIC_RESTART_COUNT": 0, "RANK": rank, "WORLD_SIZE": count}
            more = {"LOCAL_RANK": rank, "LOCAL_WORLD_SIZE": count}
            os.environ |= {name: str(value) for name, value in (place | told | more).items()}
        code = 1
        try:
            code = work()
        except BaseException:
            traceback.print_exc()
        sys.stdout.flush()
        os._exit(code)
    return [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]


def main(folder: Path, *names: str) -> None:
    load_digits()
    ended = {}
    for name in names:

        def work(name: str = name) -> int:
            if name not in PARTS:
                return run(name, folder)
            with processes.joined():
                return PARTS[name](folder)

        if name.startswith("hurt"):
            shutil.copytree(folder / "killed", folder / name)
            for checkpoint in (folder / name).rglob("checkpoint.pt"):
                os.truncate(checkpoint, 1000)
        count = 2 if name in PARTS else int(name.rsplit("-", 1)[1])
        ended[name] = fork(count, work, folder / name)
    print(json.dumps(ended))


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(Path(sys.argv[1]), *sys.argv[2:])
