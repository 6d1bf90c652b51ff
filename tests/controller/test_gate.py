"""The gate against a plain restatement of its rules, and a sweep round each boundary."""

import itertools
import math
from typing import NamedTuple

import numpy as np
import pytest
from controller.gate import Gate, Reason, State, names
from hypothesis import example, given, settings
from hypothesis import strategies as st

from controller.messages import Intention
from controller.names import MUSCLES
from controller.session import GateSettings
from controller.skills.skill import Channel

N = len(MUSCLES)
PERIOD_S = 0.025
ROTATION = Channel("rotation", -1.0, 1.0, "")
LIFT = Channel("lift", 0.0, 10.0, "")
FULL = np.ones(N, np.float32)
HALF = np.full(N, 0.5, np.float32)
ULP = 1e-6  # float32 rounding of a step


def intend(value=0.0, engage=1.0, age_s=0.0, fault=""):
    return Intention(np.atleast_1d(np.asarray(value, float)), engage, age_s, fault)


GO, LET_GO = intend(), intend(engage=0.0)


class Seen(NamedTuple):
    """A command, and whether the goal may move on."""

    excitation: np.ndarray
    reasons: int
    moving: bool
    relaxed: bool


def make(channels=(ROTATION,), period_s=PERIOD_S, **limits):
    return Gate(GateSettings(**limits), channels, period_s)


def step(gate, intention=GO, wish=HALF, finite=True):
    """One tick; the command's memory belongs to the gate, so it is copied."""
    gate.admit(intention, finite)
    command = gate.allow(wish)
    return Seen(
        command.excitation.copy(), command.reasons, gate.state is State.ACTIVE, command.relaxed
    )


def active(wish=HALF, ticks=4, **kwargs):
    """A gate that has worked for some ticks."""
    gate = make(**kwargs)
    step(gate, LET_GO)
    for _ in range(ticks):
        step(gate, GO, wish)
    assert gate.state is State.ACTIVE
    gate.counts = dict.fromkeys(gate.counts, 0)
    return gate


# --- from rest to work ------------------------------------------------------------------


def test_nothing_moves_before_engage_was_low():
    gate = make()
    for _ in range(100):
        command = step(gate)
        assert not command.excitation.any() and command.relaxed and not command.moving
    assert gate.state is State.RELAXED


def test_without_any_intention_the_hand_is_relaxed():
    command = make().allow(FULL)
    assert command.relaxed and not command.excitation.any() and command.reasons == 0


def test_admitting_tells_the_state_it_leads_to():
    gate = make()
    states = [gate.admit(intention) for intention in (GO, LET_GO, GO, intend(age_s=0.2), LET_GO)]
    assert states == [*(State.RELAXED, State.READY, State.ACTIVE, State.HOLDING, State.RELAXING)]


def test_low_then_high_starts():
    gate = make()
    command = step(gate, LET_GO)
    assert gate.state is State.READY and command.relaxed and not command.moving
    command = step(gate, GO)
    assert gate.state is State.ACTIVE and command.moving and not command.relaxed
    np.testing.assert_array_equal(command.excitation, HALF)


def test_ready_waits_as_long_as_it_takes():
    gate = make()
    for _ in range(100):
        assert step(gate, LET_GO).relaxed
    assert step(gate, GO).moving


@pytest.mark.parametrize(
    "spoilt",
    [
        pytest.param({"age_s": 0.1001}, id="late"),
        pytest.param({"age_s": math.inf}, id="no sample yet"),
        pytest.param({"age_s": math.nan}, id="age not a number"),
        pytest.param({"age_s": -0.1001}, id="from the future"),
        pytest.param({"age_s": -math.inf}, id="from the endless future"),
        pytest.param({"value": math.nan}, id="not a number"),
        pytest.param({"value": 1e6}, id="a million"),
        pytest.param({"fault": "clock jumped"}, id="fault"),
        pytest.param({"finite": False}, id="feedback"),
    ],
)
@pytest.mark.parametrize("engage", [0.0, 1.0])
def test_a_spoilt_sample_neither_readies_nor_starts(spoilt, engage):
    spoilt = dict(spoilt)
    finite = spoilt.pop("finite", True)
    gate = make()
    step(gate, intend(engage=engage, **spoilt), finite=finite)
    assert gate.state is State.RELAXED, "a low dead-man counts only in a sample to be trusted"
    step(gate, LET_GO)
    assert gate.state is State.READY
    step(gate, intend(engage=engage, **spoilt), finite=finite)
    assert gate.state is State.RELAXED
    for _ in range(5):
        assert step(gate, GO).relaxed, "the dead-man must be low again first"


