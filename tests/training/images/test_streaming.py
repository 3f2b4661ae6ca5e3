"""Photographs that memory doesn't hold are read from a file: a run on them is the run in memory, to the bit."""

import dataclasses
import errno
import os
import resource
import threading

import numpy as np
import pytest
import torch
from PIL import Image
from random_phase import small_task

from dmtlib.data import entry
from dmtlib.data.images import packed
from dmtlib.data.images.datasets import load_dataset
from dmtlib.data.images.packed import ImageFile
from dmtlib.presets import preset
from dmtlib.training import RunDirectory, train
from dmtlib.training.images.curriculum import Curriculum
from dmtlib.training.images.phase import PhaseTrainer, start_phase
from dmtlib.training.images.stored import phase_model, stored_pseudo_labels
from dmtlib.training.loop import Journal
from dmtlib.training.precision import choose_device

CPU = torch.device("cpu")


@pytest.fixture
def photos(tmp_path, monkeypatch):
    """Sixty pictures of two classes, in sizes that differ, and a cache of their own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    draws = np.random.default_rng(0)
    for i in range(60):
        file = tmp_path / "photos" / ("cat", "dog", "unlabeled")[i % 3] / f"{i}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(draws.integers(0, 128 + 60 * (i % 3), (12, 10 + i % 4, 3), dtype=np.uint8)).save(file)
        os.utime(file, (1e9, 1e9))
    monkeypatch.setattr(entry, "SETTLED", 0.0)
    return tmp_path / "photos"


def both(photos, monkeypatch):
    """The same data in memory, and in a file."""
    name = f"folder@8:{photos}"
    found = []
    for limit in ("", "0"):
        monkeypatch.setenv("DMT_MEMORY", limit)
        found.append(load_dataset(name))
    assert isinstance(found[1].train_images, ImageFile) and isinstance(found[0].train_images, torch.Tensor)
    return found


def files(photos):
    return sorted(file.name for file in (photos.parent / "cache/dmtlib").iterdir() if file.suffix != ".lock")


def run(data, folder, method, **changes):
    config = dataclasses.replace(
        preset("cifar10-4000", method), data="digits", num_labels=None, validation=4, depth=10, widen_factor=1,
        batch_size=8, labeled_per_batch=3, baseline_steps=6, baseline_epochs=None, phase_steps=6, phase_epochs=None,
        oracle_epochs=None, oracle_steps=6, alphas=(0.5, 1.0), precision="fp32", log_every=2, **changes,
    )  # fmt: skip
    train(config, runs=folder, device="cpu", progress=False, data=data)
    return RunDirectory.of(config, folder)


def assert_same_run(ours, theirs):
    assert (ours.path / "metrics.jsonl").read_bytes() == (theirs.path / "metrics.jsonl").read_bytes()
    for phase in range(len(ours.record["phases"])):
        models = [phase_model(r, phase).state_dict() for r in (ours, theirs)]
        assert all(torch.equal(models[0][key], models[1][key]) for key in models[0])
        if phase:
            assert all(map(torch.equal, *(stored_pseudo_labels(r, phase) for r in (ours, theirs))))
    assert ours.record["phases"] == theirs.record["phases"]


def test_the_data_are_the_same_and_so_is_their_fingerprint(photos, monkeypatch):
    ours, theirs = both(photos, monkeypatch)
    for field in ("train_images", "test_images"):
        assert getattr(theirs, field).read().equal(getattr(ours, field))
    assert (ours.mean, ours.std, ours.fingerprint) == (theirs.mean, theirs.std, theirs.fingerprint)
    assert ours.summary[:2] == theirs.summary[:2] and any("are read from" in line for line in theirs.summary)
    which = torch.tensor([5, 0, 5, 31])
    assert theirs.train_images[which][1:].read().equal(ours.train_images[which][1:])
    assert [len(part) for part in theirs.train_images.split(20)] == [len(part) for part in ours.train_images.split(20)]


@pytest.mark.parametrize("method", ["baseline", "cl", "dmt", "oracle"])
def test_a_run_is_the_run_in_memory_to_the_bit(method, photos, monkeypatch, tmp_path):
    ours, theirs = (run(data, tmp_path / str(i), method) for i, data in enumerate(both(photos, monkeypatch)))
    assert_same_run(ours, theirs)


def test_so_is_a_start_without_labels(photos, monkeypatch, tmp_path):
    changes = dict(start="self-supervised", start_steps=5)
    runs = [run(data, tmp_path / str(i), "cl", **changes) for i, data in enumerate(both(photos, monkeypatch))]
    logs, phases = zip(*[((r.path / "metrics.jsonl").read_bytes(), r.record["phases"]) for r in runs], strict=True)
    assert logs[0] == logs[1] and b"self-supervised" in logs[0]
    for record in phases:
        del record[0]["start"]["seconds"]
    assert phases[0] == phases[1]


def test_whitening_and_batch_norm_anew_are_the_same_too(photos, monkeypatch, tmp_path):
    monkeypatch.setattr("dmtlib.models.whitened.LEAST_SIDE", 1)
    memory, file = both(photos, monkeypatch)
    changes = dict(recalibrate_batch_norm=True)
    assert_same_run(run(memory, tmp_path / "1", "dmt", **changes), run(file, tmp_path / "2", "dmt", **changes))
    config = dataclasses.replace(preset("cifar10-4000-fast", "dmt"), num_labels=None, validation=0)
    found = []
    for data in (memory, file):
        split = Curriculum.draw(config, data)
        directory = RunDirectory(tmp_path / f"whitened-{len(found)}")
        directory.path.mkdir()
        found.append(Curriculum(config, data, split, directory, CPU, False).whitening)
    assert torch.equal(*found)


@pytest.mark.parametrize("before", ["memory", "file"])
def test_a_run_that_was_stopped_in_the_middle_goes_on_with_either(before, photos, monkeypatch, tmp_path):
    memory, file = both(photos, monkeypatch)
    whole = run(memory, tmp_path / "whole", "dmt")
    step, save = PhaseTrainer.step, Journal.save_checkpoint

    class Stopped(Exception):
        pass

    def stopping(self):
        if self.task.phase == 1 and self.state.step == 3:
            save(journals[0], 1, state=self.state.state_dict())
            raise Stopped
        step(self)

    journals = []
    steps = Journal.run_steps
    monkeypatch.setattr(Journal, "run_steps", lambda self, *a: (journals.append(self), steps(self, *a))[1])
    monkeypatch.setattr(PhaseTrainer, "step", stopping)
    with pytest.raises(Stopped):
        run(memory if before == "memory" else file, tmp_path / "stopped", "dmt")
    monkeypatch.setattr(PhaseTrainer, "step", step)
    read = []
    monkeypatch.setattr(ImageFile, "read", lambda self, r=ImageFile.read: (read.append(len(self)), r(self))[1])
    assert_same_run(run(file if before == "memory" else memory, tmp_path / "stopped", "dmt"), whole)
    assert (read.count(8) >= 3 + 6) == (before == "memory")  # batches


@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
@pytest.mark.parametrize("method", ["baseline", "dmt"])
def test_the_images_of_a_step_are_in_its_batch_so_that_it_can_be_replayed(method, device, tmp_path):
    device = choose_device(device)
    task = small_task(device, method)
    (tmp_path / "pixels").write_bytes(task.images.cpu().numpy().tobytes())
    with open(tmp_path / "pixels", "rb") as file:
        images = ImageFile(file, torch.arange(96), (3, 32, 32), device)
        ended = []
        for each in (task, dataclasses.replace(task, images=images)):
            trainer = PhaseTrainer(each, start_phase(each), graph=device.type == "cuda")
            first = trainer._feed(0)
            trainer = PhaseTrainer(each, start_phase(each), graph=device.type == "cuda")
            for _ in range(6):
                trainer.step()
            ended.append(trainer.state.model.state_dict())
        assert first.images.equal(task.images[first.which])
        assert all(torch.equal(value, ended[1][name]) for name, value in ended[0].items())


def test_batches_are_read_ahead_by_other_threads_and_never_all(photos, monkeypatch):
    _, data = both(photos, monkeypatch)
    read, most, lock = [], 0, threading.Lock()

    def noted(self, r=ImageFile.read):
        assert threading.current_thread() is not threading.main_thread()
        with lock:
            read.append(len(self))
        return r(self)

    monkeypatch.setattr(ImageFile, "read", noted)
    for taken, batch in enumerate(packed.read_ahead(data.train_images.split(4))):
        assert len(batch) <= 4
        most = max(most, len(read) - taken - 1)
    assert most <= 3 and sum(read) == len(data.train_images)


def test_packing_holds_few_pictures_at_a_time_and_is_done_once(photos, monkeypatch):
    monkeypatch.setenv("DMT_MEMORY", "0")
    decoded = []
    facts = entry.facts
    monkeypatch.setattr("dmtlib.data.images.folders.facts", lambda image: (decoded.append(1), facts(image))[1])
    load_dataset(f"folder@8:{photos}")
    assert len(decoded) == 60
    load_dataset(f"folder@8:{photos}")
    assert len(decoded) == 60
    (photos / "cat" / "new.png").write_bytes((photos / "dog" / "1.png").read_bytes())
    (photos / "dog" / "4.png").unlink()
    fresh = load_dataset(f"folder@8:{photos}")
    assert len(decoded) == 61  # the others come from the file that was there
    monkeypatch.setenv("DMT_MEMORY", "")
    assert fresh.fingerprint == load_dataset(f"folder@8:{photos}").fingerprint
    assert len([name for name in files(photos) if name.endswith(".pixels")]) == 1


@pytest.mark.parametrize("stop", [KeyboardInterrupt, ValueError("broken")])
def test_a_packing_that_is_stopped_leaves_a_whole_file_and_goes_on(stop, photos, monkeypatch):
    monkeypatch.setenv("DMT_MEMORY", "0")
    facts, decoded = entry.facts, []

    def stopping(image):
        decoded.append(1)
        if len(decoded) == 40:
            raise stop
        return facts(image)

    monkeypatch.setattr("dmtlib.data.images.folders.facts", stopping)
    with pytest.raises((KeyboardInterrupt, ValueError)):
        load_dataset(f"folder@8:{photos}")
    (name,) = files(photos)
    assert name.endswith(".pixels")
    assert (photos.parent / "cache/dmtlib" / name).stat().st_size % (3 * 64 + np.dtype(entry.FACTS).itemsize) == 0
    again = load_dataset(f"folder@8:{photos}")
    assert 60 <= len(decoded) < 85  # what was done is not done again
    monkeypatch.setenv("DMT_MEMORY", "")
    assert again.fingerprint == load_dataset(f"folder@8:{photos}").fingerprint


def test_a_killed_packing_is_told_and_its_rest_removed_and_a_damaged_file_is_made_anew(photos, monkeypatch, capsys):
    monkeypatch.setenv("DMT_MEMORY", "0")
    whole = load_dataset(f"folder@8:{photos}").fingerprint
    (name,) = files(photos)
    place = photos.parent / "cache/dmtlib" / name
    (place.parent / f".{name}.0123456789abcdef.tmp").write_bytes(b"half")
    place.write_bytes(b"garbage" * 1000)
    again = load_dataset(f"folder@8:{photos}")
    assert "the last packing was killed" in capsys.readouterr().err and files(photos) == [name]
    assert again.fingerprint == whole
    place.write_bytes(place.read_bytes()[:100])
    with pytest.raises(OSError, match="cut short") as error:
        again.fingerprint  # noqa: B018
    assert error.value.errno == errno.EIO and error.value.filename == str(place)


def test_a_disk_with_too_little_room_is_told_before(photos, monkeypatch):
    monkeypatch.setenv("DMT_MEMORY", "0")
    monkeypatch.setattr("shutil.disk_usage", lambda path: type("Usage", (), {"free": 17_000}))
    with pytest.raises(ValueError, match=r"0\.0 GB of images, and 0\.0 GB free in .*: set XDG_CACHE_HOME"):
        load_dataset(f"folder@8:{photos}")


@pytest.mark.parametrize("wrong", ["x", "-1", "nan", "1e3"])
def test_another_limit_is_a_number(wrong, photos, monkeypatch):
    monkeypatch.setenv("DMT_MEMORY", wrong)
    with pytest.raises(ValueError, match=f"DMT_MEMORY must be a number of GB, 0 or more, got '{wrong}'"):
        load_dataset(f"folder@8:{photos}")


def test_the_limit_is_an_eighth_of_the_memory(monkeypatch):
    monkeypatch.delenv("DMT_MEMORY", raising=False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda: (0, 8000))
    assert entry.fits_in_memory(1000) and not entry.fits_in_memory(1001)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    assert entry.fits_in_memory(memory // 8) and not entry.fits_in_memory(memory // 8 + 1)
    monkeypatch.setenv("DMT_MEMORY", "0.5")
    assert entry.fits_in_memory(500_000_000) and not entry.fits_in_memory(500_000_001)
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")  # torchrun's: each process of a run has the images
    assert entry.fits_in_memory(250_000_000) and not entry.fits_in_memory(250_000_001)
    monkeypatch.delenv("DMT_MEMORY")
    assert entry.fits_in_memory(memory // 16) and not entry.fits_in_memory(memory // 16 + 1)


def test_resident_memory_does_not_grow_with_the_images(tmp_path):
    """64 MB of images pass by, and no 24 more are resident: Linux's own highest count of this process."""
    content = np.random.default_rng(0).integers(0, 256, 2**26, dtype=np.uint8)
    (tmp_path / "pixels").write_bytes(content)
    images = ImageFile(open(tmp_path / "pixels", "rb"), torch.arange(4096), (4, 64, 64))  # noqa: SIM115
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in range(2):
        total = sum(int(batch.sum()) for batch in packed.read_ahead(images.split(16)))
    assert total == int(content.sum(dtype=np.int64))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 24 * 1024
