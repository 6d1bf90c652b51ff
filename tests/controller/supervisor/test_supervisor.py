"""The supervisor against a plain restatement of its rules, and a sweep round each boundary."""

import itertools
import math
from dataclasses import fields, replace
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from controller.follower import FollowerHealth, FollowerState
from controller.messages import Feedback, Intention
from controller.names import JOINT_RANGE_RAD, JOINTS, MUSCLES
from controller.orders import Orders
from controller.skills.skill import Channel
from controller.supervisor.judge import Machine
from controller.supervisor.limits import BUILT_IN, Action, Limits
from controller.supervisor.states import (
    WHAT_IS_MISSING,
    Missing,
    Order,
    Reason,
    State,
    names,
    reasons,
)
from controller.supervisor.supervisor import Supervisor

N = len(MUSCLES)
PERIOD_S = 0.025
ROTATION = Channel("rotation", -1.0, 1.0, "")
LIFT = Channel("lift", 0.0, 10.0, "")
HALF = np.full(N, 0.5, np.float32)
ZERO = np.zeros(N, np.float32)
ONE_FULL = np.eye(N, dtype=np.float32)[0]
ULP = 1e-6  # float32 rounding of a step
MS = 1_000_000
HAND = Feedback(
    time_s=np.float64(0.0),
    joint_pos=np.zeros(23),
    joint_vel=np.zeros(23),
    activation=np.zeros(39),
    palm_pos=np.zeros(3),
    palm_rot=np.eye(3),
    object_pos=np.zeros((2, 3)),
    object_vel=np.zeros((2, 3)),
)


def intend(value: Any = 0.0, engage=1.0, age_s=0.0, fault="", correction_s=0.0) -> Intention:
    values = np.atleast_1d(np.asarray(value, float))
    return Intention(values, engage, age_s, fault, correction_s=correction_s)


def ordered(what: Order, **changes: Any) -> Machine:
    return Machine(orders=Orders(what), **changes)


GO, LET_GO, LATE = intend(), intend(engage=0.0), intend(age_s=0.2)
QUIET, ARM, RESET = Machine(), ordered(Order.ARM), ordered(Order.RESET)
ESTOP, DISARM = ordered(Order.ESTOP), ordered(Order.DISARM)
NAN_HAND = replace(HAND, joint_pos=np.full(23, np.nan))


class Seen(NamedTuple):
    """A command, copied: its memory belongs to the gate."""

    excitation: np.ndarray
    reasons: int
    state: State
    relaxed: bool


class Rig:
    """A supervisor on which ticks can be played."""

    def __init__(self, channels=(ROTATION,), period_s=PERIOD_S, **limits):
        self.supervisor = Supervisor(Limits(**limits), channels, period_s)
        self._at_ease = replace(LET_GO, values=np.zeros(len(channels)))

    def tick(self, intention=GO, wish=HALF, machine=QUIET, hand=HAND, fits=True) -> Seen:
        self.supervisor.admit(intention, hand, machine, fits)
        command = self.supervisor.allow(wish)
        return Seen(command.excitation.copy(), command.reasons, self.state, command.relaxed)

    def arm(self) -> "Rig":
        self.tick(self._at_ease, machine=ARM)
        assert self.state is State.ARMING, self.missing
        return self

    def work(self, wish=HALF, ticks=4) -> "Rig":
        """Armed, started, at work; what was counted until now is forgotten."""
        self.arm()
        for k in range(ticks):
            self.tick(GO, np.asarray(wish) * min(1.0, (k + 1) / max(1, ticks - 20)))
        assert self.state is State.ACTIVE
        self.supervisor.counts = dict.fromkeys(self.supervisor.counts, 0)
        return self

    def rest(self, intention=LET_GO) -> "Rig":
        """Tick until the hand is at rest and the state knows it."""
        for _ in range(20):
            self.tick(intention)
        assert self.supervisor.resting
        return self

    @property
    def state(self) -> State:
        return self.supervisor.state

    @property
    def missing(self) -> list[str]:
        return names(self.supervisor.missing)

    def report(self) -> dict[str, int]:
        return self.supervisor.report()


def around(value: float, span: float = 1e-3, count: int = 101) -> list[float]:
    """Values round a boundary: a sweep, and the nearest neighbours on both sides."""
    sweep = np.linspace(value - span, value + span, count)
    near = (np.nextafter(value, -math.inf), np.nextafter(value, math.inf))
    return sorted({*sweep.tolist(), value, *map(float, near)})


# --- off by default ---------------------------------------------------------------------


def test_it_starts_with_nothing_to_say():
    limits = Limits()
    supervisor = Supervisor(limits, (ROTATION,), PERIOD_S)
    assert supervisor.limits is limits and supervisor.state is State.DISARMED
    assert (supervisor.missing, supervisor.violations, supervisor.note) == (0, 0, "")


def test_it_starts_disarmed_and_never_arms_itself():
    rig = Rig()
    for intention in [GO, LET_GO, GO, LATE, LET_GO] * 20:
        seen = rig.tick(intention)
        assert seen.state is State.DISARMED and seen.relaxed and not seen.excitation.any()
    assert rig.supervisor.arming == 0


@pytest.mark.parametrize("other", [Order(0), Order.RESET, Order.DISARM])
def test_no_other_order_arms(other):
    rig = Rig()
    rig.tick(LET_GO, machine=ordered(other))
    rig.tick(GO)
    assert rig.state is State.DISARMED


def test_without_any_intention_the_hand_is_relaxed():
    command = Rig().supervisor.allow(HALF)
    assert command.relaxed and not command.excitation.any() and command.reasons == 0


def test_at_rest_a_wish_is_not_even_looked_at():
    rig = Rig()
    for intention in (GO, LET_GO, LET_GO):
        seen = rig.tick(intention, np.full(3, np.nan))
        assert seen.relaxed and seen.reasons == 0
    assert rig.report() == {}


# --- arming -----------------------------------------------------------------------------


def test_arm_then_raise_the_dead_man():
    rig = Rig().arm()
    assert rig.supervisor.arming == 1 and rig.missing == []
    for _ in range(50):
        seen = rig.tick(LET_GO)
        assert seen.state is State.ARMING and seen.relaxed
    seen = rig.tick(GO)
    assert seen.state is State.ACTIVE and not seen.relaxed
    np.testing.assert_array_equal(seen.excitation, HALF)


def test_each_arming_is_counted():
    rig = Rig().arm()
    rig.tick(LET_GO, machine=DISARM)
    rig.arm()
    assert rig.supervisor.arming == 2
    rig.tick(LET_GO, machine=ARM)
    assert rig.supervisor.arming == 2, "armed already"
    assert rig.missing == [] and rig.state is State.ARMING


def ready(silent_ms=0.0, state=FollowerState.READY, reason="") -> dict[str, FollowerHealth]:
    return {"hand": FollowerHealth(state, round(1000 * MS - silent_ms * MS), reason)}