@pytest.mark.parametrize("engage", [math.nan, math.inf, -math.inf, -0.0101, 1.0101])
def test_an_impossible_engage_readies_nothing(engage):
    gate = make()
    step(gate, intend(engage=engage))
    step(gate, GO)
    assert gate.state is State.RELAXED


# --- what ends the work -----------------------------------------------------------------

REVOCATIONS = {
    "let go": ({"engage": 0.0}, Reason.DISENGAGED),
    "engage below half": ({"engage": 0.4999999}, Reason.DISENGAGED),
    "engage nan": ({"engage": math.nan}, Reason.DISENGAGED | Reason.INTENTION_INVALID),
    "engage inf": ({"engage": math.inf}, Reason.INTENTION_INVALID),
    "engage negative": ({"engage": -1.0}, Reason.DISENGAGED | Reason.INTENTION_INVALID),
    "engage 255": ({"engage": 255.0}, Reason.INTENTION_INVALID),
    "nan": ({"value": math.nan}, Reason.INTENTION_INVALID),
    "inf": ({"value": math.inf}, Reason.INTENTION_INVALID),
    "minus inf": ({"value": -math.inf}, Reason.INTENTION_INVALID),
    "a million": ({"value": 1e6}, Reason.INTENTION_INVALID),
    "minus a million": ({"value": -1e6}, Reason.INTENTION_INVALID),
    "two channels": ({"value": [0.0, 0.0]}, Reason.INTENTION_INVALID),
    "no channel": ({"value": []}, Reason.INTENTION_INVALID),
    "fault": ({"fault": "stream changed"}, Reason.INTENTION_FAULT),
    "stale": ({"age_s": 0.3001}, Reason.INTENTION_STALE_RELAX),
    "age inf": ({"age_s": math.inf}, Reason.INTENTION_STALE_RELAX),
    "age nan": ({"age_s": math.nan}, Reason.INTENTION_STALE_RELAX),
    "stamp ahead": ({"age_s": -0.1001}, Reason.INTENTION_INVALID),
    "stamp far ahead": ({"age_s": -math.inf}, Reason.INTENTION_INVALID),
}


@pytest.mark.parametrize("name", REVOCATIONS)
@pytest.mark.parametrize("holding", [False, True])
def test_a_revocation_ramps_to_rest_and_stays_there(name, holding):
    fields, reason = REVOCATIONS[name]
    gate = active(FULL)
    if holding:
        step(gate, intend(age_s=0.2), FULL)
        assert gate.state is State.HOLDING
        gate.counts = dict.fromkeys(gate.counts, 0)
    command = step(gate, intend(**fields), FULL)
    assert command.reasons == reason and not command.moving and not command.relaxed
    assert gate.report() == dict.fromkeys(names(reason), 1)
    np.testing.assert_allclose(command.excitation, 0.9, atol=ULP)
    levels = [0.9]
    while not command.relaxed:
        command = step(gate, GO, FULL)
        levels.append(float(command.excitation.max()))
        assert len(levels) <= 11, "250 ms and a tick"
    np.testing.assert_allclose(levels, np.maximum(0.9 - 0.1 * np.arange(len(levels)), 0), atol=ULP)
    for _ in range(50):
        command = step(gate, GO, FULL)
        assert command.relaxed and not command.excitation.any()
    assert gate.state is State.RELAXED
    step(gate, LET_GO, FULL)
    assert step(gate, GO, FULL).excitation.any()


