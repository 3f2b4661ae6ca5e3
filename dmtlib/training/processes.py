"""One run by several processes, as torchrun starts them: each learns its part of every batch, the first one writes.

Every process draws a batch's random numbers as one process would, and takes its part where the network comes. Weights,
their average, momentum and sums are the same in all of them, so a checkpoint knows nothing of processes, and any
number of them goes on from it. What fails in one process alone ends that one after a line; the others notice when they
next wait for it, and end silently. Where there is one process, its part is the whole, and nothing is exchanged.
"""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext, redirect_stderr, redirect_stdout
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode

from .storage import RunError

T = TypeVar("T")
PATIENCE = timedelta(hours=1)  # to wait for a process that lives: the first one may be hashing pseudo labels
GONE = re.compile(r"gloo|nccl|connection (closed|reset)|broken pipe", re.IGNORECASE)  # in errors about other processes


def count() -> int:
    """How many processes there are of this run."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def rank() -> int:
    """Which of them this one is: 0 is the first."""
    return dist.get_rank() if count() > 1 else 0


def launched() -> bool:
    """Whether torchrun started this process, and others with it."""
    return "TORCHELASTIC_RUN_ID" in os.environ and int(os.environ["WORLD_SIZE"]) > 1


def stop_once(*_: Any) -> None:
    """Ctrl-C, for a signal: torchrun sends more than one."""
    _ends()
    raise KeyboardInterrupt


def _ends() -> None:
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, signal.SIG_IGN)


@contextmanager
def joined() -> Iterator[None]:
    """While the block lasts, a process of torchrun's is one of its group: over NCCL on CUDA, over gloo on a CPU. All
    but the first are silent. A ValueError for processes on several machines; a RunError, if another process ended."""
    if not launched():
        yield
        return
    if os.environ["WORLD_SIZE"] != os.environ["LOCAL_WORLD_SIZE"]:
        raise ValueError("the processes of a run must be on one machine: torchrun --nproc-per-node N")
    with ExitStack() as block:
        try:
            dist.init_process_group("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo", timeout=PATIENCE)
            if rank() > 0:
                nowhere = block.enter_context(open(os.devnull, "w"))
                block.enter_context(redirect_stdout(nowhere))
                block.enter_context(redirect_stderr(nowhere))
            yield
        except RuntimeError as error:
            if not (isinstance(error, dist.DistError) or GONE.search(str(error))):
                raise
            raise RunError("another process of this run has ended; the same command goes on from here") from None
        dist.destroy_process_group()  # after an error, it might wait for the others


def speaks() -> bool:
    """Whether it is for this process to say how a run ends: for the first that asks, of all that torchrun started."""
    if not launched():
        return True
    _ends()
    try:
        place = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
        store = dist.TCPStore(*place, is_master=False, timeout=timedelta(seconds=5))
        return store.add(f"dmtlib-ends-{os.environ['TORCHELASTIC_RESTART_COUNT']}", 1) == 1
    except (RuntimeError, KeyError):
        return os.environ["RANK"] == "0"


def by_first(call: Callable[[], T]) -> T:
    """What the first process gets of ``call``, in all of them; an error that it raises there is raised in all."""
    if count() == 1:
        return call()
    said: list[Any] = [None, None]
    if rank() == 0:
        try:
            said[0] = call()
        except Exception as error:
            said[1] = error
    dist.broadcast_object_list(said)
    if said[1] is not None:
        raise said[1]
    return said[0]


def shared(items: Sequence[T]) -> Sequence[T]:
    """Those of some items that this process sees to: every so-manyth."""
    return items[rank() :: count()]


def gathered(mine: list[T]) -> list[T]:
    """What all processes made of what :func:`shared` gave them, in the order of the items. Not for tensors on a GPU:
    each would come back on the GPU that it was on."""
    if count() == 1:
        return mine
    made: list[list[T]] = [[] for _ in range(count())]
    dist.all_gather_object(made, mine)
    return [made[i % count()][i // count()] for i in range(sum(map(len, made)))]


def part(batch: Tensor) -> Tensor:
    """This process's part of a batch; numbers without dimensions are everybody's."""
    return batch.chunk(count())[rank()] if count() > 1 and batch.dim() else batch


def whole(mine: Tensor) -> Tensor:
    """The batch of which each process has a :func:`part`."""
    if count() == 1:
        return mine
    parts = [torch.empty_like(mine) for _ in range(count())]
    dist.all_gather(parts, mine.contiguous())
    return torch.cat(parts)


def averaged(value: Tensor) -> Tensor:
    """The mean over all processes."""
    if count() == 1:
        return value
    total = value.detach().clone()
    dist.all_reduce(total)
    return total / count()


def whole_batch_norm() -> AbstractContextManager:
    """A context in which batch norm, of whatever module, has the statistics of the whole batch."""
    return nullcontext() if count() == 1 else _WholeBatchNorm()


class _WholeBatchNorm(TorchFunctionMode):
    def __torch_function__(self, function, types, args=(), kwargs=None):
        return (_batch_norm if function is F.batch_norm else function)(*args, **(kwargs or {}))


def _batch_norm(x, running_mean, running_var, weight=None, bias=None, training=False, momentum=0.1, eps=1e-5):
    """As F.batch_norm, over all processes: on CUDA by the kernels of nn.SyncBatchNorm, which has none for a CPU."""
    if not training:
        return F.batch_norm(x, running_mean, running_var, weight, bias, training, momentum, eps)
    if x.device.type == "cuda":
        from torch.nn.modules._functions import SyncBatchNorm

        more = eps, momentum, dist.group.WORLD, count()
        return SyncBatchNorm.apply(x, weight, bias, running_mean, running_var, *more)
    from torch.distributed.nn.functional import all_reduce  # its gradient is summed, too

    values = x.double()
    others, per_channel = [d for d in range(x.dim()) if d != 1], [1, -1, *[1] * (x.dim() - 2)]
    n = count() * x.numel() // x.shape[1]
    mean = all_reduce(values.sum(others)) / n
    centred = values - mean.view(per_channel)
    variance = all_reduce(centred.square().sum(others)) / n
    if running_mean is not None:
        running_mean.lerp_(mean.detach().to(running_mean.dtype), momentum)
        running_var.lerp_(variance.detach().to(running_var.dtype) * n / (n - 1), momentum)
    scale = (variance + eps).rsqrt() * (1 if weight is None else weight)
    result = centred * scale.view(per_channel)
    return (result if bias is None else result + bias.view(per_channel)).to(x.dtype)