SPOILT = {
    "late": (intend(engage=0.0, age_s=0.1001), QUIET, HAND, ["intention_stale"]),
    "no sample yet": (intend(engage=0.0, age_s=math.inf), QUIET, HAND, ["intention_stale"]),
    "age nan": (intend(engage=0.0, age_s=math.nan), QUIET, HAND, ["intention_stale"]),
    "too late": (intend(engage=0.0, age_s=0.3001), QUIET, HAND, ["intention_stale"]),
    "future": (intend(engage=0.0, age_s=-0.1001), QUIET, HAND, ["intention_invalid"]),
    "value nan": (intend(math.nan, engage=0.0), QUIET, HAND, ["intention_invalid"]),
    "value huge": (intend(1e6, engage=0.0), QUIET, HAND, ["intention_invalid"]),
    "two values": (intend([0.0, 0.0], engage=0.0), QUIET, HAND, ["intention_invalid"]),
    "fault": (intend(engage=0.0, fault="lost"), QUIET, HAND, ["intention_invalid"]),
    "no correction": (
        intend(engage=0.0, correction_s=math.nan),
        QUIET,
        HAND,
        ["clock_correction"],
    ),
    "endless correction": (
        intend(engage=0.0, correction_s=math.inf),
        QUIET,
        HAND,
        ["clock_correction"],
    ),
    "held dead-man": (GO, QUIET, HAND, ["engage_low"]),
    "half held": (intend(engage=0.5), QUIET, HAND, ["engage_low"]),
    "engage nan": (
        intend(engage=math.nan),
        QUIET,
        HAND,
        ["intention_invalid", "engage_low"],
    ),
    "feedback nan": (LET_GO, QUIET, NAN_HAND, ["feedback"]),
    "feedback old": (LET_GO, QUIET, replace(HAND, age_s=0.1001), ["feedback"]),
    "joint out of range": (
        LET_GO,
        QUIET,
        replace(HAND, joint_pos=np.full(23, 3.0)),
        ["feedback"],
    ),
    "joint fast": (LET_GO, QUIET, replace(HAND, joint_vel=np.full(23, 61.0)), ["feedback"]),
    "muscle active": (LET_GO, QUIET, replace(HAND, activation=np.eye(39)[3] * 0.06), ["at_rest"]),
    "deadlines": (LET_GO, Machine(missed=9), HAND, ["deadlines"]),
    "no attendant": (LET_GO, Machine(attendant_wanted=True), HAND, ["attendant"]),
    "follower starting": (
        LET_GO,
        Machine(now_ns=1000 * MS, followers=ready(state=FollowerState.STARTING)),
        HAND,
        ["follower"],
    ),
    "follower silent": (
        LET_GO,
        Machine(now_ns=1000 * MS, followers=ready(250.001)),
        HAND,
        ["follower"],
    ),
    "stopping": (LET_GO, Machine(stopping=True), HAND, ["state"]),
}


@pytest.mark.parametrize("name", SPOILT)
def test_arming_is_refused_and_says_what_is_missing(name):
    intention, machine, hand, expected = SPOILT[name]
    rig = Rig()
    seen = rig.tick(intention, machine=replace(machine, orders=Orders(Order.ARM)), hand=hand)
    assert seen.state is State.DISARMED and seen.relaxed
    assert rig.missing == expected
    assert rig.supervisor.arming == 0
    rig.arm()
    assert rig.missing == []


@pytest.mark.parametrize("name", [n for n, s in SPOILT.items() if n != "late"])
def test_what_is_missing_later_withdraws_the_arming(name):
    intention, machine, hand, expected = SPOILT[name]
    only_at_first = {"clock_correction", "engage_low", "at_rest"}
    rig = Rig().arm()
    seen = rig.tick(intention, machine=machine, hand=hand)
    if set(expected) <= only_at_first:
        assert seen.state is (State.ACTIVE if intention.engage >= 0.5 else State.ARMING)
        return
    assert seen.state is State.DISARMED and seen.relaxed
    assert rig.supervisor.note.startswith("arming withdrawn: ")
    assert rig.tick(GO).state is State.DISARMED, "motion takes a fresh arming"


def test_a_late_intention_neither_starts_nor_withdraws():
    rig = Rig().arm()
    assert rig.tick(LATE).state is State.ARMING
    assert rig.tick(GO).state is State.ACTIVE


def test_a_policy_that_does_not_answer_is_not_armed():
    rig = Rig()
    rig.tick(LET_GO, machine=ARM, fits=False)
    assert rig.missing == ["policy"] and rig.state is State.DISARMED


def test_several_things_missing_are_all_said():
    rig = Rig()
    rig.tick(intend(math.nan, age_s=math.inf), machine=ARM, hand=NAN_HAND, fits=False)
    assert rig.missing == [
        *("intention_stale", "intention_invalid", "engage_low", "policy", "feedback"),
    ]


def test_what_is_missing_is_said_until_the_next_arming():
    rig = Rig()
    rig.tick(GO, machine=ARM)
    for _ in range(5):
        rig.tick(LET_GO)
        assert rig.missing == ["engage_low"]
    rig.tick(LET_GO, machine=ESTOP)
    rig.tick(LET_GO, machine=ARM)
    assert rig.missing == ["state"] and rig.state is State.FAULT


def test_an_end_that_was_asked_for_hides_nothing_that_is_missing():
    rig = Rig()
    rig.tick(GO, machine=ordered(Order.ARM, stopping=True))
    assert rig.missing == ["state", "engage_low"]


def test_an_arming_that_took_too_long_hides_nothing_that_is_missing():
    rig = Rig(arm_within_s=PERIOD_S).arm()
    rig.tick(LET_GO)
    rig.tick(intend(engage=0.0, age_s=0.4))
    assert rig.missing == ["intention_stale", "engage_in_time"]


def test_a_hand_that_still_ramps_down_is_not_at_rest():
    rig = Rig().work()
    rig.tick(LET_GO)
    rig.tick(LET_GO, machine=ARM)
    assert rig.missing == ["state"], "it relaxes"
    assert rig.state is State.RELAXING


def test_arming_ends_when_no_dead_man_follows():
    rig = Rig(arm_within_s=1.0).arm()
    for _ in range(40):
        assert rig.tick(LET_GO).state is State.ARMING
    assert rig.tick(LET_GO).state is State.DISARMED
    assert rig.missing == ["engage_in_time"]
    assert rig.tick(GO).state is State.DISARMED


def test_disarming_and_stopping_withdraw_an_arming():
    for machine, word in ((DISARM, "disarmed"), (Machine(stopping=True), "stopping")):
        rig = Rig().arm()
        assert rig.tick(LET_GO, machine=machine).state is State.DISARMED
        assert rig.supervisor.note == f"arming withdrawn: {word}"


def test_disarm_wins_over_arm_in_the_same_tick():
    rig = Rig()
    rig.tick(LET_GO, machine=ordered(Order.ARM | Order.DISARM))
    assert rig.state is State.DISARMED and rig.missing == ["state"]


# --- what ends the work -----------------------------------------------------------------