@pytest.mark.parametrize(
    "wish, reason",
    [
        (np.full(N, np.nan), Reason.COMMAND_NOT_FINITE),
        (np.where(np.arange(N) == N - 1, np.inf, 0.5), Reason.COMMAND_NOT_FINITE),
        (np.where(np.arange(N) == 0, -np.inf, 0.5), Reason.COMMAND_NOT_FINITE),
        (np.zeros(N - 1), Reason.COMMAND_SHAPE),
        (np.zeros(N + 1), Reason.COMMAND_SHAPE),
        (np.zeros((1, N)), Reason.COMMAND_SHAPE),
        (np.float32(0.5), Reason.COMMAND_SHAPE),
        (np.full(3, np.nan), Reason.COMMAND_SHAPE),
        (None, Reason.COMMAND_SHAPE),
    ],
)
def test_a_broken_wish_relaxes_at_once(wish, reason):
    gate = active(FULL)
    command = step(gate, GO, wish)
    assert command.reasons == reason and not command.moving
    assert gate.state is State.RELAXING
    np.testing.assert_allclose(command.excitation, 0.9, atol=ULP)
    for _ in range(9):
        command = step(gate, GO, FULL)
    assert command.relaxed
    assert step(gate, GO, FULL).relaxed
    assert gate.report() == dict.fromkeys(names(reason), 10), "every tick of the ramp"


def test_feedback_that_is_not_finite_relaxes():
    gate = active(FULL)
    command = step(gate, GO, FULL, finite=False)
    assert command.reasons == Reason.FEEDBACK_NOT_FINITE and not command.moving
    np.testing.assert_allclose(command.excitation, 0.9, atol=ULP)


def test_at_rest_a_wish_is_not_even_looked_at():
    gate = make()
    for intention in (GO, LET_GO, LET_GO):
        command = step(gate, intention, np.full(3, np.nan))
        assert command.relaxed and command.reasons == 0
    assert gate.report() == {}


def test_letting_go_for_one_tick_while_ramping_down_starts_nothing():
    gate = active(FULL)
    step(gate, LET_GO, FULL)
    step(gate, GO, FULL)
    step(gate, LET_GO, FULL)
    for _ in range(30):
        last = step(gate, GO, FULL)
    assert last.relaxed and gate.state is State.RELAXED


def test_let_go_until_rest_is_ready_on_the_tick_after_rest():
    gate = active(FULL)
    while not step(gate, LET_GO, FULL).relaxed:
        assert gate.state is State.RELAXING
    assert gate.state is State.RELAXING
    step(gate, LET_GO, FULL)
    assert gate.state is State.READY


def test_one_muscle_still_ramping_is_not_rest():
    wish = np.zeros(N, np.float32)
    wish[N - 1] = 1.0
    gate = active(wish)
    for _ in range(9):
        command = step(gate, LET_GO)
        assert not command.relaxed and gate.state is State.RELAXING
    assert step(gate, LET_GO).relaxed


def test_revoked_from_nothing_is_relaxed_at_once():
    gate = active(np.zeros(N, np.float32))
    command = step(gate, LET_GO)
    assert command.relaxed and not command.moving


def test_working_at_zero_is_not_the_relaxed_hand():
    gate = active(np.zeros(N, np.float32))
    assert not step(gate, GO, np.zeros(N, np.float32)).relaxed


# --- late intentions --------------------------------------------------------------------


def test_holding_lets_wishes_pass_and_is_counted():
    gate = active()
    command = step(gate, intend(age_s=0.2), FULL)
    assert gate.state is State.HOLDING and not command.moving and not command.relaxed
    assert command.reasons == Reason.INTENTION_STALE_HOLD
    np.testing.assert_array_equal(command.excitation, FULL)
    assert gate.report() == {"intention_stale_hold": 1}
    command = step(gate, GO, FULL)
    assert gate.state is State.ACTIVE and command.moving and command.reasons == 0


def test_a_stream_that_falls_silent_holds_then_relaxes():
    gate = active()
    states = [gate.state if step(gate, intend(age_s=k * 0.01)) else None for k in range(60)]
    assert states[:11] == [State.ACTIVE] * 11
    assert states[11:31] == [State.HOLDING] * 20
    assert State.ACTIVE not in states[31:] and State.HOLDING not in states[31:]
    assert gate.stale_ticks == 49


def test_stale_ticks_count_at_rest_too():
    gate = make()
    for age in (math.inf, math.nan, 0.11, 0.1, -0.1, 0.0):
        step(gate, intend(age_s=age))
    assert gate.stale_ticks == 3
    assert gate.report() == {}, "nothing was withheld"


# --- boundaries -------------------------------------------------------------------------


def around(value, span=1e-3, count=201):
    """Values round a boundary: a sweep, and the nearest neighbours on both sides."""
    sweep = np.linspace(value - span, value + span, count)
    return sorted({*sweep, value, np.nextafter(value, -9), np.nextafter(value, 9)})


