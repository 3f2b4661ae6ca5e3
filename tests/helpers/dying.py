"""What runs that kill themselves, as hard as the system can, have in common."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable


def die(*_: object, **__: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def patch(owner: object, name: str, wrap: Callable) -> None:
    """``owner.name`` becomes ``wrap(owner.name)``."""
    setattr(owner, name, wrap(getattr(owner, name)))
