"""Any changed byte or cut of a stored file gives the same result as before, or one line; never another result."""

import functools
import shutil
import tempfile
import warnings
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from dmtlib.data.images.packed import PackedImages, read_packed, write_packed
from dmtlib.presets import preset
from dmtlib.training import RunDirectory, RunError, loop, train

CONFIG = preset("digits-40", "cl", budget=0.002)
OF_THE_MOMENT = {"seconds", "images_per_second", "device", "commit", "versions"}
LENGTH = 10**6  # positions are shares of the file's length


class Left(Exception):
    pass


def run(runs: Path) -> dict:
    record = train(CONFIG, runs=runs, device="cpu", progress=False)
    return {name: value for name, value in record.items() if name not in OF_THE_MOMENT}


@pytest.fixture(scope="module")
def stored(tmp_path_factory) -> dict[str, Path]:
    """A finished run, and one that was left in its last phase with a checkpoint."""
    torch.set_num_threads(1)  # as the fixture has it that each test has
    folder = tmp_path_factory.mktemp("stored")
    run(folder / "finished")
    patch = pytest.MonkeyPatch()
    patch.setattr(loop, "CHECKPOINT_SECONDS", 0.0)
    patch.setattr(loop, "CHECKPOINT_SHARE", float("inf"))
    save = RunDirectory.save_checkpoint

    def leave(self, state):
        save(self, state)
        if state["phase"] == CONFIG.phases - 1:
            raise Left

    patch.setattr(RunDirectory, "save_checkpoint", leave)
    with pytest.raises(Left):
        run(folder / "left")
    patch.undo()
    return {"finished": folder / "finished", "left": folder / "left"}


def spoil(file: Path, place: int, change: int | None) -> None:
    """XOR a byte, or cut the file there."""
    content = bytearray(file.read_bytes())
    at = min(place * len(content) // LENGTH, len(content) - 1)
    if change is None:
        del content[at:]
    else:
        content[at] ^= change
    file.write_bytes(content)


changes = given(st.integers(0, LENGTH), st.one_of(st.none(), st.integers(1, 255)))
few = functools.partial(settings, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))


@pytest.mark.parametrize(
    ("state", "name"),
    [
        ("finished", "result.json"),
        ("finished", "config.json"),
        ("finished", "split.json"),
        ("finished", "metrics.jsonl"),
        ("finished", "phase-5.pt"),
        ("left", "metrics.jsonl"),
        ("left", "checkpoint.pt"),
        ("left", "pseudo-labels-5.pt"),
        ("left", "phase-4.pt"),
    ],
)
def test_a_run_ends_as_before_or_is_refused_in_one_line(state, name, stored):
    expected = run(stored["finished"])

    @few(max_examples=5 if name.endswith("pt") else 12)
    @changes
    @example(0, None)
    @example(LENGTH, 1)
    def ends(place, change):
        with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            shutil.copytree(stored[state], folder, dirs_exist_ok=True)
            spoil(RunDirectory.of(CONFIG, folder).path / name, place, change)
            try:
                assert run(Path(folder)) == expected
            except RunError as error:
                assert "\n" not in str(error) and "digits-40/cl/seed-0" in str(error)
            assert all("\n" not in str(w.message) for w in told if w.category is UserWarning)

    ends()


def test_packed_data_are_read_as_written_or_refused_in_one_line(tmp_path):
    def part(count: int) -> tuple[torch.Tensor, torch.Tensor]:
        return torch.randint(0, 256, (count, 3, 4, 4), dtype=torch.uint8), torch.arange(count) % 2

    file = tmp_path / "animals.pt"
    written = write_packed(PackedImages(("cat", "dog"), *part(6), *part(4), source="here"), file)
    whole = file.read_bytes()

    @few(max_examples=150)
    @changes
    def reads(place, change):
        file.write_bytes(whole)
        spoil(file, place, change)
        try:
            assert read_packed(file).content_hash() == written
        except ValueError as error:
            assert str(error).startswith(f"{file}: ") and "\n" not in str(error)

    reads()
