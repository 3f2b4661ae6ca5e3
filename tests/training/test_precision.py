import pytest
import torch

from dmtlib.training.precision import autocast_dtype, choose_device

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
        ("cpu", True, torch.bfloat16),
        ("cpu", False, None),
        ("cuda", (9, 0), torch.bfloat16),
        ("cuda", (8, 0), torch.bfloat16),
        ("cuda", (7, 5), torch.float16),  # a T4 computes bf16, too, but slowly
        ("mps", None, torch.float16),
    ],
)
def test_auto_takes_what_the_hardware_multiplies_fast(device, hardware, expected, monkeypatch):
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: hardware)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: hardware)
    assert autocast_dtype(torch.device(device), "auto") == expected
    assert autocast_dtype(torch.device(device), "fp32") is None
