"""An absolute grid on the monotonic clock: late ticks are skipped and counted, never made up.

``next = now + period`` drifts and ``next += period`` bursts after a stall; a recurrent
policy must see neither.
"""

import time
from typing import Final

NS: Final = 1_000_000_000


class Grid:
    """Ticks at ``start + k * period``.

    Args:
        rate_hz: ticks a second.
        awake_ns: how long before each tick ``wait`` ends its sleep, to look at the clock from then
            on: waking up takes longer, and not always as long.
    """

    def __init__(self, rate_hz: float, awake_ns: int = 0) -> None:
        self.period_ns = round(NS / rate_hz)
        self._awake_ns = awake_ns
        self.missed = 0
        self._due_ns = 0

    def start(self) -> None:
        """Lay the grid: the first tick is due one period from now."""
        self._due_ns = time.monotonic_ns()

    def remaining_s(self) -> float:
        """Until the next point that has not passed, for whoever waits for other things too."""
        now_ns = time.monotonic_ns()
        self._due_ns += max(0, -(-(now_ns - self._due_ns) // self.period_ns)) * self.period_ns
        return (self._due_ns - now_ns) / NS

    def wait(self) -> tuple[int, int]:
        """Wait for the next tick; return when it begins and its lateness [ns].

        Grid points that have already passed by a whole period are skipped and counted.
        """
        self._due_ns += self.period_ns
        behind = time.monotonic_ns() - self._due_ns
        if behind >= self.period_ns:
            skipped = behind // self.period_ns
            self.missed += skipped
            self._due_ns += skipped * self.period_ns
        remaining = self._due_ns - self._awake_ns - time.monotonic_ns()
        if remaining > 0:
            time.sleep(remaining / NS)
        now = time.monotonic_ns()
        while self._awake_ns and now < self._due_ns:
            now = time.monotonic_ns()
        return now, max(0, now - self._due_ns)
