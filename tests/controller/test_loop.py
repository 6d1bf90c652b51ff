"""The tick, with a fake source, plant and policy round the real skill and the real gate."""

import math
from dataclasses import fields, replace

import numpy as np
import pytest
from controller.gate import Gate, State

from controller.loop import Loop
from controller.messages import Feedback, Intention
from controller.names import MUSCLES
from controller.report import Ledger
from controller.session import GateSettings
from controller.skills import baoding

PERIOD_S = 0.025
GO = Intention(np.array([0.0]), 1.0, 0.0)
LET_GO = replace(GO, engage=0.0)
TURN = replace(GO, values=np.array([1.0]))


class Source:
    """Says what the test tells it to."""

    def __init__(self, log):
        self.now = LET_GO
        self.asked_at = []
        self._log = log

    def read(self, now_s):
        self._log.append("source.read")
        self.asked_at.append(now_s)
        return self.now

    def close(self):
        self._log.append("source.close")


class Plant:
    """Counts steps in ``time_s``; feedback is what the test sets."""

    def __init__(self, log, feedback):
        self.start = self.feedback = feedback
        self.sent = []
        self._log = log

    def reset(self):
        self._log.append("plant.reset")
        self.feedback = self.start

    def read(self):
        self._log.append("plant.read")
        return self.feedback

    def write(self, excitation):
        self._log.append("plant.write")
        self.sent.append(excitation.copy())


class Policy:
    """Wishes the same for ever; keeps what it was shown."""

    def __init__(self, log):
        self.wish = np.full(len(MUSCLES), 0.5, np.float32)
        self.seen = []
        self._log = log

    def reset(self):
        self._log.append("policy.reset")

    def infer(self, observation):
        self._log.append("policy.infer")
        self.seen.append(observation.copy())
        return self.wish


class Rig:
    """A loop and everything round it."""

    def __init__(self, feedback, terms=("phase_rate",), begin=None):
        self.log = []
        self.source, self.plant = Source(self.log), Plant(self.log, feedback)
        self.policy = Policy(self.log)
        self.gate = Gate(GateSettings(), baoding.CHANNELS, PERIOD_S)
        self.loop = Loop(
            *(self.source, self.plant, baoding, self.policy, self.gate, terms, PERIOD_S, begin)
        )
        self.ticks = 0

    def tick(self, intention, stopping=False):
        self.source.now = intention
        self.log.clear()
        self.ticks += 1
        return self.loop.tick(self.ticks * PERIOD_S, stopping)

    def work(self, ticks=3, intention=GO):
        self.tick(LET_GO)
        for _ in range(ticks):
            last = self.tick(intention)
        assert last.state is State.ACTIVE
        return last


@pytest.fixture
def rig(make_feedback):
    return Rig(make_feedback())


def elsewhere(feedback, **changes):
    """The hand somewhere else than at the start."""
    return replace(feedback, object_pos=feedback.object_pos + [0.0, 0.1, 0.0], **changes)


# --- order ------------------------------------------------------------------------------


def test_an_active_tick_reads_thinks_and_writes_once_in_that_order(rig):
    rig.work()
    tick = rig.tick(GO)
    assert rig.log == ["source.read", "plant.read", "policy.infer", "plant.write"]
    np.testing.assert_array_equal(rig.plant.sent[-1], tick.command.excitation)
    np.testing.assert_array_equal(tick.wished, rig.policy.wish)


def test_a_tick_at_rest_only_looks(rig):
    rig.tick(GO)
    assert rig.log == ["source.read", "plant.read"]


def test_a_new_loop_puts_the_task_back_before_it_looks(rig):
    assert rig.log == ["plant.reset", "plant.read"]


def test_a_loop_does_not_stop_unless_told(rig):
    rig.work()
    assert rig.loop.tick(1.0).state is State.ACTIVE


def test_the_source_is_asked_at_the_time_of_the_tick(rig):
    rig.loop.tick(12.5)
    assert rig.source.asked_at == [12.5]


def test_the_plant_gets_what_the_gate_allows_not_what_the_policy_wishes(rig):
    rig.work()
    rig.policy.wish = np.full(len(MUSCLES), 7.0, np.float32)
    tick = rig.tick(GO)
    assert rig.plant.sent[-1].max() == 1.0
    assert tick.wished.max() == 7.0


# --- rest, ready, active ----------------------------------------------------------------


def test_before_the_dead_man_was_low_nothing_is_asked_and_nothing_written(rig):
    for _ in range(20):
        tick = rig.tick(GO)
        assert tick.command.relaxed and not tick.wished.any()
    assert not rig.plant.sent and not rig.policy.seen


def test_the_plant_is_paused_until_the_first_work(rig):
    for _ in range(20):
        rig.tick(LET_GO)
    assert not rig.plant.sent and not rig.policy.seen
    rig.tick(GO)
    assert len(rig.plant.sent) == 1