REVOCATIONS = {
    "let go": (LET_GO, Reason.DISENGAGED),
    "engage below half": (intend(engage=0.4999999), Reason.DISENGAGED),
    "engage nan": (intend(engage=math.nan), Reason.DISENGAGED | Reason.INTENTION_INVALID),
    "engage inf": (intend(engage=math.inf), Reason.INTENTION_INVALID),
    "engage negative": (intend(engage=-1.0), Reason.DISENGAGED | Reason.INTENTION_INVALID),
    "engage 255": (intend(engage=255.0), Reason.INTENTION_INVALID),
    "nan": (intend(math.nan), Reason.INTENTION_INVALID),
    "inf": (intend(math.inf), Reason.INTENTION_INVALID),
    "minus inf": (intend(-math.inf), Reason.INTENTION_INVALID),
    "a million": (intend(1e6), Reason.INTENTION_INVALID),
    "minus a million": (intend(-1e6), Reason.INTENTION_INVALID),
    "two channels": (intend([0.0, 0.0]), Reason.INTENTION_INVALID),
    "no channel": (intend([]), Reason.INTENTION_INVALID),
    "fault": (intend(fault="stream changed"), Reason.INTENTION_FAULT),
    "stale": (intend(age_s=0.3001), Reason.INTENTION_STALE),
    "age inf": (intend(age_s=math.inf), Reason.INTENTION_STALE),
    "age nan": (intend(age_s=math.nan), Reason.INTENTION_STALE),
    "stamp ahead": (intend(age_s=-0.1001), Reason.INTENTION_INVALID),
    "stamp far ahead": (intend(age_s=-math.inf), Reason.INTENTION_INVALID),
}


@pytest.mark.parametrize("name", REVOCATIONS)
@pytest.mark.parametrize("held", [False, True])
def test_a_revocation_ramps_to_rest_and_stays_there(name, held):
    intention, reason = REVOCATIONS[name]
    rig = Rig().work()
    if held:
        assert rig.tick(LATE).state is State.HOLD
        rig.supervisor.counts = dict.fromkeys(rig.supervisor.counts, 0)
    seen = rig.tick(intention)
    assert seen.reasons == reason and seen.state is State.RELAXING and not seen.relaxed
    assert rig.report() == dict.fromkeys(names(reason), 1)
    levels = [float(seen.excitation.max())]
    while not seen.relaxed:
        seen = rig.tick(GO)
        assert seen.reasons == reason, "what caused it is the reason of each of its ticks"
        levels.append(float(seen.excitation.max()))
        assert len(levels) <= 11, "250 ms and a tick"
    np.testing.assert_allclose(levels, np.maximum(0.4 - 0.1 * np.arange(len(levels)), 0), atol=ULP)
    for _ in range(50):
        seen = rig.tick(GO)
        assert seen.relaxed and seen.state is State.DISARMED and seen.reasons == 0
    rig.arm()
    assert rig.tick(GO).excitation.any()


BROKEN_WISHES = [
    (np.full(N, np.nan), Reason.COMMAND_NOT_FINITE),
    (np.where(np.arange(N) == N - 1, np.inf, 0.5), Reason.COMMAND_NOT_FINITE),
    (np.where(np.arange(N) == 0, -np.inf, 0.5), Reason.COMMAND_NOT_FINITE),
    (np.zeros(N - 1), Reason.COMMAND_SHAPE),
    (np.zeros(N + 1), Reason.COMMAND_SHAPE),
    (np.zeros((1, N)), Reason.COMMAND_SHAPE),
    (np.float32(0.5), Reason.COMMAND_SHAPE),
    (np.full(3, np.nan), Reason.COMMAND_SHAPE),
    (None, Reason.COMMAND_SHAPE),
]


@pytest.mark.parametrize("wish, reason", BROKEN_WISHES)
def test_a_broken_wish_relaxes_at_once(wish, reason):
    rig = Rig().work()
    seen = rig.tick(GO, wish)
    assert seen.reasons == reason and seen.state is State.RELAXING
    np.testing.assert_allclose(seen.excitation, 0.4, atol=ULP)
    for _ in range(4):
        seen = rig.tick(GO)
    assert seen.relaxed
    assert rig.tick(GO).relaxed
    assert rig.report() == dict.fromkeys(names(reason), 5), "every tick of the ramp"


@pytest.mark.parametrize(
    "machine, reason",
    [(DISARM, Reason.DISARMED), (Machine(stopping=True), Reason.STOPPING)],
)
def test_an_order_relaxes(machine, reason):
    rig = Rig().work()
    seen = rig.tick(GO, machine=machine)
    assert seen.reasons == reason and seen.state is State.RELAXING
    rig.rest(GO)
    assert rig.state is State.DISARMED


def test_the_note_says_why():
    rig = Rig().work()
    rig.tick(intend(fault="stamp 0.5 s in the future"))
    assert rig.supervisor.note == "intention fault: stamp 0.5 s in the future"
    rig = Rig().work()
    rig.tick(LET_GO)
    assert rig.supervisor.note == "disengaged"


def test_an_arming_leaves_old_troubles_behind():
    rig = Rig().work()
    rig.rest()
    assert rig.supervisor.note == "disengaged"
    rig.tick(LET_GO, machine=ARM)
    assert rig.state is State.ARMING and rig.supervisor.note == ""


def test_the_note_names_each_of_several_reasons_and_nothing_else():
    rig = Rig().work()
    rig.tick(intend(engage=0.0, age_s=0.4))
    assert rig.supervisor.note == "disengaged, intention stale"
    rig = Rig().work()
    rig.tick(wish=np.full(N, np.nan))
    assert rig.supervisor.note == "command not finite"
    rig = Rig(actions={"range": "latch"}).work()
    rig.tick(wish=np.full(N, 1.5))
    assert rig.supervisor.note == "range, total"
    rig = Rig().arm()
    rig.tick(intend(1e6, engage=0.0, age_s=0.4))
    assert rig.supervisor.note == "arming withdrawn: intention_stale, intention_invalid"


def test_the_note_of_a_fault_while_ramping_down_names_the_culprit():
    rig = Rig().work()
    rig.tick(LET_GO)
    rig.tick(GO, machine=FAULTS["follower faulty"][0])
    assert rig.supervisor.note == "follower: follower hand: unplugged"
    rig = Rig(actions={"intention_fault": "latch"}).work()
    rig.tick(LET_GO)
    rig.tick(intend(fault="lost"))
    assert rig.supervisor.note == "intention fault: lost"


def test_a_late_intention_is_told_beside_what_else_is_wrong():
    for wish, limits, state in (
        (np.full(N, np.nan), {}, State.RELAXING),
        (np.full(N, np.nan), {"actions": {"command_not_finite": "latch"}}, State.FAULT),
    ):
        seen = Rig(**limits).work().tick(LATE, wish)
        assert seen.state is state
        assert seen.reasons == Reason.INTENTION_HOLD | Reason.COMMAND_NOT_FINITE


@pytest.mark.parametrize("machine", [Machine(stopping=True), DISARM])
def test_an_order_to_rest_hides_no_fault(machine):
    rig = Rig().work()
    assert rig.tick(machine=machine, hand=NAN_HAND).state is State.FAULT


def test_letting_go_for_one_tick_while_ramping_down_starts_nothing():
    rig = Rig().work()
    for intention in [LET_GO, GO, LET_GO, *[GO] * 30]:
        seen = rig.tick(intention)
    assert seen.relaxed and rig.state is State.DISARMED


def test_one_muscle_still_ramping_is_not_rest():
    rig = Rig().work(ONE_FULL)
    for _ in range(9):
        assert rig.tick(LET_GO).state is State.RELAXING
        assert not rig.supervisor.resting
    assert rig.tick(LET_GO).relaxed


