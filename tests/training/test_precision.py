import subprocess

import pytest
import torch

from dmtlib.training.precision import autocast_dtype, choose_device
from dmtlib.training.provenance import SOURCE, commit, cuda_versions

CPU = torch.device("cpu")


@pytest.mark.parametrize("name", ["tpu", "", "cuda:x", "cpu:1:2"])
def test_unknown_devices_are_told(name):
    with pytest.raises(ValueError, match="device"):
        choose_device(name)


def test_fp32_is_fp32_everywhere():
    assert autocast_dtype(CPU, "fp32") is None
    assert choose_device("cpu") == CPU


@pytest.mark.parametrize(
    ("device", "hardware", "expected"),
    [
        ("cpu", (True, True, "Intel"), torch.bfloat16),
        ("cpu", (False, True, "Intel"), None),  # 30 images/s of WRN-28-2 against 46 in float32
        ("cpu", (False, True, "AMD EPYC"), torch.bfloat16),
        ("cpu", (False, False, "AMD EPYC"), None),
        ("cuda", (9, 0), torch.bfloat16),
        ("cuda", (8, 0), torch.bfloat16),
        ("cuda", (7, 5), torch.float16),  # a T4 computes bf16, too, but slowly
        ("mps", None, torch.float16),
    ],
)
def test_auto_takes_what_the_hardware_multiplies_fast(device, hardware, expected, monkeypatch):
    if device == "cpu":
        amx, avx512, model = hardware
        monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx)
        monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: avx512)
        monkeypatch.setattr("dmtlib.training.precision._cpu_model", lambda: model)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: hardware)
    assert autocast_dtype(torch.device(device), "auto") == expected
    assert autocast_dtype(torch.device(device), "fp32") is None


@pytest.fixture
def two_gpus(monkeypatch):
    """A machine that says it has them. What is set for CUDA is set back."""
    chosen = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "set_device", chosen.append)
    with torch.backends.cudnn.flags(enabled=True):
        yield chosen


def test_a_gpu_that_is_not_there_is_told(two_gpus):
    with pytest.raises(ValueError, match=r"^device 'cuda:2' is not available here; the last one is cuda:1$"):
        choose_device("cuda:2")
    assert not two_gpus


def test_a_chosen_gpu_is_the_one_of_every_thread(two_gpus):
    assert choose_device("cuda:1") == torch.device("cuda", 1) and two_gpus == [torch.device("cuda", 1)]
    assert choose_device("auto") == torch.device("cuda") and len(two_gpus) == 1


def test_on_cuda_float32_is_float32_and_sums_are_repeated(two_gpus):
    assert torch.backends.cudnn.allow_tf32 and not torch.backends.cudnn.deterministic
    choose_device("cpu")
    assert torch.backends.cudnn.allow_tf32 and not torch.backends.cudnn.deterministic
    choose_device("cuda")
    assert not torch.backends.cudnn.allow_tf32 and torch.backends.cudnn.deterministic


# --- Where a number comes from ------------------------------------------------------------------------------------


@pytest.mark.parametrize("refusal", [subprocess.CalledProcessError(128, "git"), subprocess.TimeoutExpired("git", 10)])
def test_a_git_that_refuses_leaves_the_commit_out_unless_a_copy_is_told(refusal, monkeypatch):
    def refuse(*_, **__):
        raise refusal

    monkeypatch.delenv("DMT_COMMIT", raising=False)
    monkeypatch.setattr(subprocess, "run", refuse)
    assert commit() is None
    monkeypatch.setenv("DMT_COMMIT", "0123abc")
    assert commit() == "0123abc+copy"
    assert cuda_versions()["driver"] is None


def test_another_user_s_checkout_is_no_reason_to_refuse(monkeypatch):
    """git itself is told to take it for one: GIT_TEST_ASSUME_DIFFERENT_OWNER is what git's own tests set."""
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    if (SOURCE / ".git").exists():
        assert len(commit().split("+")[0]) == 40


def test_another_repository_s_hook_lends_no_commit(monkeypatch, tmp_path):
    mine = commit()
    subprocess.run(["git", "init", "-q", tmp_path / "other"], check=True)
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "other/.git"))
    assert commit() == mine


def test_versions_of_a_gpu_are_recorded(monkeypatch):
    said = subprocess.CompletedProcess((), 0, stdout="580.159.04\n580.159.04\n")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: said)
    assert set(cuda_versions()) == {"cuda", "cudnn", "driver"} and cuda_versions()["driver"] == "580.159.04"
