"""Which device, and in which floating-point format its matrix products run."""

import contextlib
import os
import platform

import torch

from . import processes

DEVICES = ("auto", "cuda", "mps", "cpu")
PRECISIONS = ("auto", "fp32")
"""`auto`: what :func:`autocast_dtype` finds on the device. `fp32`: float32 throughout."""


def choose_device(name: str) -> torch.device:
    """`auto` takes cuda, then mps, then cpu; a ValueError for what is no device's name, or one that this machine
    lacks. From here on CUDA computes what is said: float32 is no TF32, of 10 bits, and cuDNN repeats its sums, so that
    a run that goes on should end with the same bits as one that was never stopped. Of several processes each has a GPU
    of its own, or all are on the CPU."""
    present = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    kind = name.split(":")[0]
    if kind == "auto":
        kind = name = next(device for device, there in present.items() if there)
    if kind not in present:
        raise ValueError(f"device must be one of {', '.join(DEVICES)}, got {name!r}")
    if not present[kind]:
        there = ", ".join(device for device in present if present[device])
        raise ValueError(f"device {name!r} is not available here; there is {there}")
    if processes.count() > 1 and name != "cpu":
        if name != "cuda":
            raise ValueError(f"device of several processes must be auto, cuda or cpu, got {name!r}")
        name = f"cuda:{processes.rank()}"
    try:
        device = torch.device(name)
    except RuntimeError:
        raise ValueError(f"device must be one of {', '.join(DEVICES)} or cuda:N, got {name!r}") from None
    if kind == "cuda":
        if (device.index or 0) >= (count := torch.cuda.device_count()):
            raise ValueError(f"device {name!r} is not available here; the last one is cuda:{count - 1}")
        if device.index is not None:
            torch.cuda.set_device(device)  # also for the thread that pins memory
        torch.backends.cudnn.allow_tf32 = False
        torch.backends.cudnn.deterministic = True
    return device


def describe_device(device: torch.device) -> str:
    """For records: "cuda (NVIDIA H200)", "cpu (x86_64, 2 threads)"."""
    if device.type == "cuda":
        return f"cuda ({torch.cuda.get_device_name(device)})"
    if device.type == "cpu":
        return f"cpu ({_cpu_model()}, {torch.get_num_threads()} threads)"
    return f"{device.type} ({platform.machine()})"


def autocast_dtype(device: torch.device, precision: str) -> torch.dtype | None:
    """bf16 where the hardware has it, else fp16 (a T4; needs a gradient scaler), else None: float32 throughout. A CPU
    has bf16 in AMX, or in AMD's AVX-512. In Intel's it takes 1.5 times as long as float32, and others emulate it."""
    if precision == "fp32":
        return None
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.get_device_capability(device) >= (8, 0) else torch.float16
    if device.type == "mps":
        return torch.float16
    fast = torch.cpu._is_amx_tile_supported() or (torch.cpu._is_avx512_bf16_supported() and "AMD" in _cpu_model())
    return torch.bfloat16 if fast else None


def describe_precision(device: torch.device, precision: str) -> str:
    """For records: "float32", "bfloat16" or "float16"."""
    return str(autocast_dtype(device, precision) or torch.float32).removeprefix("torch.")


def autocast(device: torch.device, dtype: torch.dtype | None) -> contextlib.AbstractContextManager:
    """The context a forward pass runs in."""
    return contextlib.nullcontext() if dtype is None else torch.autocast(device.type, dtype)


def _cpu_model() -> str:
    with contextlib.suppress(OSError), open("/proc/cpuinfo") as lines:
        for line in lines:
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine() or os.uname().machine