def test_engage_boundary():
    for engage in around(0.5):
        gate = active()
        assert step(gate, intend(engage=engage)).moving == (engage >= 0.5)
        gate = make()
        step(gate, intend(engage=engage))
        assert (gate.state is State.READY) == (engage < 0.5)
        gate = make()
        step(gate, LET_GO)
        assert step(gate, intend(engage=engage)).moving == (engage >= 0.5)


def test_hold_boundary():
    for age in around(0.1):
        gate = active()
        assert step(gate, intend(age_s=age)).moving == (age <= 0.1)
        assert gate.state is (State.ACTIVE if age <= 0.1 else State.HOLDING)
        gate = make()
        step(gate, intend(engage=0.0, age_s=age))
        assert (gate.state is State.READY) == (age <= 0.1)


def test_relax_boundary():
    for age in around(0.3):
        gate = active()
        command = step(gate, intend(age_s=age))
        assert gate.state is (State.HOLDING if age <= 0.3 else State.RELAXING)
        expected = Reason.INTENTION_STALE_HOLD if age <= 0.3 else Reason.INTENTION_STALE_RELAX
        assert command.reasons == expected


def test_future_boundary():
    for age in around(-0.1):
        gate = active()
        assert step(gate, intend(age_s=age)).moving == (age >= -0.1)


def test_range_boundary():
    for sign, size in itertools.product((-1.0, 1.0), around(1.02)):
        gate = active()
        assert step(gate, intend(sign * size)).moving == (size <= 1.02), "a share of the span, 2"


def test_engage_range_boundary():
    for engage in (*around(-0.01), *around(1.01)):
        gate = active()
        command = step(gate, intend(engage=engage))
        legal = -0.01 <= engage <= 1.01
        assert bool(command.reasons & Reason.INTENTION_INVALID) != legal


def test_each_channel_has_its_own_range():
    def moves(*values):
        gate = make((ROTATION, LIFT))
        step(gate, intend([0.0, 0.0], engage=0.0))
        return step(gate, intend(values)).moving

    assert moves(1.0, 10.0) and moves(-1.0, 0.0) and moves(1.02, 10.1) and moves(-1.02, -0.1)
    assert not moves(1.03, 5.0) and not moves(0.0, 10.11) and not moves(0.0, -0.11)
    assert not moves(5.0, 0.5) and not moves(-1.03, 5.0) and not moves(0.0, math.nan)


@pytest.mark.parametrize(
    "wish, counted",
    [
        (0.0, False),
        (1.0, False),
        (1.0 + 0.9e-6, False),
        (-0.9e-6, False),
        (-1e-6, False),
        (1.0 + 1.1e-6, True),
        (-1.1e-6, True),
        (1.5, True),
        (-1.5, True),
        (1e308, True),
        (-1e308, True),
    ],
)
def test_excitation_range_is_limited_and_counted(wish, counted):
    wishes = np.full(N, 0.5)
    wishes[7] = wish
    gate = active(np.full(N, 0.5, np.float32), slew_per_s=20.0)
    command = step(gate, GO, wishes)
    assert command.reasons == (Reason.RANGE if counted else 0)
    assert command.moving, "a limited wish does not end the work"
    assert command.excitation[7] == np.float32(np.clip(wish, 0, 1))
    np.testing.assert_array_equal(np.delete(command.excitation, 7), np.float32(0.5))


@pytest.mark.parametrize("slew_per_s", [8.0, 1.0])
@pytest.mark.parametrize("sign", [1.0, -1.0])
@pytest.mark.parametrize(
    "excess, counted", [(-0.01, False), (0.0, False), (0.9e-6, False), (1.2e-6, True), (0.3, True)]
)
def test_slew_is_limited_and_counted(slew_per_s, sign, excess, counted):
    gate = active(HALF, ticks=60, slew_per_s=slew_per_s)
    slew = slew_per_s * PERIOD_S
    wishes = np.full(N, 0.5)
    wishes[3] += sign * (slew + excess)
    command = step(gate, GO, wishes)
    assert command.reasons == (Reason.SLEW if counted else 0)
    assert command.moving, "a limited wish does not end the work"
    expected = 0.5 + sign * (slew + min(0.0, excess))
    np.testing.assert_allclose(command.excitation[3], expected, atol=ULP)
    np.testing.assert_array_equal(np.delete(command.excitation, 3), np.float32(0.5))


