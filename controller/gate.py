"""The gate: the last word before the hand. It knows no policy and is off by default.

Order: finite, shape, engaged, intention valid and fresh, range, slew. A violation is
limited, held or relaxed, and counted by its reason. The relaxed hand is always legal.
After a relax nothing moves again by itself: ``engage`` must have been low.
"""

from enum import IntEnum, IntFlag
from typing import Final

import numpy as np

from controller.messages import Excitation, Intention, MuscleCommand
from controller.names import MUSCLES
from controller.session import GateSettings
from controller.skills.skill import Channel

ENGAGED: Final = 0.5
RANGE_TOLERANCE: Final = 0.01  # share of a channel's span: float32 rounding, not a wrong unit
EXCITATION_TOLERANCE: Final = 1e-6


class State(IntEnum):
    """Where the gate is; only ACTIVE and HOLDING let a wish through."""

    RELAXED = 0
    """At rest; the dead-man has not been seen low since."""
    READY = 1
    """At rest, the dead-man is low; raising it starts."""
    ACTIVE = 2
    HOLDING = 3
    """The intention is late: the goal stands still."""
    RELAXING = 4
    """On the way to rest; nothing but rest follows."""

    @property
    def working(self) -> bool:
        """Whether wishes pass."""
        return self in (State.ACTIVE, State.HOLDING)


class Reason(IntFlag):
    """Why a command is not the wish."""

    COMMAND_NOT_FINITE = 1
    COMMAND_SHAPE = 2
    DISENGAGED = 4
    INTENTION_FAULT = 8
    INTENTION_INVALID = 16
    INTENTION_STALE_HOLD = 32
    INTENTION_STALE_RELAX = 64
    RANGE = 128
    SLEW = 256
    FEEDBACK_NOT_FINITE = 512


def names(reasons: int) -> list[str]:
    """The reasons of a bit set, in lower case."""
    return [reason.name.lower() for reason in Reason if reason & reasons and reason.name]


class Gate:
    """Admits an intention, then allows, limits or withholds the wished excitation."""

    def __init__(
        self, settings: GateSettings, channels: tuple[Channel, ...], period_s: float
    ) -> None:
        self.state = State.RELAXED
        self.counts = dict.fromkeys(Reason, 0)
        self.stale_ticks = 0
        self._hold_after_s = settings.hold_after_ms / 1e3
        self._relax_after_s = settings.relax_after_ms / 1e3
        self._slew = settings.slew_per_s * period_s
        self._relax_step = min(1.0, period_s / (settings.relax_within_ms / 1e3))
        span = np.array([c.high - c.low for c in channels])
        self._low = np.array([c.low for c in channels]) - RANGE_TOLERANCE * span
        self._high = np.array([c.high for c in channels]) + RANGE_TOLERANCE * span
        self._sent = np.zeros(len(MUSCLES), np.float32)
        self._reasons = self._cause = Reason(0)

    @property
    def resting(self) -> bool:
        """Whether the command is rest, fully ramped down."""
        return not self.state.working and not self._sent.any()

    def admit(self, intention: Intention, feedback_finite: bool = True) -> State:
        """Judge this tick's intention and feedback, and move between the states."""
        revoked = self._revocations(intention)
        if not feedback_finite:
            revoked |= Reason.FEEDBACK_NOT_FINITE
        late = not intention.age_s <= self._hold_after_s  # NaN counts as late
        self.stale_ticks += late
        self._reasons = Reason(0)
        if self.state.working:
            self._judge_working(revoked, late)
        elif self.state is State.RELAXING:
            if self.resting:
                self.state = State.RELAXED
            else:
                self._reasons |= revoked | self._cause
        if self.state in (State.RELAXED, State.READY):
            self._judge_resting(revoked, late)
        return self.state

    def _judge_working(self, revoked: Reason, late: bool) -> None:
        self._reasons |= revoked
        if revoked:
            self._relax()
        elif late:
            self.state = State.HOLDING
            self._reasons |= Reason.INTENTION_STALE_HOLD
        else:
            self.state = State.ACTIVE

    def _relax(self) -> None:
        """Begin the ramp; what caused it is the reason of each of its ticks."""
        self.state, self._cause = State.RELAXING, self._reasons

    def _judge_resting(self, revoked: Reason, late: bool) -> None:
        refused = revoked & ~Reason.DISENGAGED
        if late or refused:
            self.state = State.RELAXED
            if not late:  # silence withholds nothing that was asked for
                self._reasons |= refused
        elif Reason.DISENGAGED in revoked:
            self.state = State.READY
        elif self.state is State.READY:
            self.state = State.ACTIVE

    def _revocations(self, intention: Intention) -> Reason:
        """Everything about an intention that demands a relaxed hand."""
        reasons = Reason(0)
        if not intention.engage >= ENGAGED:  # NaN is not engaged
            reasons |= Reason.DISENGAGED
        if intention.fault:
            reasons |= Reason.INTENTION_FAULT
        if not self._valid(intention):
            reasons |= Reason.INTENTION_INVALID
        if not intention.age_s <= self._relax_after_s:
            reasons |= Reason.INTENTION_STALE_RELAX
        return reasons

    def _valid(self, intention: Intention) -> bool:
        values = intention.values
        inside = values.shape == self._low.shape and bool(
            ((values >= self._low) & (values <= self._high)).all()
        )
        ahead = intention.age_s < -self._hold_after_s  # a stamp ahead of time would never age
        return inside and not ahead and -RANGE_TOLERANCE <= intention.engage <= 1 + RANGE_TOLERANCE

    def allow(self, wished: Excitation) -> MuscleCommand:
        """The command that may be sent for this wish; valid until the next call.

        Args:
            wished: (39,) excitations; looked at only while working.
        """
        if self.state.working:
            self._judge_wish(wished)
        if not self.state.working:
            np.maximum(self._sent - self._relax_step, 0.0, out=self._sent)
        self._count()
        return MuscleCommand(
            excitation=self._sent,
            reasons=int(self._reasons),
            relaxed=self.resting,
        )

    def _judge_wish(self, wished: Excitation) -> None:
        if np.shape(wished) != self._sent.shape:
            self._reasons |= Reason.COMMAND_SHAPE
        elif not np.isfinite(wished).all():
            self._reasons |= Reason.COMMAND_NOT_FINITE
        else:
            self._limit(wished)
            return
        self._relax()

    def _limit(self, wished: Excitation) -> None:
        inside = np.clip(wished, 0.0, 1.0)
        if np.abs(inside - wished).max() > EXCITATION_TOLERANCE:
            self._reasons |= Reason.RANGE
        slewed = np.clip(inside, self._sent - self._slew, self._sent + self._slew)
        if np.abs(slewed - inside).max() > EXCITATION_TOLERANCE:
            self._reasons |= Reason.SLEW
        np.clip(slewed, 0.0, 1.0, out=self._sent)

    def _count(self) -> None:
        if self._reasons:
            for reason in Reason:
                self.counts[reason] += bool(reason & self._reasons)

    def report(self) -> dict[str, int]:
        """Ticks on which each reason changed or withheld a command."""
        return {r.name.lower(): n for r, n in self.counts.items() if n and r.name}
