"""What is said to people at a terminal: errors in a line, and words of others that no terminal obeys."""

from __future__ import annotations

import signal
import sys
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager

LONGEST = 2000  # characters of a line


def told(error: BaseException) -> str:
    """One line; of the system's errors, which file and why."""
    if isinstance(error, KeyboardInterrupt):
        return "stopped; nothing was written"
    if isinstance(error, MemoryError):
        return "there is not enough memory"
    system = isinstance(error, OSError) and error.strerror
    return f"{error.filename}: {error.strerror}" if system and error.filename else system or str(error)


def counted(number: int, what: str) -> str:
    """1 image, 1,234 images."""
    return f"{number:,} {what}{'s' * (number != 1)}"


def printable(text: str) -> str:
    """For a terminal, which would obey what others wrote: all but letters, signs and spaces as Python's escapes."""
    return "".join(c if c.isprintable() or unicodedata.category(c) == "Zs" else ascii(c)[1:-1] for c in text)


def tell(line: str) -> None:
    """A line on standard error, with nothing in it that a terminal obeys; of one without an end its ends."""
    line = printable(line)
    print(line if len(line) <= LONGEST else f"{line[:1000]} … {line[-1000:]}", file=sys.stderr, flush=True)


ENDS = (ValueError, OSError, MemoryError, KeyboardInterrupt)
"""What ends a script of `data_prep/` in one line."""


def refused(script: str, error: BaseException) -> int:
    """Say in a line why a script ends; its exit code."""
    tell(f"{script}: {told(error)}")
    return 130 if isinstance(error, KeyboardInterrupt) else 2


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
