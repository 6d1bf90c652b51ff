"""The words of the supervisor: where it is, why, what is missing, what was ordered."""

from enum import IntEnum, IntFlag
from typing import Any, Final


class State(IntEnum):
    """Where the supervisor is; only ACTIVE and HOLD let a wish through."""

    DISARMED = 0
    """At rest. Only an arming leads on."""
    ARMING = 1
    """At rest, all preconditions true; raising the dead-man starts."""
    ACTIVE = 2
    HOLD = 3
    """The intention is late: the goal stands still."""
    RELAXING = 4
    """On the way to rest; nothing but DISARMED or FAULT follows."""
    FAULT = 5
    """Latched: at rest or on the way there, until a reset."""

    @property
    def working(self) -> bool:
        """Whether wishes pass."""
        return self in (State.ACTIVE, State.HOLD)


class Reason(IntFlag):
    """Why a command is not the wish."""

    # of the person
    ESTOP = 1 << 0
    DISARMED = 1 << 1  # by order
    DISENGAGED = 1 << 2
    # of the intention
    INTENTION_FAULT = 1 << 3
    INTENTION_INVALID = 1 << 4
    INTENTION_HOLD = 1 << 5  # late: the goal stands still
    INTENTION_STALE = 1 << 6  # too late: relax
    # of the command
    COMMAND_NOT_FINITE = 1 << 7
    COMMAND_SHAPE = 1 << 8
    RANGE = 1 << 9
    CEILING = 1 << 10
    TOTAL = 1 << 11
    SLEW = 1 << 12
    WINDOW = 1 << 13
    # of the hand
    FEEDBACK_NOT_FINITE = 1 << 14
    FEEDBACK_STALE = 1 << 15
    JOINT_ANGLE = 1 << 16
    JOINT_SPEED = 1 << 17
    # of the machine
    DEADLINES = 1 << 18
    FOLLOWER = 1 << 19
    ATTENDANT_LOST = 1 << 20
    TICK_FAILED = 1 << 21
    STOPPING = 1 << 22


class Missing(IntFlag):
    """What an arming lacked."""

    STATE = 1 << 0  # not DISARMED
    INTENTION_STALE = 1 << 1
    INTENTION_INVALID = 1 << 2
    CLOCK_CORRECTION = 1 << 3
    ENGAGE_LOW = 1 << 4
    POLICY = 1 << 5
    FEEDBACK = 1 << 6
    AT_REST = 1 << 7
    FOLLOWER = 1 << 8
    DEADLINES = 1 << 9
    ATTENDANT = 1 << 10
    ENGAGE_IN_TIME = 1 << 11


WHAT_IS_MISSING: Final = {
    Missing.STATE: "it is not disarmed: only from there can it be armed",
    Missing.INTENTION_STALE: "the intention stream is not fresh",
    Missing.INTENTION_INVALID: "the intention is out of range or can't be trusted",
    Missing.CLOCK_CORRECTION: "the clock correction to the sender is not measured yet",
    Missing.ENGAGE_LOW: "engage is high: the dead-man has to be let go first",
    Missing.POLICY: "the policy, tried on the present hand, gave no command within its contract",
    Missing.FEEDBACK: "the hand's feedback is not fresh, finite and within limits",
    Missing.AT_REST: "the hand is not at rest yet",
    Missing.FOLLOWER: "a required follower does not answer",
    Missing.DEADLINES: "deadlines are being missed",
    Missing.ATTENDANT: "no dead-man client holds on (arm --attend)",
    Missing.ENGAGE_IN_TIME: "engage did not rise in time",
}


class Order(IntFlag):
    """What a person or a program may ask of the supervisor; ESTOP wins over everything."""

    ESTOP = 1 << 0
    DISARM = 1 << 1
    RESET = 1 << 2
    ARM = 1 << 3


def names(flags: IntFlag) -> list[str]:
    """The members of a bit set, in lower case."""
    return [one.name.lower() for one in type(flags) if one & flags and one.name]


def reasons(bits: Any) -> list[str]:
    """The reasons of a record's bit set, in lower case."""
    return names(Reason(int(bits)))
