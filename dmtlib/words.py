"""What is said to people at a terminal: errors in a line, and words of others that no terminal obeys."""

import sys
import unicodedata

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
