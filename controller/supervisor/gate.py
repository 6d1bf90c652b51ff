"""The gate: brings a wished excitation inside every limit, or withholds it.

Each limit only ever takes away: ceilings, then the slew of a tick, then the rise within the
sliding window, then the total. The most restrictive wins, and rest is always legal.
"""

import math
from typing import Final

import numpy as np

from controller.messages import Excitation
from controller.names import MUSCLES
from controller.supervisor.limits import Limits
from controller.supervisor.states import Reason

TOLERANCE: Final = 1e-6  # float32 rounding, no intervention


class Gate:
    """Limits excitations against what was sent before.

    It runs once a tick, on cold caches: what is asked of 39 numbers is asked in plain Python,
    which costs less there than a numpy reduction.

    Attributes:
        sent: (39,) float32, the newest command.
        resting: whether the command is rest, fully ramped down.
    """

    def __init__(self, limits: Limits, period_s: float) -> None:
        self.sent: Excitation = np.zeros(len(MUSCLES), np.float32)
        self.resting = True
        self._next_sent = self.sent.copy()
        self._ceiling = limits.ceilings()
        self._total = limits.excitation_total_max
        self._slew = np.float32(limits.slew_per_s * period_s)
        self._rise = np.float32(limits.window_rise_max)
        self._relax_step = np.float32(period_s / max(period_s, limits.relax_within_ms / 1e3))
        ticks = max(1, math.ceil(limits.window_ms / 1e3 / period_s - 1e-9))
        self._window = np.tile(self.sent, (ticks, 1))  # (ticks, 39), the newest commands
        self._next = 0

    def weigh(self, wished: Excitation) -> Reason:
        """How far every limit lets ``sent`` move towards the wish; ``take`` moves it.

        Args:
            wished: (39,), 0-1.

        Returns:
            Which limits had to act, or why the wish is no command at all.
        """
        if np.shape(wished) != self.sent.shape:
            return Reason.COMMAND_SHAPE
        if not all(map(math.isfinite, wished.tolist())):
            return Reason.COMMAND_NOT_FINITE
        inside = np.minimum(np.maximum(wished, 0.0), 1.0)
        reasons = Reason.RANGE if _apart(inside, wished) else Reason(0)
        return reasons | self._step(inside)

    def _step(self, inside: Excitation) -> Reason:
        under = np.minimum(inside, self._ceiling)
        reasons = Reason.CEILING if _apart(under, inside) else Reason(0)
        slewed = np.minimum(np.maximum(under, self.sent - self._slew), self.sent + self._slew)
        if _apart(slewed, under):
            reasons |= Reason.SLEW
        risen = np.minimum(slewed, self._window.min(axis=0) + self._rise)
        if _apart(risen, slewed):
            reasons |= Reason.WINDOW
        return reasons | self._share_total(risen)

    def _share_total(self, risen: Excitation) -> Reason:
        """Scale what rises so that the sum fits; what falls, falls as it was allowed to."""
        floor = np.minimum(risen, self.sent)
        rises = risen - floor
        room, wanted = self._total - sum(floor.tolist()), sum(rises.tolist())
        fits = wanted <= room
        np.add(floor, rises if fits else rises * (max(0.0, room) / wanted), out=self._next_sent)
        return Reason(0) if fits else Reason.TOTAL

    def take(self) -> None:
        """Send what was weighed."""
        self.sent[:] = self._next_sent
        self._remember()

    def relax(self) -> None:
        """One tick of the ramp to rest."""
        np.subtract(self.sent, self._relax_step, out=self.sent)
        self.sent[self.sent < TOLERANCE] = 0.0  # what float32 leaves over is rest as well
        self._remember()

    def cut(self) -> None:
        """Rest at once."""
        self.sent.fill(0.0)
        self._remember()

    def _remember(self) -> None:
        self.resting = not any(self.sent.tolist())
        self._window[self._next] = self.sent
        self._next = (self._next + 1) % len(self._window)


def _apart(one: Excitation, other: Excitation) -> bool:
    """Whether they differ by more than rounding; as a rule they are the same to the bit."""
    return one.tobytes() != other.tobytes() and bool(np.abs(one - other).max() > TOLERANCE)
