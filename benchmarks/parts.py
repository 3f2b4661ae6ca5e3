"""Where the time of a run goes: how long its parts take, and how large a share of the whole each of them is."""

from __future__ import annotations

import time
from collections import defaultdict
from functools import wraps
from typing import Any


class Parts:
    """Seconds by part. What runs inside a part belongs to that part: predictions made in order to label are labeling.

    On an accelerator these are the host's seconds, which say little: it does not wait for the device.
    """

    def __init__(self) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self._inside = False

    def time(self, owner: Any, name: str, part: str) -> None:
        """From now on, count ``owner.name(…)`` to ``part``; ``owner`` is a module or a class."""
        function = getattr(owner, name)

        @wraps(function)
        def timed(*args: Any, **kwargs: Any) -> Any:
            if self._inside:
                return function(*args, **kwargs)
            self._inside, start = True, time.perf_counter()
            try:
                return function(*args, **kwargs)
            finally:
                self.seconds[part] += time.perf_counter() - start
                self._inside = False

        setattr(owner, name, timed)

    def shares(self, total: float) -> dict[str, float]:
        """Of ``total`` seconds, the largest first; `rest` is what no part covers."""
        seconds = {**self.seconds, "rest": total - sum(self.seconds.values())}
        return {part: round(seconds[part] / total, 4) for part in sorted(seconds, key=seconds.get, reverse=True)}