def test_revoked_from_nothing_is_relaxed_at_once():
    rig = Rig().work(ZERO)
    seen = rig.tick(LET_GO)
    assert seen.relaxed and seen.state is State.RELAXING
    assert rig.tick(LET_GO).state is State.DISARMED
    assert rig.report() == {"disengaged": 1}


def test_what_ends_work_at_rest_is_counted():
    rig = Rig().arm()
    rig.tick(GO, np.full(N, np.nan))
    assert rig.report() == {"command_not_finite": 1}
    rig = Rig().work(ZERO)
    for _ in range(5):
        rig.tick(GO, machine=ESTOP if rig.state is State.ACTIVE else QUIET)
    assert rig.report() == {"estop": 1}


def test_working_at_zero_is_not_the_relaxed_hand():
    rig = Rig().work(ZERO)
    assert not rig.tick(GO, ZERO).relaxed and not rig.supervisor.resting


# --- faults -----------------------------------------------------------------------------

FAULTS = {
    "feedback nan": (QUIET, NAN_HAND, Reason.FEEDBACK_NOT_FINITE),
    "follower faulty": (
        Machine(now_ns=1000 * MS, followers=ready(state=FollowerState.FAULT, reason="unplugged")),
        HAND,
        Reason.FOLLOWER,
    ),
    "follower ended": (
        Machine(now_ns=1000 * MS, followers=ready(state=FollowerState.ENDED)),
        HAND,
        Reason.FOLLOWER,
    ),
    "follower silent": (
        Machine(now_ns=1000 * MS, followers=ready(251)),
        HAND,
        Reason.FOLLOWER,
    ),
    "attendant lost": (Machine(attendant_wanted=True), HAND, Reason.ATTENDANT_LOST),
}


@pytest.mark.parametrize("name", FAULTS)
@pytest.mark.parametrize("start", ["active", "held", "relaxing"])
def test_a_fault_is_latched(name, start):
    machine, hand, reason = FAULTS[name]
    rig = Rig().work()
    if start == "held":
        rig.tick(LATE)
    if start == "relaxing":
        rig.tick(LET_GO)
    rig.supervisor.counts = dict.fromkeys(rig.supervisor.counts, 0)
    seen = rig.tick(GO, machine=machine, hand=hand)
    assert seen.state is State.FAULT and seen.reasons & reason
    for _ in range(30):
        seen = rig.tick(LET_GO)
        assert seen.state is State.FAULT and seen.reasons & reason, "visible as long as it lasts"
    assert seen.relaxed
    assert rig.report()[names(reason)[0]] <= 5, "at rest nothing more is withheld"
    rig.tick(LET_GO, machine=ARM)
    assert rig.state is State.FAULT and rig.missing == ["state"]
    rig.tick(LET_GO, machine=RESET)
    assert rig.state is State.DISARMED and rig.supervisor.note == ""
    assert rig.tick(GO).state is State.DISARMED
    rig.arm()


def test_a_fault_ramps_down():
    rig = Rig().work()
    machine, hand, _ = FAULTS["feedback nan"]
    levels = [float(rig.tick(GO, machine=machine, hand=hand).excitation.max()) for _ in range(6)]
    np.testing.assert_allclose(levels, [0.4, 0.3, 0.2, 0.1, 0.0, 0.0], atol=ULP)


def test_the_note_of_a_fault_names_the_culprit():
    machine, _, _ = FAULTS["follower faulty"]
    rig = Rig().work()
    rig.tick(GO, machine=machine)
    assert rig.supervisor.note == "follower: follower hand: unplugged"
    rig = Rig().work()
    rig.tick(GO, machine=FAULTS["follower silent"][0])
    assert rig.supervisor.note == "follower: follower hand: silent for 251 ms"
    rig = Rig().work()
    rig.tick(GO, machine=FAULTS["follower ended"][0])
    assert rig.supervisor.note == "follower: follower hand: ended"
    rig = Rig().work()
    rig.tick(GO, machine=Machine(1000 * MS, followers=ready(silent_ms=300)))
    assert rig.supervisor.note == "follower: follower hand: silent for 300 ms"
    rig = Rig().work()
    rig.tick(GO, machine=FAULTS["attendant lost"][0])
    assert rig.supervisor.note == "attendant lost: no dead-man client holds on"


def test_one_of_two_followers_is_enough_for_a_fault():
    good, bad = FollowerHealth(FollowerState.READY, 0), FollowerHealth(FollowerState.FAULT, 0, "x")
    for followers in ({"a": bad, "b": good}, {"a": good, "b": bad}):
        rig = Rig().work()
        assert rig.tick(machine=Machine(followers=followers)).state is State.FAULT
    rig = Rig().work()
    both = {"a": good, "b": good}
    assert rig.tick(machine=Machine(followers=both)).state is State.ACTIVE


def test_what_would_be_a_fault_at_work_is_none_at_rest():
    rig = Rig()
    for machine, hand, _ in FAULTS.values():
        assert rig.tick(GO, machine=machine, hand=hand).state is State.DISARMED


def test_a_reset_waits_for_rest():
    rig = Rig().work()
    machine, hand, _ = FAULTS["feedback nan"]
    rig.tick(GO, machine=machine, hand=hand)
    assert rig.tick(LET_GO, machine=RESET).state is State.FAULT
    rig.rest()
    assert rig.tick(LET_GO, machine=RESET).state is State.DISARMED


def test_a_reset_and_an_arm_at_once_only_reset():
    rig = Rig()
    rig.tick(machine=ESTOP)
    rig.tick(LET_GO, machine=ordered(Order.RESET | Order.ARM))
    assert rig.state is State.DISARMED and rig.missing == ["state"]
    assert rig.supervisor.arming == 0


# --- e-stop -----------------------------------------------------------------------------


def test_an_estop_is_rest_within_the_tick():
    rig = Rig().work()
    seen = rig.tick(GO, machine=ESTOP)
    assert seen.state is State.FAULT and seen.relaxed and not seen.excitation.any()
    assert seen.reasons == Reason.ESTOP and rig.report() == {"estop": 1}
    assert rig.supervisor.note == "estop: e-stop"
    for _ in range(10):
        seen = rig.tick(GO)
        assert seen.state is State.FAULT and seen.relaxed and seen.reasons == Reason.ESTOP
    assert rig.report() == {"estop": 1}


@pytest.mark.parametrize("others", [Order(0), Order.ARM, Order.RESET, Order.DISARM, ~Order(0)])
def test_an_estop_wins_over_every_order_in_every_state(others):
    machine = ordered(Order.ESTOP | others)
    for prepare in (
        lambda rig: rig,
        lambda rig: rig.arm(),
        lambda rig: rig.work(),
        lambda rig: (rig.work().tick(LATE), rig)[1],
        lambda rig: (rig.work().tick(LET_GO), rig)[1],
        lambda rig: (rig.work().tick(hand=NAN_HAND), rig)[1],
    ):
        rig = prepare(Rig())
        seen = rig.tick(LET_GO, machine=machine)
        assert seen.state is State.FAULT and seen.relaxed and not seen.excitation.any()