def test_ready_puts_the_task_back_once(rig):
    rig.tick(LET_GO)
    assert rig.log.count("plant.reset") == 1
    rig.tick(LET_GO)
    assert "plant.reset" not in rig.log


def test_the_tick_of_a_reset_reports_the_hand_as_it_is_now(rig):
    rig.work()
    rig.plant.feedback = elsewhere(rig.plant.start)
    while rig.tick(LET_GO).state is State.RELAXING:
        np.testing.assert_array_equal(rig.loop.plant.feedback.object_pos[0, 1] > 0.2, True)
    assert rig.gate.state is State.READY
    assert rig.plant.feedback is rig.plant.start
    tick = rig.tick(LET_GO)
    np.testing.assert_array_equal(tick.feedback.object_pos, rig.plant.start.object_pos)


def test_ready_tick_itself_shows_the_start(rig):
    rig.work()
    rig.plant.feedback = elsewhere(rig.plant.start)
    while (tick := rig.tick(LET_GO)).state is not State.READY:
        pass
    np.testing.assert_array_equal(tick.feedback.object_pos, rig.plant.start.object_pos)


def test_after_a_reset_the_plant_is_paused_again(rig):
    rig.work()
    while rig.tick(LET_GO).state is not State.READY:
        pass
    written = len(rig.plant.sent)
    for _ in range(10):
        rig.tick(LET_GO)
    assert len(rig.plant.sent) == written
    rig.tick(GO)
    assert len(rig.plant.sent) == written + 1


def test_activation_forgets_and_begins_where_the_hand_is(make_feedback):
    begun = []

    def begin(feedback):
        begun.append(feedback)
        return baoding.begin_at(0.25)

    rig = Rig(make_feedback(), ("target_pos_palm",), begin)
    rig.tick(LET_GO)
    before = len(begun)
    tick = rig.tick(GO)
    assert rig.log.index("policy.reset") < rig.log.index("policy.infer")
    assert begun[before:] == [tick.feedback]
    expected = np.array(baoding.ORBIT_CENTRE_M[:2]) + np.array(baoding.ORBIT_RADIUS_M) * [
        np.cos(0.25),
        np.sin(0.25),
    ]
    np.testing.assert_allclose(rig.policy.seen[0], expected, rtol=1e-6)
    rig.tick(GO)
    assert "policy.reset" not in rig.log and len(begun) == before + 1


def test_without_a_begin_the_skill_finds_the_balls(rig):
    tick = rig.work(1)
    np.testing.assert_allclose(tick.targets, rig.plant.start.object_pos, atol=1e-12)
    rig.tick(GO)
    np.testing.assert_allclose(rig.tick(GO).outcome.errors_m, 0.0, atol=1e-12)


def test_each_activation_starts_afresh(rig):
    rig.work(40, TURN)
    assert rig.policy.seen[-1][0] == pytest.approx(baoding.FASTEST_RATE_RAD_S)
    while rig.tick(LET_GO).state is not State.READY:
        pass
    rig.tick(TURN)
    assert "policy.reset" in rig.log
    assert rig.policy.seen[-1][0] == pytest.approx(baoding.RATE_SLEW_RAD_S2 * PERIOD_S)


def test_recovering_from_a_hold_is_no_new_start(rig):
    rig.work()
    rig.tick(replace(GO, age_s=0.2))
    rig.tick(GO)
    assert "policy.reset" not in rig.log


# --- late, stopping, broken -------------------------------------------------------------


def test_holding_ramps_the_rotation_down_and_keeps_the_policy_at_work(rig):
    rig.work(30, TURN)
    late = replace(TURN, age_s=0.2)
    rates = []
    for _ in range(20):
        assert rig.tick(late).state is State.HOLDING
        rates.append(float(rig.policy.seen[-1][0]))
    step = baoding.RATE_SLEW_RAD_S2 * PERIOD_S
    expected = np.maximum(baoding.FASTEST_RATE_RAD_S - step * np.arange(1, 21), 0)
    np.testing.assert_allclose(rates, expected, atol=1e-6)
    targets = rig.tick(late).targets
    np.testing.assert_array_equal(rig.tick(late).targets, targets)


def test_stopping_relaxes_whatever_the_dead_man_says(rig):
    rig.work()
    levels = [rig.tick(GO, stopping=True).command.excitation.max() for _ in range(11)]
    assert levels[0] < 0.5 and levels[-1] == 0.0
    assert list(rig.gate.report()) == ["disengaged"]
    assert not rig.plant.sent[-1].any(), "the hand was told to rest"


def test_stopping_at_rest_is_over_at_once(rig):
    tick = rig.tick(GO, stopping=True)
    assert tick.command.relaxed and tick.intention.engage == 0.0


