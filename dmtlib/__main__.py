"""The command ``dmtlib``, and ``python -m dmtlib``."""

import os
import sys

from .endings import INTERRUPTED


def start() -> int:
    """:func:`dmtlib.cli.main`. What ends a command while torch is imported, for seconds, is told in a line as well."""
    try:
        os.getcwd()
    except OSError:  # torch's MKL would end the process, with a line about a file of its own
        print("error: the working directory is gone: change to another one", file=sys.stderr)
        return 2
    try:
        from .cli import main
    except KeyboardInterrupt:
        print("stopped; nothing was begun", file=sys.stderr)
        return INTERRUPTED
    except (MemoryError, ImportError, OSError) as error:  # a library that finds no room in memory, say
        print(f"error: dmtlib can't be loaded: {' '.join(str(error).split()) or 'no memory'}", file=sys.stderr)
        return 2
    return main()


if __name__ == "__main__":
    sys.exit(start())