def test_an_estop_during_a_fault_cuts_its_ramp():
    rig = Rig().work()
    assert rig.tick(hand=NAN_HAND).excitation.any()
    seen = rig.tick(machine=ESTOP)
    assert not seen.excitation.any()
    assert seen.reasons == Reason.ESTOP | Reason.FEEDBACK_NOT_FINITE


def test_an_estop_does_not_outlive_its_reset():
    rig = Rig().work()
    rig.tick(machine=ESTOP)
    rig.tick(LET_GO, machine=RESET)
    rig.work()
    seen = rig.tick(hand=NAN_HAND)
    assert seen.state is State.FAULT and seen.excitation.any(), "ramps, does not cut"
    assert seen.reasons == Reason.FEEDBACK_NOT_FINITE


def test_a_tick_that_failed_is_rest_at_once_and_latched():
    rig = Rig().work()
    command = rig.supervisor.fail("tick 7: the plant died")
    assert command.relaxed and not command.excitation.any()
    assert command.reasons == Reason.TICK_FAILED and rig.state is State.FAULT
    assert rig.supervisor.note == "tick failed: tick 7: the plant died"
    assert rig.report() == {"tick_failed": 1}


# --- late intentions --------------------------------------------------------------------


def test_a_hold_lets_wishes_pass_and_is_counted():
    rig = Rig().work()
    seen = rig.tick(LATE, ZERO)
    assert seen.state is State.HOLD and not seen.relaxed
    assert seen.reasons == Reason.INTENTION_HOLD
    np.testing.assert_array_equal(seen.excitation, ZERO)
    assert rig.report() == {"intention_hold": 1}
    seen = rig.tick(GO, HALF)
    assert seen.state is State.ACTIVE and seen.reasons == 0


def test_a_stream_that_falls_silent_holds_then_relaxes():
    rig = Rig().work()
    states = [rig.tick(intend(age_s=k * 0.01)).state for k in range(60)]
    assert states[:11] == [State.ACTIVE] * 11
    assert states[11:31] == [State.HOLD] * 20
    assert not any(state.working for state in states[31:])
    assert rig.supervisor.stale_ticks == 49


def test_stale_ticks_count_at_rest_too():
    rig = Rig()
    for age in (math.inf, math.nan, 0.11, 0.1, -0.1, 0.0):
        rig.tick(intend(age_s=age))
    assert rig.supervisor.stale_ticks == 3
    assert rig.report() == {}, "nothing was withheld"


# --- boundaries -------------------------------------------------------------------------


def test_engage_boundary():
    for engage in around(0.5):
        assert Rig().work().tick(intend(engage=engage)).state.working == (engage >= 0.5)
        rig = Rig()
        rig.tick(intend(engage=engage), machine=ARM)
        assert (rig.state is State.ARMING) == (engage < 0.5)
        assert (Rig().arm().tick(intend(engage=engage)).state is State.ACTIVE) == (engage >= 0.5)


def test_hold_boundary():
    for age in around(0.1):
        state = Rig().work().tick(intend(age_s=age)).state
        assert state is (State.ACTIVE if age <= 0.1 else State.HOLD)
        rig = Rig()
        rig.tick(intend(engage=0.0, age_s=age), machine=ARM)
        assert (rig.state is State.ARMING) == (age <= 0.1)
        assert (Rig().arm().tick(intend(age_s=age)).state is State.ACTIVE) == (age <= 0.1)


def test_stale_boundary():
    for age in around(0.3):
        seen = Rig().work().tick(intend(age_s=age))
        assert seen.state is (State.HOLD if age <= 0.3 else State.RELAXING)
        assert seen.reasons == (Reason.INTENTION_HOLD if age <= 0.3 else Reason.INTENTION_STALE)
        state = Rig().arm().tick(intend(engage=0.0, age_s=age)).state
        assert state is (State.ARMING if age <= 0.3 else State.DISARMED)


def test_future_boundary():
    for age in around(-0.1):
        assert Rig().work().tick(intend(age_s=age)).state.working == (age >= -0.1)


def test_range_boundary():
    for sign, size in itertools.product((-1.0, 1.0), around(1.02)):
        working = Rig().work().tick(intend(sign * size)).state.working
        assert working == (size <= 1.02), "a share of the span, 2"


def test_engage_range_boundary():
    for engage in (*around(-0.01), *around(1.01)):
        seen = Rig().work().tick(intend(engage=engage))
        legal = -0.01 <= engage <= 1.01
        assert bool(seen.reasons & Reason.INTENTION_INVALID) != legal


def test_each_channel_has_its_own_range():
    def works(*values):
        return Rig((ROTATION, LIFT)).arm().tick(intend(values)).state.working

    assert works(1.0, 10.0) and works(-1.0, 0.0) and works(1.02, 10.1) and works(-1.02, -0.1)
    assert not works(1.03, 5.0) and not works(0.0, 10.11) and not works(0.0, -0.11)
    assert not works(5.0, 0.5) and not works(-1.03, 5.0) and not works(0.0, math.nan)


@pytest.mark.parametrize(
    "field", [f.name for f in fields(Feedback) if f.name not in ("time_s", "age_s", "fault")]
)
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_every_measured_field_has_to_be_finite(field, value):
    broken = np.array(getattr(HAND, field), float)
    broken.flat[-1] = value
    seen = Rig().work().tick(hand=replace(HAND, **{field: broken}))
    assert seen.state is State.FAULT and seen.reasons == Reason.FEEDBACK_NOT_FINITE


def test_feedback_age_boundary():
    for age in (*around(0.1), *around(-0.1)):
        seen = Rig().work().tick(hand=replace(HAND, age_s=age))
        assert seen.state.working == (-0.1 <= age <= 0.1)
    seen = Rig().work().tick(hand=replace(HAND, age_s=math.nan))
    assert seen.state is State.RELAXING and seen.reasons == Reason.FEEDBACK_STALE


def test_joint_angle_boundary():
    for index, joint in enumerate(JOINTS):
        low, high = JOINT_RANGE_RAD[joint]
        for edge, outwards in ((low - 0.35, -1), (high + 0.35, 1)):
            for angle in around(edge, count=5):
                pos = np.zeros(23)
                pos[index] = angle
                seen = Rig().work().tick(hand=replace(HAND, joint_pos=pos))
                outside = (angle - edge) * outwards > 0
                assert seen.state is (State.RELAXING if outside else State.ACTIVE)
                assert seen.reasons == (Reason.JOINT_ANGLE if outside else 0)


def test_a_joint_may_have_a_tighter_range():
    index = JOINTS.index("ip_flexion")
    for angle, inside in ((0.1, True), (0.1001, False), (-0.2, True), (-0.2001, False)):
        pos = np.zeros(23)
        pos[index] = angle
        rig = Rig(joint_range_rad={"ip_flexion": (-0.2, 0.1)}).work()
        assert rig.tick(hand=replace(HAND, joint_pos=pos)).state.working == inside


def test_joint_speed_boundary():
    for sign, speed in itertools.product((-1, 1), around(60.0, count=11)):
        vel = np.zeros(23)
        vel[5] = sign * speed
        seen = Rig().work().tick(hand=replace(HAND, joint_vel=vel))
        assert seen.state.working == (speed <= 60.0)
        assert seen.reasons == (0 if speed <= 60.0 else Reason.JOINT_SPEED)


