"""One run by several processes, as torchrun starts them: each learns its part of every batch, the first one writes.

Every process draws a batch's random numbers as one process would, and takes its part where the network comes. Weights,
their average, momentum and sums are the same in all of them, so a checkpoint knows nothing of processes, and any
number of them goes on from it. What fails in one process alone ends that one after a line; the others notice when they
next wait for it, and end silently. Where there is one process, its part is the whole, and nothing is exchanged.
"""

import os
import re
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn
from torch.distributed.nn.functional import all_gather, all_reduce  # whose gradients are exchanged, too
from torch.nn.modules._functions import SyncBatchNorm
from torch.nn.modules.dropout import _DropoutNd
from torch.nn.parallel import DistributedDataParallel
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_map_only

from ..words import tell
from .storage import RunError

T = TypeVar("T")
PATIENCE = timedelta(days=1)  # with a process that lives: the first one may be packing images
GONE = re.compile(r"gloo|nccl|connection (closed|reset)|broken pipe", re.IGNORECASE)  # in errors about other processes


def count() -> int:
    """How many processes there are of this run."""
    return dist.get_world_size() if dist.is_initialized() else 1


def rank() -> int:
    """Which of them this one is: 0 is the first."""
    return dist.get_rank() if dist.is_initialized() else 0


def launched() -> bool:
    """Whether torchrun started this process, and others with it."""
    return "TORCHELASTIC_RUN_ID" in os.environ and int(os.environ["WORLD_SIZE"]) > 1


@contextmanager
def joined() -> Iterator[None]:
    """While the block lasts, a process of torchrun's is one of its group: over NCCL on CUDA, over gloo on a CPU. All
    but the first are silent. A ValueError for processes on several machines; a RunError, if another process ended."""
    if not launched():
        yield
        return
    if os.environ["WORLD_SIZE"] != os.environ["LOCAL_WORLD_SIZE"]:
        raise ValueError("the processes of a run must be on one machine: torchrun --nproc-per-node N")
    sys.excepthook = lambda *error: (sys.__excepthook__(*error), os._exit(1))  # see leave
    try:
        dist.init_process_group("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo", timeout=PATIENCE)
        out, err = (open(os.devnull, "w"),) * 2 if rank() else (sys.stdout, sys.stderr)  # noqa: SIM115
        with redirect_stdout(out), redirect_stderr(err):
            yield
    except RuntimeError as error:
        if not (isinstance(error, dist.DistError) or GONE.search(str(error))):
            raise
        why = str(error).splitlines()[0][:200]
        raise RunError(f"another process of this run has ended; the same command goes on from here ({why})") from None
    dist.destroy_process_group()  # after an error, it might wait for the others


def leave(line: str, code: int) -> int:
    """Say how this process ends, and return its exit code. One of several that torchrun started leaves here, at once:
    what it has begun to exchange would keep it. Of them only the first that ends says a line."""
    if not launched():
        tell(line)
        return code
    for name in (signal.SIGINT, signal.SIGTERM):  # torchrun sends several
        signal.signal(name, signal.SIG_IGN)
    try:
        place = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
        store = dist.TCPStore(*place, is_master=False, timeout=timedelta(seconds=5))
        first = store.add(f"dmtlib-ends-{os.environ['TORCHELASTIC_RESTART_COUNT']}", 1) == 1
    except RuntimeError:  # it went with the process that kept it
        first = os.environ["RANK"] == "0"
    if first:
        tell(line)
    os._exit(code)


def by_first(call: Callable[[], T]) -> T:
    """What the first process gets of ``call``, in all of them; an error that it raises there is raised in all."""
    said: list[Any] = [None]
    if rank() == 0:
        try:
            said = [call()]
        except Exception as error:
            said = [error]
    if count() > 1:
        dist.broadcast_object_list(said)
    if isinstance(said[0], Exception):
        raise said[0]
    return said[0]


def after_first(call: Callable[[], T]) -> T:
    """What each process gets of ``call``: the first before the others, which find what it has brought or stored."""
    made: list[T] = []
    by_first(lambda: made.append(call()))
    return made[0] if made else call()


def shared(items: Sequence[T]) -> Sequence[T]:
    """Those of some items that this process sees to: every so-manyth."""
    return items[rank() :: count()]


def gathered(mine: list[T]) -> list[T]:
    """What the processes made of what :func:`shared` gave each, in the order of the items; of several on the CPU."""
    if count() == 1:
        return mine
    made: list[list[T]] = [[] for _ in range(count())]
    dist.all_gather_object(made, tree_map_only(Tensor, Tensor.cpu, mine))
    return [made[i % count()][i // count()] for i in range(sum(map(len, made)))]


def part(batch: Tensor) -> Tensor:
    """This process's part of a batch; numbers without dimensions are everybody's."""
    return batch.chunk(count())[rank()] if batch.dim() else batch


def whole(mine: Tensor) -> Tensor:
    """The batch of which each process has a :func:`part`."""
    return torch.cat(all_gather(mine)) if count() > 1 else mine


def mean_of_parts(value: Tensor) -> Tensor:
    """The mean over all processes."""
    return all_reduce(value) / count() if count() > 1 else value


def drops(model: nn.Module) -> bool:
    """Whether it has dropout, of units or of paths, in training."""
    layers = ((m.p if isinstance(m, _DropoutNd) else 0, m) for m in model.modules())
    return any(p or getattr(m, "drop_prob", 0) or getattr(m, "drop_rate", 0) for p, m in layers)  # timm's names


def parallel(model: nn.Module) -> nn.Module | None:
    """The model in a wrapper that averages its gradients over all processes, None where there is one. A ValueError for
    dropout, which draws for a part what it would not for the whole."""
    if count() == 1:
        return None
    if drops(model):
        raise ValueError("several processes can't train a network with dropout: start it without torchrun")
    return DistributedDataParallel(model, broadcast_buffers=False, static_graph=True)


class WholeBatchNorm(TorchFunctionMode):
    """A context in which batch norm, of whatever module, has the statistics of the whole batch."""

    def __torch_function__(self, function, types, args=(), kwargs=None):
        return (_batch_norm if function is F.batch_norm else function)(*args, **(kwargs or {}))


def _batch_norm(x, running_mean, running_var, weight=None, bias=None, training=False, momentum=0.1, eps=1e-5):
    """As F.batch_norm, over all processes: on CUDA by the kernels of nn.SyncBatchNorm, which has none for a CPU."""
    if not training:
        return F.batch_norm(x, running_mean, running_var, weight, bias, eps=eps)
    if x.device.type == "cuda":
        more = running_mean, running_var, eps, momentum, dist.group.WORLD, count()
        return SyncBatchNorm.apply(x, weight, bias, *more)
    values, places = x.movedim(1, -1).double(), tuple(range(x.dim() - 1))  # PyTorch's own sums in float64, too
    n = count() * values[..., 0].numel()
    mean, square = all_reduce(torch.stack([values.sum(places), values.square().sum(places)])) / n
    variance = (square - mean.square()).clamp(min=0)
    if running_mean is not None:
        running_mean.lerp_(mean.detach().to(running_mean.dtype), momentum)
        running_var.lerp_((variance.detach() * n / (n - 1)).to(running_var.dtype), momentum)
    result = (values - mean) * (variance + eps).rsqrt()
    return (result if weight is None else result * weight + bias).movedim(-1, 1).to(x.dtype)
