"""What a run is judged by: timing with maxima, the gate's reasons, the task."""

import math
from pathlib import Path
from typing import Any

import msgspec

from controller.histogram import Histogram
from controller.loop import Tick


class Ledger:
    """Counts every tick in preallocated memory."""

    def __init__(self) -> None:
        self.ticks = 0
        self._lateness_us = Histogram()
        self._tick_us = Histogram()
        self._age_ms = Histogram()
        self._error_mm = Histogram()
        self._judged = 0
        self._solved = 0
        self._drops = 0
        self._lying = False  # an object that fell stays fallen until the task is put back

    def add(self, tick: Tick, lateness_ns: int, took_ns: int) -> None:
        """Enter one tick."""
        self.ticks += 1
        self._lateness_us.add(lateness_ns / 1e3)
        self._tick_us.add(took_ns / 1e3)
        if tick.state.working:
            self._age_ms.add(tick.intention.age_s * 1e3 + took_ns / 1e6)
        outcome = tick.outcome
        if outcome.judged:
            self._judged += 1
            self._solved += outcome.solved
            self._drops += outcome.dropped and not self._lying
            for error in outcome.errors_m:
                self._error_mm.add(float(error) * 1e3)
        self._lying = outcome.dropped

    def timing(self, missed: int) -> dict[str, Any]:
        """Ticks, deadlines and the distributions of lateness, tick time and age."""
        return {
            "ticks": self.ticks,
            "missed_deadlines": missed,
            "wake_lateness_us": self._lateness_us.summary(),
            "tick_us": self._tick_us.summary(),
            "intention_age_ms": self._age_ms.summary(),
        }

    def task(self) -> dict[str, Any]:
        """How well the policy did while it was allowed to work."""
        p50, p95 = (self._error_mm.percentile(q) for q in (50.0, 95.0))
        return {
            "judged_ticks": self._judged,
            "solved_fraction": round(self._solved / self._judged, 4) if self._judged else None,
            "drops": self._drops,
            "error_mm": {
                "p50": None if math.isnan(p50) else round(p50, 2),
                "p95": None if math.isnan(p95) else round(p95, 2),
            },
        }


def write_json(report: dict[str, Any], path: Path | None) -> None:
    """Write the report to a file, or print it."""
    text = msgspec.json.format(msgspec.json.encode(report), indent=2).decode()
    if path is None:
        print(text)
    else:
        path.write_text(text + "\n", encoding="utf-8")