def test_deadlines_in_a_row():
    for missed in ([8], [4, 4], [1] * 8):
        rig = Rig().work()
        for one in missed:
            assert rig.tick(machine=Machine(missed=one)).state is State.ACTIVE
        assert rig.tick(machine=Machine(missed=1)).state is State.RELAXING
        assert rig.supervisor.note == "deadlines: 9 deadlines missed in a row"
    rig = Rig().work()
    for one in [8, 0, 8, 0, 8]:
        assert rig.tick(machine=Machine(missed=one)).state is State.ACTIVE, "not in a row"


def test_follower_silence_boundary():
    for silent in [*around(250.0, span=0.5, count=11), 250.0001]:
        machine = Machine(now_ns=1000 * MS, followers=ready(silent))
        exact = 1000 * MS - machine.followers["hand"].beat_ns
        assert Rig().work().tick(machine=machine).state.working == (exact <= 250 * MS)


def test_at_rest_boundary():
    for level in around(0.05):
        rig = Rig()
        rig.tick(LET_GO, machine=ARM, hand=replace(HAND, activation=np.eye(39)[7] * level))
        assert (rig.state is State.ARMING) == (level <= 0.05)


def test_an_attendant_who_holds_on_is_enough():
    rig = Rig().work()
    machine = Machine(attendant_wanted=True, orders=Orders(attended=True))
    assert rig.tick(machine=machine).state is State.ACTIVE
    assert rig.tick(machine=Machine(orders=Orders(attended=False))).state is State.ACTIVE


# --- limits of the command --------------------------------------------------------------


@pytest.mark.parametrize(
    "wish, counted",
    [
        *((w, False) for w in (0.0, 1.0, 1.0 + 0.9e-6, -0.9e-6, -1e-6)),
        *((w, True) for w in (1.0 + 1.1e-6, -1.1e-6, 1.5, -1.5, 1e308, -1e308)),
    ],
)
def test_excitation_range_is_limited_and_counted(wish, counted):
    wishes = np.full(N, 0.25)
    wishes[7] = wish
    rig = Rig().work(np.full(N, 0.5, np.float32))
    rig.tick(GO, np.full(N, 0.25, np.float32) + 0.5 * np.eye(N, dtype=np.float32)[7])
    seen = rig.tick(GO, wishes)
    expected = np.float32(np.clip(wish, max(0.0, 0.75 - 0.5), 1))
    assert bool(seen.reasons & Reason.RANGE) == counted
    assert seen.state is State.ACTIVE, "a limited wish does not end the work"
    assert seen.excitation[7] == expected
    np.testing.assert_array_equal(np.delete(seen.excitation, 7), np.float32(0.25))


@pytest.mark.parametrize("slew_per_s", [8.0, 1.0])
@pytest.mark.parametrize("sign", [1.0, -1.0])
@pytest.mark.parametrize(
    "excess, counted", [(-0.01, False), (0.0, False), (0.9e-6, False), (1.2e-6, True), (0.3, True)]
)
def test_slew_is_limited_and_counted(slew_per_s, sign, excess, counted):
    rig = Rig(slew_per_s=slew_per_s).work(HALF, ticks=60)
    slew = slew_per_s * PERIOD_S
    wishes = np.full(N, 0.5)
    wishes[3] += sign * (slew + excess)
    seen = rig.tick(GO, wishes)
    assert seen.reasons == (Reason.SLEW if counted else 0)
    assert seen.state is State.ACTIVE
    expected = 0.5 + sign * (slew + min(0.0, excess))
    np.testing.assert_allclose(seen.excitation[3], expected, atol=ULP)
    np.testing.assert_array_equal(np.delete(seen.excitation, 3), np.float32(0.5))


def test_a_wish_rises_at_the_slew():
    rig = Rig(slew_per_s=4.0).arm()
    levels = [float(rig.tick(GO, ONE_FULL).excitation[0]) for _ in range(12)]
    np.testing.assert_allclose(levels, np.minimum(0.1 * np.arange(1, 13), 1.0), atol=ULP)
    assert rig.report() == {"slew": 9}


def test_slew_starts_from_what_was_sent():
    rig = Rig(slew_per_s=4.0).work(ONE_FULL, ticks=1)
    rig.rest()
    rig.arm()
    assert rig.tick(GO, ONE_FULL).excitation[0] == pytest.approx(0.1)


def test_ceilings_of_all_and_of_one():
    rig = Rig(excitation_max=0.4, excitation_max_of={MUSCLES[2]: 0.1, MUSCLES[3]: 0.9}).work()
    seen = rig.tick(GO, HALF)
    np.testing.assert_allclose(seen.excitation[[0, 2, 3]], [0.4, 0.1, 0.4], atol=ULP)
    assert seen.reasons == Reason.CEILING and seen.state is State.ACTIVE


def test_ceiling_boundary():
    for level in (0.4 - 1e-5, 0.4, 0.4 + 0.9e-6, 0.4 + 1.2e-6):
        rig = Rig(excitation_max=0.4).work(np.full(N, 0.35, np.float32))
        seen = rig.tick(GO, np.full(N, level))
        assert bool(seen.reasons & Reason.CEILING) == (level > 0.4 + 1e-6)
        assert seen.excitation.max() <= np.float32(0.4)


def test_the_total_is_shared_among_what_rises():
    rig = Rig(excitation_total_max=5.0).work(np.full(N, 0.1, np.float32))
    wish = np.where(np.arange(N) < 10, 0.5, 0.1).astype(np.float32)  # sum 7.9, was 3.9
    seen = rig.tick(GO, wish)
    assert seen.reasons == Reason.TOTAL and seen.state is State.ACTIVE
    assert seen.excitation.sum() == pytest.approx(5.0, abs=1e-4)
    np.testing.assert_allclose(seen.excitation[10:], 0.1, atol=ULP)
    np.testing.assert_allclose(seen.excitation[:10], 0.1 + 0.4 * 1.1 / 4.0, atol=1e-5)


def test_what_falls_makes_room_for_what_rises():
    rig = Rig(excitation_total_max=5.0).work(np.where(np.arange(N) < 10, 0.5, 0.0))
    wish = np.where((np.arange(N) >= 10) & (np.arange(N) < 20), 0.5, 0.0)
    seen = rig.tick(GO, wish)
    assert seen.reasons == 0
    np.testing.assert_allclose(seen.excitation, wish, atol=ULP)


def test_a_full_total_lets_nothing_rise():
    rig = Rig(excitation_total_max=5.0).work(np.where(np.arange(N) < 10, 0.5, 0.0))
    wish = np.where(np.arange(N) < 20, 0.5, 0.0)
    seen = rig.tick(GO, wish)
    assert seen.reasons == Reason.TOTAL
    np.testing.assert_allclose(seen.excitation, np.where(np.arange(N) < 10, 0.5, 0.0), atol=1e-5)


def test_the_window_bounds_the_rise():
    rig = Rig(window_ms=100.0, window_rise_max=0.2).arm()
    levels = [float(rig.tick(GO, ONE_FULL).excitation[0]) for _ in range(13)]
    expected = [0.2] * 4 + [0.4] * 4 + [0.6] * 4 + [0.8]
    np.testing.assert_allclose(levels, expected, atol=1e-5)
    assert rig.report()["window"] == 13