def test_a_full_wish_rises_at_the_slew():
    gate = make(slew_per_s=4.0)
    step(gate, LET_GO)
    levels = [float(step(gate, GO, FULL).excitation[0]) for _ in range(12)]
    np.testing.assert_allclose(levels, np.minimum(0.1 * np.arange(1, 13), 1.0), atol=ULP)
    assert gate.report() == {"slew": 9}


def test_slew_starts_from_what_was_sent():
    gate = active(FULL, ticks=1, slew_per_s=4.0)
    step(gate, LET_GO)
    while gate.state is not State.READY:
        step(gate, LET_GO)
    assert step(gate, GO, FULL).excitation[0] == pytest.approx(0.1)


@pytest.mark.parametrize("period_s, ticks", [(0.025, 10), (0.001, 250), (0.1, 3)])
def test_relax_time_does_not_depend_on_the_rate(period_s, ticks):
    gate = active(FULL, ticks=60, period_s=period_s)
    count = 1
    while not step(gate, LET_GO).relaxed:
        count += 1
    assert ticks <= count <= ticks + 1


@pytest.mark.parametrize("relax_within_ms", [10.0, 1e-200])
def test_relax_within_less_than_a_tick_is_a_step(relax_within_ms):
    gate = active(FULL, relax_within_ms=relax_within_ms)
    assert step(gate, LET_GO).relaxed


def test_settings_move_the_boundaries():
    gate = active(hold_after_ms=50.0, relax_after_ms=80.0)
    step(gate, intend(age_s=0.05))
    assert gate.state is State.ACTIVE
    step(gate, intend(age_s=0.06))
    assert gate.state is State.HOLDING
    step(gate, intend(age_s=0.081))
    assert gate.state is State.RELAXING


# --- reasons ----------------------------------------------------------------------------


def test_reasons_of_a_tick_do_not_stay():
    gate = active()
    assert step(gate, GO, FULL * 3).reasons == Reason.RANGE
    assert step(gate, GO, FULL).reasons == 0
    assert gate.report() == {"range": 1}


def test_several_reasons_are_counted_each():
    gate = active()
    bad = intend(math.nan, engage=math.nan, age_s=math.inf, fault="all at once")
    command = step(gate, bad, finite=False)
    assert names(command.reasons) == [
        *("disengaged", "intention_fault", "intention_invalid"),
        *("intention_stale_relax", "feedback_not_finite"),
    ]
    assert gate.report() == dict.fromkeys(names(command.reasons), 1)
    step(gate, bad, finite=False)
    assert gate.report() == dict.fromkeys(names(command.reasons), 2), "still withheld"


def test_names_of_nothing():
    assert names(0) == []


def test_every_reason_has_a_bit_of_its_own():
    bits = [int(reason) for reason in Reason]
    assert bits == [1 << k for k in range(len(bits))], "recordings hold these numbers"


def test_states_keep_their_numbers():
    expected = {"RELAXED": 0, "READY": 1, "ACTIVE": 2, "HOLDING": 3, "RELAXING": 4}
    assert {state.name: int(state) for state in State} == expected, "recordings hold these"
    assert {state for state in State if state.working} == {State.ACTIVE, State.HOLDING}


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
    st.sampled_from([GO, LET_GO, GO, LET_GO, intend(age_s=0.2), intend(0.5, age_s=0.05)]),
    st.builds(
        Intention,
        VALUES,
        st.one_of(st.sampled_from([0.0, 1.0]), NUMBERS),
        st.one_of(st.just(0.0), NUMBERS),
        st.sampled_from(["", "", "", "broken"]),
    ),
)


@st.composite
def wishes(draw):
    """A wish of the right shape, levels in two halves; sometimes with a spot, or misshapen."""
    low, high = draw(NUMBERS), draw(NUMBERS)
    dtype = draw(st.sampled_from([np.float32, np.float64]))
    with np.errstate(over="ignore"):
        wish = np.where(np.arange(N) % 2, low, high).astype(dtype)
    if draw(st.integers(0, 9)) == 0:
        return draw(st.sampled_from([wish[1:], wish[None], wish[0], np.append(wish, 0.0)]))
    return wish


