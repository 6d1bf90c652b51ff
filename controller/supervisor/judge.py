"""Judges what comes in at a tick: intention, feedback, machine. It decides nothing."""

import math
from dataclasses import dataclass, field, fields
from typing import Final

from controller.follower import FollowerHealth, FollowerState
from controller.messages import Array, Feedback, Intention
from controller.orders import Orders
from controller.skills.skill import Channel
from controller.supervisor.limits import Limits
from controller.supervisor.states import Missing, Reason

ENGAGED: Final = 0.5
RANGE_TOLERANCE: Final = 0.01  # share of a channel's span: float32 rounding, not a wrong unit
AT_REST_ACTIVATION: Final = 0.05
MS: Final = 1_000_000  # ns
UNMEASURED: Final = ("time_s", "age_s", "fault")
MEASURED: Final = tuple(one.name for one in fields(Feedback) if one.name not in UNMEASURED)


@dataclass(frozen=True, slots=True)
class Machine:
    """What the daemon knows of itself at a tick; the default is a machine without troubles.

    Attributes:
        now_ns: CLOCK_MONOTONIC when the tick began.
        missed: deadlines skipped just before this tick.
        followers: of each required follower, its name and how it is.
        attendant_wanted: whether the session asks for a dead-man client.
        stopping: whether the loop is about to end.
    """

    now_ns: int = 0
    missed: int = 0
    orders: Orders = Orders()
    followers: dict[str, FollowerHealth] = field(default_factory=dict)
    attendant_wanted: bool = False
    stopping: bool = False


class Judge:
    """Names every violation of a tick.

    Attributes:
        trouble: what is wrong with the machine round the loop, in words.
    """

    trouble = ""
    _missed_in_row = 0

    def __init__(self, limits: Limits, channels: tuple[Channel, ...]) -> None:
        self._limits = limits
        self._hold_s = limits.intention_hold_ms / 1e3
        self._stale_s = limits.intention_stale_ms / 1e3
        self._feedback_s = limits.feedback_stale_ms / 1e3
        low, high = limits.joint_bounds_rad()
        self._joints = list(zip(low.tolist(), high.tolist(), strict=True))
        self._follower_ns = limits.follower_silent_ms * 1e6
        self._channels = [_widened(channel) for channel in channels]

    def late(self, intention: Intention) -> bool:
        """Whether the goal has to stand still."""
        return not intention.age_s <= self._hold_s  # NaN counts as late

    def intention(self, intention: Intention) -> Reason:
        """Everything about an intention that demands a relaxed hand."""
        reasons = Reason(0) if intention.engage >= ENGAGED else Reason.DISENGAGED  # so is NaN
        if intention.fault:
            reasons |= Reason.INTENTION_FAULT
        if not self._valid(intention):
            reasons |= Reason.INTENTION_INVALID
        if not intention.age_s <= self._stale_s:
            reasons |= Reason.INTENTION_STALE
        return reasons

    def _valid(self, intention: Intention) -> bool:
        values = intention.values
        inside = values.shape == (len(self._channels),) and _inside(values, self._channels)
        ahead = intention.age_s < -self._hold_s  # a stamp ahead of time would never age
        return inside and not ahead and -RANGE_TOLERANCE <= intention.engage <= 1 + RANGE_TOLERANCE

    def feedback(self, feedback: Feedback) -> Reason:
        """What is wrong with the hand, or with what is known of it; ``trouble`` adds why."""
        self.trouble = feedback.fault
        if not all(_finite(getattr(feedback, name)) for name in MEASURED):
            return Reason.FEEDBACK_NOT_FINITE
        fresh = -self._feedback_s <= feedback.age_s <= self._feedback_s  # NaN is not
        reasons = Reason(0) if fresh else Reason.FEEDBACK_STALE
        if not _inside(feedback.joint_pos, self._joints):
            reasons |= Reason.JOINT_ANGLE
        if max(map(abs, feedback.joint_vel.tolist())) > self._limits.joint_speed_max_rad_s:
            reasons |= Reason.JOINT_SPEED
        return reasons

    def machine(self, machine: Machine) -> Reason:
        """What is wrong with the machine round the loop; ``trouble`` says it in words."""
        reasons = Reason(0)
        self._missed_in_row = self._missed_in_row + machine.missed if machine.missed else 0
        if self._missed_in_row > self._limits.deadlines_missed_in_row_max:
            reasons = Reason.DEADLINES
            self.trouble = f"{self._missed_in_row} deadlines missed in a row"
        if machine.attendant_wanted and not machine.orders.attended:
            reasons |= Reason.ATTENDANT_LOST
            self.trouble = "no dead-man client holds on"
        for name, health in machine.followers.items():
            if trouble := self._follower_trouble(health, machine.now_ns):
                reasons |= Reason.FOLLOWER
                self.trouble = f"follower {name}: {trouble}"
        return reasons

    def _follower_trouble(self, health: FollowerHealth, now_ns: int) -> str:
        if health.state is not FollowerState.READY:
            return health.reason or health.state.name.lower()
        silent_ns = now_ns - health.beat_ns
        return f"silent for {silent_ns // MS} ms" if silent_ns > self._follower_ns else ""


def _widened(channel: Channel) -> tuple[float, float]:
    tolerance = RANGE_TOLERANCE * (channel.high - channel.low)
    return channel.low - tolerance, channel.high + tolerance


def _finite(values: Array) -> bool:
    return all(map(math.isfinite, values.ravel().tolist()))


def _inside(values: Array, ranges: list[tuple[float, float]]) -> bool:
    """Whether each value, (n,), is within its own range; NaN is not."""
    pairs = zip(values.tolist(), ranges, strict=True)
    return all(low <= value <= high for value, (low, high) in pairs)


_MISSING: Final = {
    Reason.INTENTION_FAULT: Missing.INTENTION_INVALID,
    Reason.INTENTION_INVALID: Missing.INTENTION_INVALID,
    Reason.INTENTION_STALE: Missing.INTENTION_STALE,
    Reason.FEEDBACK_NOT_FINITE: Missing.FEEDBACK,
    Reason.FEEDBACK_STALE: Missing.FEEDBACK,
    Reason.JOINT_ANGLE: Missing.FEEDBACK,
    Reason.JOINT_SPEED: Missing.FEEDBACK,
    Reason.DEADLINES: Missing.DEADLINES,
    Reason.FOLLOWER: Missing.FOLLOWER,
    Reason.ATTENDANT_LOST: Missing.ATTENDANT,
}


def missing(violations: Reason) -> Missing:
    """What an arming lacks while these are violated."""
    found = Missing(0)
    for reason, lack in _MISSING.items():
        if reason in violations:
            found |= lack
    return found


def missing_now(
    intention: Intention, feedback: Feedback, late: bool, policy_fits: bool, resting: bool
) -> Missing:
    """What the start of an arming asks for beyond what must hold all the time."""
    active = not (feedback.activation <= AT_REST_ACTIVATION).all()
    asked = {
        Missing.INTENTION_STALE: late,
        Missing.CLOCK_CORRECTION: not math.isfinite(intention.correction_s),
        Missing.ENGAGE_LOW: not intention.engage < ENGAGED,
        Missing.POLICY: not policy_fits,
        Missing.AT_REST: active or not resting,
    }
    found = Missing(0)
    for lack, is_lacking in asked.items():
        found |= lack if is_lacking else Missing(0)
    return found