@pytest.mark.parametrize("late", [math.inf, math.nan])
def test_stopping_needs_no_living_source(rig, late):
    rig.work()
    for _ in range(11):
        tick = rig.tick(replace(GO, age_s=late), stopping=True)
    assert tick.command.relaxed


@pytest.mark.parametrize("field", [f.name for f in fields(Feedback) if f.name != "time_s"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_feedback_that_is_not_finite_relaxes_and_reaches_no_muscle(make_feedback, field, value):
    rig = Rig(make_feedback(), baoding.OWN_TERMS)
    rig.work()
    broken = np.array(getattr(rig.plant.start, field))
    broken.flat[-1] = value
    rig.plant.feedback = replace(rig.plant.start, **{field: broken})
    with np.errstate(invalid="ignore"):
        tick = rig.tick(GO)
    assert tick.state is State.RELAXING
    assert rig.gate.report() == {"feedback_not_finite": 1}
    assert "policy.infer" not in rig.log, "a recurrent state would keep it"
    assert np.isfinite(rig.plant.sent[-1]).all()


def test_nan_feedback_does_not_spoil_the_next_start(rig):
    rig.work()
    rig.plant.feedback = replace(rig.plant.start, joint_pos=np.full(23, np.nan))
    rig.tick(GO)
    rig.plant.feedback = rig.plant.start
    for _ in range(12):
        rig.tick(LET_GO)
    tick = rig.tick(GO)
    assert tick.state is State.ACTIVE and np.isfinite(tick.targets).all()


def test_a_policy_gone_mad_relaxes_the_hand(rig):
    rig.work()
    rig.policy.wish = np.full(len(MUSCLES), np.nan, np.float32)
    tick = rig.tick(GO)
    assert tick.state is State.RELAXING and rig.gate.report() == {"command_not_finite": 1}
    assert np.isfinite(rig.plant.sent[-1]).all()
    rig.tick(GO)
    assert "policy.infer" not in rig.log


@pytest.mark.parametrize("value", [np.nan, 1e6, -np.inf])
def test_an_intention_gone_mad_reaches_neither_policy_nor_goal(rig, value):
    rig.work()
    targets = rig.tick(GO).targets
    tick = rig.tick(replace(GO, values=np.array([value])))
    assert tick.state is State.RELAXING and rig.gate.report() == {"intention_invalid": 1}
    assert "policy.infer" not in rig.log
    np.testing.assert_array_equal(tick.targets, targets)


# --- judgement --------------------------------------------------------------------------


def test_only_the_work_is_judged(rig):
    assert not rig.tick(LET_GO).outcome.judged
    assert not rig.tick(GO).outcome.judged, "nothing has been commanded yet"
    assert rig.tick(GO).outcome.judged
    assert rig.tick(replace(GO, age_s=0.2)).outcome.judged
    assert rig.tick(LET_GO).outcome.judged, "the last command was still the policy's"
    while not (tick := rig.tick(LET_GO)).command.relaxed:
        assert not tick.outcome.judged


def test_outcome_measures_against_the_goal_of_the_last_tick(rig):
    rig.work()
    away = np.array([[0.014, 0.0, 0.0], [0.0, 0.0, 0.016]])
    rig.plant.feedback = replace(rig.plant.start, object_pos=rig.plant.start.object_pos + away)
    outcome = rig.tick(GO).outcome
    np.testing.assert_allclose(outcome.errors_m, [0.014, 0.016], atol=1e-12)
    assert outcome.solved is False and outcome.dropped is False
    away[1, 2] = 0.0
    rig.plant.feedback = replace(rig.plant.start, object_pos=rig.plant.start.object_pos + away)
    assert rig.tick(GO).outcome.solved is True


def test_a_drop_counts_while_working_and_once(rig):
    ledger = Ledger()

    def tick(intention):
        ledger.add(rig.tick(intention), 0, 0)
        return ledger.task()["drops"]

    def fallen():
        low = np.array([0.0, 0.0, -1.0])
        return replace(rig.plant.start, object_pos=rig.plant.start.object_pos + low)

    tick(LET_GO), tick(GO), tick(GO)
    rig.plant.feedback = fallen()
    assert tick(GO) == 1
    assert tick(GO) == 1, "it still lies there"
    while rig.gate.state is not State.READY:
        assert tick(LET_GO) == 1
    tick(LET_GO)
    assert tick(GO) == 1 and tick(GO) == 1
    rig.plant.feedback = fallen()
    assert tick(GO) == 2, "put back and dropped again"


def test_what_falls_while_relaxing_is_nobodys_drop(rig):
    ledger = Ledger()
    rig.work()
    rig.tick(LET_GO)
    low = rig.plant.start.object_pos - [0.0, 0.0, 1.0]
    rig.plant.feedback = replace(rig.plant.start, object_pos=low)
    for _ in range(5):
        ledger.add(rig.tick(LET_GO), 0, 0)
    assert ledger.task()["drops"] == 0
