"""How a command ends that something stops: by Ctrl-C or what is taken for it, in a line."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager

from .words import tell, told

INTERRUPTED = 130
"""The exit code of a command that was interrupted, which shells know."""

ENDS = (ValueError, OSError, MemoryError, KeyboardInterrupt)
"""What ends a script of `data_prep/` in one line."""


def refused(script: str, error: BaseException) -> int:
    """Say in a line why a script ends; its exit code."""
    tell(f"{script}: {told(error)}")
    return INTERRUPTED if isinstance(error, KeyboardInterrupt) else 2


@contextmanager
def stoppable() -> Iterator[None]:
    """Take for Ctrl-C what else stops a command: SIGTERM, of batch systems, and SIGHUP, of a terminal that was closed.
    What was ignored stays so, as under nohup."""
    ends = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    ends = [end for end in ends if signal.getsignal(end) == signal.SIG_DFL]
    for end in ends:
        signal.signal(end, signal.default_int_handler)
    try:
        yield
    finally:
        for end in ends:
            signal.signal(end, signal.SIG_DFL)
