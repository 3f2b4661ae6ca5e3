"""What a run shows while it trains: one bar over all its phases, in a terminal and in a notebook."""

from __future__ import annotations

import sys
from typing import Any

from tqdm.auto import tqdm


class Progress:
    """Phase, step, images/s, time left, and the last window's loss, mean weight and shares of the three cases."""

    def __init__(self, title: str, phases: int, total_images: int, done_images: int, enabled: bool) -> None:
        self._title, self._phases = title, phases
        self._bar = tqdm(
            total=total_images,
            initial=done_images,
            unit="img",
            unit_scale=True,
            dynamic_ncols=True,
            disable=not enabled,
            mininterval=0.2 if sys.stderr.isatty() or "ipykernel" in sys.modules else 30,
        )

    def start_phase(self, phase: int, total_steps: int) -> None:
        self._phase, self._total_steps = phase, total_steps
        self._bar.set_description(f"{self._title} phase {phase}/{self._phases - 1}", refresh=False)

    def advance(self, images: int) -> None:
        self._bar.update(images)

    def show(self, step: int, window: dict[str, Any]) -> None:
        self._bar.set_postfix_str(describe_window(f"{step}/{self._total_steps}", window), refresh=False)

    def close(self) -> None:
        self._bar.close()


def describe_window(step: int | str, window: dict[str, Any]) -> str:
    """A line of the metrics log, for people."""
    parts = [f"step {step}"]
    if window["loss"] is not None:  # JSON has no NaN
        parts.append(f"loss {window['loss']:.3f}")
    if window.get("mean_weight") is not None:
        parts.append(f"weight {window['mean_weight']:.2f}")
    if window.get("case_shares"):
        parts.append("cases " + "/".join(f"{100 * share:.0f}" for share in window["case_shares"]) + "%")
    return ", ".join(parts)