ORDINARY = st.builds(lambda x: np.full(N, x, np.float32), st.floats(0, 1, width=32))
TICKS = st.tuples(
    INTENTIONS, st.one_of(ORDINARY, ORDINARY, wishes()), st.sampled_from([True] * 7 + [False])
)
CYCLE = [(LET_GO, FULL, True), (GO, FULL, True), (GO, FULL, True)]


@st.composite
def runs(draw):
    """Ticks with whole starts and rests sown in, so that work and rest are both reached."""
    ticks = []
    rest = [(LET_GO, FULL, True)] * 12
    for _ in range(draw(st.integers(1, 6))):
        ticks += draw(st.sampled_from([[], CYCLE, rest + CYCLE]))
        ticks += draw(st.lists(TICKS, max_size=12))
    return ticks


def trusted(intention, finite):
    """Whether a sample may be believed at all, engaged or not (channel: -1 to 1)."""
    values = np.asarray(intention.values)
    return (
        finite
        and not intention.fault
        and values.shape == (1,)
        and -1.02 <= values[0] <= 1.02
        and -0.01 <= intention.engage <= 1.01
    )


@settings(max_examples=120, deadline=None, derandomize=True, database=None)
@given(
    run=runs(),
    period_s=st.sampled_from([0.025, 0.01, 0.1]),
    slew_per_s=st.sampled_from([20.0, 4.0, 0.5]),
    relax_ms=st.sampled_from([250.0, 100.0, 300.0]),
)
@example(run=CYCLE * 3, period_s=0.025, slew_per_s=20.0, relax_ms=250.0)
def test_any_sequence_at_all(run, period_s, slew_per_s, relax_ms):
    gate = make(period_s=period_s, slew_per_s=slew_per_s, relax_within_ms=relax_ms)
    slew, fall = slew_per_s * period_s, min(1.0, period_s / (relax_ms / 1e3))
    before, phase, since = np.zeros(N, np.float32), "rest", 0
    for intention, wish, finite in run:
        command = step(gate, intention, wish, finite)
        out = command.excitation

        # the rules, restated
        fresh = -0.1 <= intention.age_s <= 0.1
        alive = -0.1 <= intention.age_s <= 0.3
        good = trusted(intention, finite)
        engaged = intention.engage >= 0.5
        usable = np.shape(wish) == (N,) and bool(np.isfinite(wish).all())
        if phase == "work":
            phase = "work" if good and alive and engaged and usable else "ramp"
            since = 0
        else:
            if phase == "ramp" and not before.any():
                phase = "rest"
            if phase == "ready" and good and fresh and engaged:
                phase = "work" if usable else "ramp"
                since = 0
            elif phase in ("rest", "ready"):
                phase = "ready" if good and fresh and not engaged else "rest"

        # what must always hold
        assert out.shape == (N,) and out.dtype == np.float32
        assert np.isfinite(out).all() and out.min() >= 0.0 and out.max() <= 1.0
        change = out.astype(float) - before
        assert change.max() <= slew + ULP
        assert change.min() >= -max(slew, fall) - ULP
        assert phase == "work" or (change <= 0).all(), "nothing rises unless it may work"
        if phase == "work":
            wanted = np.clip(np.clip(wish, 0, 1), before - slew, before + slew)
            assert command.moving == fresh and not command.relaxed
            assert bool(command.reasons & Reason.INTENTION_STALE_HOLD) == (not fresh)
        else:
            since += 1
            wanted = np.maximum(before - fall, 0)
            assert not command.moving
            assert command.relaxed == (not out.any())
            if since >= math.ceil(relax_ms / 1e3 / period_s) + 1:
                assert command.relaxed
        np.testing.assert_allclose(out, np.clip(wanted, 0, 1), atol=ULP)
        assert gate.state.working == (phase == "work")
        before = out
    assert all(count <= len(run) for count in gate.report().values())


def test_what_is_refused_at_rest_is_counted_but_silence_is_not():
    gate = make()
    for _ in range(3):
        step(gate, intend(np.nan))
    for _ in range(3):
        step(gate, intend(age_s=1.0))
    step(gate, LET_GO)
    assert gate.report() == {"intention_invalid": 3}


def test_resting_means_that_rest_was_sent():
    gate = active(FULL)
    assert not gate.resting
    step(gate, LET_GO)
    assert not gate.resting, "the ramp has begun, no more"
    for _ in range(10):
        step(gate, LET_GO)
    assert gate.resting