def test_the_window_does_not_bound_the_fall():
    rig = Rig(window_ms=100.0, window_rise_max=0.5).work(HALF)
    seen = rig.tick(GO, ZERO)
    assert seen.reasons == 0 and not seen.excitation.any()
    seen = rig.tick(GO, HALF)
    np.testing.assert_allclose(seen.excitation, HALF, atol=ULP)


@pytest.mark.parametrize(
    "period_s, ticks", [(0.025, 4), (0.1 / 4.002, 5), (0.03, 4), (0.1, 1), (0.2, 1)]
)
def test_the_window_lasts_at_least_its_time(period_s, ticks):
    rig = Rig(period_s=period_s, window_ms=100.0, window_rise_max=0.2).arm()
    levels = [float(rig.tick(GO, ONE_FULL).excitation[0]) for _ in range(ticks + 1)]
    np.testing.assert_allclose(levels, [0.2] * ticks + [0.4], atol=1e-5)


def test_the_most_restrictive_limit_wins():
    limits = {"slew_per_s": 20.0, "excitation_max": 0.6, "window_rise_max": 0.3}
    seen = Rig(**limits).arm().tick(GO, ONE_FULL)
    assert seen.excitation[0] == pytest.approx(0.3)
    assert seen.reasons == Reason.CEILING | Reason.SLEW | Reason.WINDOW


@pytest.mark.parametrize("period_s, ticks", [(0.025, 10), (0.001, 250), (0.1, 3)])
def test_relax_time_does_not_depend_on_the_rate(period_s, ticks):
    rig = Rig(period_s=period_s).work(ONE_FULL, ticks=60)
    count = 1
    while not rig.tick(LET_GO).relaxed:
        count += 1
    assert ticks <= count <= ticks + 1


@pytest.mark.parametrize("relax_within_ms", [10.0, 1e-200])
def test_relax_within_less_than_a_tick_is_a_step(relax_within_ms):
    assert Rig(relax_within_ms=relax_within_ms).work(HALF).tick(LET_GO).relaxed


# --- actions ----------------------------------------------------------------------------

TRIGGERS = {
    Reason.INTENTION_FAULT: {"intention": intend(fault="x")},
    Reason.INTENTION_INVALID: {"intention": intend(1e6)},
    Reason.INTENTION_STALE: {"intention": intend(age_s=0.4)},
    Reason.COMMAND_NOT_FINITE: {"wish": np.full(N, np.nan)},
    Reason.COMMAND_SHAPE: {"wish": np.zeros(3)},
    Reason.RANGE: {"wish": np.full(N, 0.5) + np.eye(N)[0]},
    Reason.CEILING: {"wish": np.full(N, 0.45) + np.eye(N)[0] * 0.51},
    Reason.TOTAL: {"wish": np.full(N, 0.53)},
    Reason.SLEW: {"wish": np.full(N, 0.4) - np.eye(N)[0] * 0.4},
    Reason.WINDOW: {"wish": np.full(N, 0.45) + np.eye(N)[0] * 0.43},
    Reason.FEEDBACK_NOT_FINITE: {"hand": NAN_HAND},
    Reason.FEEDBACK_STALE: {"hand": replace(HAND, age_s=1.0)},
    Reason.JOINT_ANGLE: {"hand": replace(HAND, joint_pos=np.full(23, 3.0))},
    Reason.JOINT_SPEED: {"hand": replace(HAND, joint_vel=np.full(23, 99.0))},
    Reason.DEADLINES: {"machine": Machine(missed=99)},
    Reason.FOLLOWER: {"machine": FAULTS["follower faulty"][0]},
    Reason.ATTENDANT_LOST: {"machine": Machine(attendant_wanted=True)},
}
TIGHT = {"slew_per_s": 16.0, "window_rise_max": 0.3, "excitation_max": 0.95}


@pytest.mark.parametrize("action", Action)
@pytest.mark.parametrize("reason", BUILT_IN, ids=lambda reason: reason.name)
def test_a_violation_leads_where_the_file_says(reason, action):
    if list(Action).index(action) < list(Action).index(BUILT_IN[reason]):
        return  # the file is refused: test_limits.py
    limits = {} if reason is Reason.TOTAL else TIGHT
    rig = Rig(**limits, actions={reason.name.lower(): action}).work(HALF, ticks=60)
    seen = rig.tick(**TRIGGERS[reason])
    assert seen.reasons & reason
    leads = {Action.LIMIT: State.ACTIVE, Action.RELAX: State.RELAXING, Action.LATCH: State.FAULT}
    assert seen.state is leads[action]
    if action is not Action.LIMIT:
        np.testing.assert_allclose(seen.excitation, 0.4, atol=1e-5, err_msg="the ramp, no more")


def test_every_reason_that_a_file_can_name_has_a_trigger_here():
    assert set(TRIGGERS) == set(BUILT_IN)


def test_the_strictest_of_several_wins():
    rig = Rig().work()
    assert rig.tick(intend(1e6), hand=NAN_HAND).state is State.FAULT
    rig = Rig(actions={"range": "latch"}).work()
    seen = rig.tick(wish=np.full(N, 1.5))
    assert seen.state is State.FAULT


# --- reasons ----------------------------------------------------------------------------


def test_reasons_of_a_tick_do_not_stay():
    rig = Rig().work()
    assert rig.tick(GO, HALF - 0.6).reasons == Reason.RANGE
    assert rig.tick(GO, ZERO).reasons == 0
    assert rig.report() == {"range": 1}


def test_several_reasons_are_counted_each():
    rig = Rig().work()
    bad = intend(math.nan, engage=math.nan, age_s=math.inf, fault="all at once")
    seen = rig.tick(bad, machine=Machine(missed=9), hand=NAN_HAND)
    expected = [
        *("disengaged", "intention_fault", "intention_invalid"),
        *("intention_stale", "feedback_not_finite", "deadlines"),
    ]
    assert names(Reason(seen.reasons)) == expected
    assert rig.report() == dict.fromkeys(expected, 1)


def test_violations_are_told_at_rest_as_well():
    rig = Rig()
    rig.tick(intend(age_s=0.4), machine=Machine(stopping=True))
    assert rig.supervisor.violations == Reason.INTENTION_STALE | Reason.STOPPING
    rig.tick(GO)
    assert rig.supervisor.violations == 0


def test_reasons_of_a_record_in_words():
    assert reasons(np.int64(Reason.ESTOP | Reason.SLEW)) == ["estop", "slew"]
    assert reasons(0) == []


def test_everything_wrong_with_hand_and_machine_is_told_at_once():
    bad = replace(HAND, age_s=1.0, joint_pos=np.full(23, 9.0), joint_vel=np.full(23, 99.0))
    machine = Machine(
        1000 * MS, 99, followers=ready(state=FollowerState.FAULT), attendant_wanted=True
    )
    seen = Rig().work().tick(machine=machine, hand=bad)
    assert names(Reason(seen.reasons)) == [
        *("feedback_stale", "joint_angle", "joint_speed"),
        *("deadlines", "follower", "attendant_lost"),
    ]


def test_every_word_has_a_bit_of_its_own():
    for kind in (Reason, Missing, Order):
        bits = [int(one) for one in kind]
        assert bits == [1 << k for k in range(len(bits))], "recordings hold these numbers"
    assert set(WHAT_IS_MISSING) == set(Missing)


def test_states_keep_their_numbers():
    expected = ["DISARMED", "ARMING", "ACTIVE", "HOLD", "RELAXING", "FAULT"]
    assert [state.name for state in sorted(State)] == expected, "recordings hold these"
    assert {state for state in State if state.working} == {State.ACTIVE, State.HOLD}


# --- anything at all --------------------------------------------------------------------

EDGES = [0.0, 0.02, 0.1, 0.1001, 0.3, 0.3001, 0.49, 0.5, 0.51, 1.0, 1.01, 1.02, 1.03, 1e6, 3e38]
NUMBERS = st.one_of(
    st.sampled_from([*EDGES, *(-x for x in EDGES), math.nan, math.inf, -math.inf]), st.floats()
)
SHAPES = [(1,), (0,), (2,), (1, 1), ()]
VALUES = st.one_of(
    st.sampled_from([0.0, 0.5, -1.0]).map(lambda v: np.array([v])),
    st.builds(np.full, st.sampled_from([(1,), (1,), *SHAPES]), NUMBERS),
)
INTENTIONS = st.one_of(
    st.sampled_from([GO, LET_GO, GO, LET_GO, LATE, intend(0.5, age_s=0.05)]),
    st.builds(
        Intention,
        VALUES,
        st.one_of(st.sampled_from([0.0, 1.0]), NUMBERS),
        st.one_of(st.just(0.0), NUMBERS),
        st.sampled_from(["", "", "", "broken"]),
        correction_s=st.sampled_from([0.0, math.nan]),
    ),
)


@st.composite
def wishes(draw):
    """A wish of the right shape, levels in two halves; sometimes misshapen."""
    low, high = draw(NUMBERS), draw(NUMBERS)
    dtype = draw(st.sampled_from([np.float32, np.float64]))
    with np.errstate(over="ignore"):
        wish = np.where(np.arange(N) % 2, low, high).astype(dtype)
    if draw(st.integers(0, 9)) == 0:
        return draw(st.sampled_from([wish[1:], wish[None], wish[0], np.append(wish, 0.0)]))
    return wish


ORDINARY = st.builds(lambda x: np.full(N, x, np.float32), st.floats(0, 1, width=32))
HANDS = st.sampled_from(
    [HAND] * 12 + [NAN_HAND, replace(HAND, age_s=1.0), replace(HAND, joint_vel=np.full(23, 70.0))]
)
MACHINES = st.one_of(
    st.sampled_from([QUIET] * 8 + [ARM, RESET, DISARM, ESTOP, Machine(stopping=True)]),
    st.builds(
        Machine,
        now_ns=st.just(1000 * MS),
        missed=st.sampled_from([0, 0, 1, 9]),
        orders=st.builds(Orders, st.integers(0, 15).map(Order)),
        followers=st.sampled_from([{}, ready(), ready(400.0)]),
    ),
)
TICKS = st.tuples(INTENTIONS, st.one_of(ORDINARY, ORDINARY, wishes()), MACHINES, HANDS)
CYCLE = [
    (LET_GO, HALF, RESET, HAND),
    (LET_GO, HALF, ARM, HAND),
    (GO, HALF, QUIET, HAND),
    (GO, HALF, QUIET, HAND),
]
REST = [(LET_GO, HALF, QUIET, HAND)] * 12


@st.composite
def runs(draw):
    """Ticks with whole starts and rests sown in, so that work and rest are both reached."""
    ticks = []
    for _ in range(draw(st.integers(1, 6))):
        ticks += draw(st.sampled_from([[], CYCLE, REST + CYCLE]))
        ticks += draw(st.lists(TICKS, max_size=12))
    return ticks


def good(intention, machine, hand) -> bool:
    """Whether everything about a tick allows work (channel: -1 to 1)."""
    values = np.asarray(intention.values)
    return (
        hand is HAND
        and not intention.fault
        and values.shape == (1,)
        and -1.02 <= values[0] <= 1.02
        and 0.5 <= intention.engage <= 1.01
        and -0.1 <= intention.age_s <= 0.3
        and not machine.stopping
        and machine.missed < 9
        and not machine.orders.order & (Order.ESTOP | Order.DISARM)
        and machine.followers != ready(400.0)
    )


@settings(max_examples=150, deadline=None, derandomize=True, database=None)
@given(
    run=runs(),
    period_s=st.sampled_from([0.025, 0.01, 0.1]),
    slew_per_s=st.sampled_from([20.0, 4.0, 0.5]),
    relax_ms=st.sampled_from([250.0, 100.0, 300.0]),
    rise=st.sampled_from([1.0, 0.2]),
    total=st.sampled_from([20.0, 3.0]),
)
@example(run=CYCLE * 3, period_s=0.025, slew_per_s=20.0, relax_ms=250.0, rise=1.0, total=20.0)
def test_any_sequence_at_all(run, period_s, slew_per_s, relax_ms, rise, total):
    rig = Rig(
        period_s=period_s,
        slew_per_s=slew_per_s,
        relax_within_ms=relax_ms,
        window_rise_max=rise,
        excitation_total_max=total,
    )
    slew, fall = slew_per_s * period_s, min(1.0, period_s / (relax_ms / 1e3))
    window = max(1, math.ceil(0.1 / period_s - 1e-9))
    sent, armed, since, was = [np.zeros(N)], False, 0, State.DISARMED
    for intention, wish, machine, hand in run:
        seen = rig.tick(intention, wish, machine, hand)
        out, order = seen.excitation.astype(float), machine.orders.order

        # what must always hold
        assert seen.excitation.shape == (N,) and seen.excitation.dtype == np.float32
        assert np.isfinite(out).all() and out.min() >= 0.0 and out.max() <= 1.0
        assert out.sum() <= total + 1e-4
        change = out - sent[-1]
        assert change.max() <= slew + ULP
        lowest = np.min(sent[-window:], axis=0)
        assert (out - lowest).max() <= rise + ULP
        if Order.ESTOP in order:
            assert seen.state is State.FAULT and not out.any()
        elif seen.state is not State.FAULT:
            assert change.min() >= -max(slew, fall) - ULP

        # nothing rises, nothing works, unless it was armed and everything is good
        if seen.state.working:
            assert armed and good(intention, machine, hand)
            since = 0
        else:
            since += 1
            assert (change <= 0).all(), "nothing rises unless it may work"
            assert seen.relaxed == (not out.any())
            if since >= math.ceil(relax_ms / 1e3 / period_s) + 1:
                assert seen.relaxed
        if was is State.FAULT and seen.state is not State.FAULT:
            assert seen.state is State.DISARMED and Order.RESET in order and not sent[-1].any()
        if seen.state is State.ARMING:
            armed = True
        if seen.state in (State.DISARMED, State.RELAXING, State.FAULT):
            armed = False
        if seen.state is State.ARMING and was is not State.ARMING:
            assert was is State.DISARMED and Order.ARM in order and intention.engage < 0.5
        sent.append(out)
        was = seen.state
    assert all(count <= len(run) for count in rig.report().values())
