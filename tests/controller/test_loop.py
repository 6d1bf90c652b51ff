"""The tick, with a fake source, plant and policy round the real skill and supervisor."""

import math
from dataclasses import replace

import numpy as np
import pytest

from controller.loop import Loop
from controller.messages import Intention
from controller.names import MUSCLES
from controller.orders import Orders
from controller.report import Ledger
from controller.shadow import STEPS, Shadow
from controller.skills import baoding
from controller.supervisor.judge import MEASURED, Machine
from controller.supervisor.limits import Limits
from controller.supervisor.states import Order, State
from controller.supervisor.supervisor import Supervisor

PERIOD_S = 0.025
GO = Intention(np.array([0.0]), 1.0, 0.0, correction_s=0.0)
LET_GO = replace(GO, engage=0.0)
TURN = replace(GO, values=np.array([1.0]))
QUIET = Machine()
ARM, RESET, ESTOP = (Machine(orders=Orders(o)) for o in (Order.ARM, Order.RESET, Order.ESTOP))
STOPPING = Machine(stopping=True)


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
        return excitation


class Policy:
    """Wishes the same for ever; keeps what it was shown."""

    sha256 = ""

    def __init__(self, log, terms):
        self.wish = np.full(len(MUSCLES), 0.5, np.float32)
        self.seen = []
        self.terms = terms
        self._log = log

    def reset(self):
        self._log.append("policy.reset")

    def infer(self, observation):
        self._log.append("policy.infer")
        self.seen.append(observation.copy())
        return self.wish


class Rig:
    """A loop and everything round it."""

    def __init__(self, feedback, terms=("phase_rate",), begin=None, every=1, publish=None):
        self.log = []
        self.source, self.plant = Source(self.log), Plant(self.log, feedback)
        self.policy = Policy(self.log, terms)
        self.gate = Supervisor(Limits(), baoding.CHANNELS, PERIOD_S)
        self.loop = Loop(
            *(self.source, self.plant, baoding, self.policy, self.gate, PERIOD_S),
            every=every,
            begin=begin,
            publish=publish,
        )
        self.ticks = 0

    def tick(self, intention, machine=QUIET):
        self.source.now = intention
        self.log.clear()
        self.ticks += 1
        return self.loop.tick(self.ticks * PERIOD_S, machine)

    def arm(self):
        tick = self.tick(LET_GO, ARM)
        assert tick.state is State.ARMING, self.gate.missing
        self.policy.seen.clear()
        return tick

    def rest(self):
        """Let go until the hand is disarmed."""
        while self.tick(LET_GO).state is not State.DISARMED:
            pass

    def work(self, ticks=3, intention=GO):
        self.arm()
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
    rig.policy.wish = np.eye(len(MUSCLES), dtype=np.float32)[0] * 7.0
    tick = rig.tick(GO)
    assert rig.plant.sent[-1].max() == 1.0
    assert tick.wished.max() == 7.0


# --- rest, arming, active ---------------------------------------------------------------


def test_before_an_arming_nothing_is_asked_and_nothing_written(rig):
    for intention in [GO, LET_GO] * 10:
        tick = rig.tick(intention)
        assert tick.command.relaxed and not tick.wished.any()
    assert not rig.plant.sent and not rig.policy.seen


def test_the_plant_is_paused_until_the_first_work(rig):
    rig.arm()
    for _ in range(20):
        rig.tick(LET_GO)
    assert not rig.plant.sent and not rig.policy.seen
    rig.tick(GO)
    assert len(rig.plant.sent) == 1


def test_an_arming_puts_the_task_back_once(rig):
    rig.arm()
    assert rig.log.count("plant.reset") == 1
    rig.tick(LET_GO)
    assert "plant.reset" not in rig.log


def test_the_tick_of_an_arming_shows_the_hand_as_it_was_put_back(rig):
    rig.work()
    rig.plant.feedback = elsewhere(rig.plant.start)
    rig.rest()
    assert rig.loop.plant.feedback is not rig.plant.start, "nothing is put back by resting"
    tick = rig.arm()
    assert rig.plant.feedback is rig.plant.start
    np.testing.assert_array_equal(tick.feedback.object_pos, rig.plant.start.object_pos)
    np.testing.assert_allclose(tick.targets, rig.plant.start.object_pos, atol=1e-12)


def test_a_refused_arming_puts_nothing_back(rig):
    rig.tick(GO, ARM)
    assert "plant.reset" not in rig.log and rig.gate.state is State.DISARMED


def test_a_policy_that_gives_no_command_can_not_be_armed(rig):
    for wish in (np.full(39, np.nan), np.full(39, 1.5), np.full(39, -0.1), np.zeros(3)):
        rig.policy.wish = wish.astype(np.float32)
        assert rig.tick(LET_GO, ARM).state is State.DISARMED


def test_a_reset_puts_a_diverged_hand_back(rig):
    rig.work()
    rig.plant.feedback = replace(rig.plant.start, joint_pos=np.full(23, np.nan))
    assert rig.tick(GO).state is State.FAULT
    for _ in range(12):
        rig.tick(LET_GO)
    assert rig.tick(LET_GO, ARM).state is State.FAULT
    assert rig.tick(LET_GO, RESET).state is State.DISARMED
    assert rig.plant.feedback is rig.plant.start
    rig.work()


def test_an_estop_reaches_the_plant_as_rest_in_the_same_tick(rig):
    rig.work()
    assert rig.tick(GO, ESTOP).state is State.FAULT
    assert not rig.plant.sent[-1].any()


def test_after_a_reset_the_plant_is_paused_again(rig):
    rig.work()
    rig.rest()
    rig.arm()
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
    rig.arm()
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
    rig.rest()
    rig.arm()
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
        assert rig.tick(late).state is State.HOLD
        rates.append(float(rig.policy.seen[-1][0]))
    step = baoding.RATE_SLEW_RAD_S2 * PERIOD_S
    expected = np.maximum(baoding.FASTEST_RATE_RAD_S - step * np.arange(1, 21), 0)
    np.testing.assert_allclose(rates, expected, atol=1e-6)
    targets = rig.tick(late).targets
    np.testing.assert_array_equal(rig.tick(late).targets, targets)


def test_stopping_relaxes_whatever_the_dead_man_says(rig):
    rig.work()
    levels = [rig.tick(GO, STOPPING).command.excitation.max() for _ in range(11)]
    assert levels[0] < 0.5 and levels[-1] == 0.0
    assert list(rig.gate.report()) == ["stopping"]
    assert not rig.plant.sent[-1].any(), "the hand was told to rest"


def test_stopping_at_rest_is_over_at_once(rig):
    tick = rig.tick(GO, STOPPING)
    assert tick.command.relaxed and rig.gate.resting


@pytest.mark.parametrize("late", [math.inf, math.nan])
def test_stopping_needs_no_living_source(rig, late):
    rig.work()
    for _ in range(11):
        tick = rig.tick(replace(GO, age_s=late), STOPPING)
    assert tick.command.relaxed


@pytest.mark.parametrize("field", MEASURED)
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_feedback_that_is_not_finite_is_a_fault_and_reaches_no_muscle(make_feedback, field, value):
    rig = Rig(make_feedback(), baoding.OWN_TERMS)
    rig.work()
    broken = np.array(getattr(rig.plant.start, field))
    broken.flat[-1] = value
    rig.plant.feedback = replace(rig.plant.start, **{field: broken})
    with np.errstate(invalid="ignore"):
        tick = rig.tick(GO)
    assert tick.state is State.FAULT
    assert rig.gate.report() == {"feedback_not_finite": 1}
    assert "policy.infer" not in rig.log, "a recurrent state would keep it"
    assert np.isfinite(rig.plant.sent[-1]).all()


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
    rig.arm()
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

    rig.arm()
    tick(GO), tick(GO)
    rig.plant.feedback = fallen()
    assert tick(GO) == 1
    assert tick(GO) == 1, "it still lies there"
    while rig.gate.state is not State.DISARMED:
        assert tick(LET_GO) == 1
    ledger.add(rig.arm(), 0, 0)
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


# --- rates, followers, swap -------------------------------------------------------------


def test_the_policy_keeps_its_own_rate(make_feedback):
    rig = Rig(make_feedback(), every=5)
    rig.arm()
    asked = []
    for _ in range(15):
        tick = rig.tick(TURN)
        asked.append("policy.infer" in rig.log)
        assert tick.wished is rig.policy.wish and "plant.write" in rig.log
    assert asked == [True, *[False] * 4] * 3
    step = baoding.RATE_SLEW_RAD_S2 * 5 * PERIOD_S
    np.testing.assert_allclose(np.ravel(rig.policy.seen), [step, 2 * step, 3 * step], rtol=1e-5)


def test_a_tick_is_published_before_the_plant_is_written(make_feedback):
    order = []
    rig = Rig(make_feedback(), publish=lambda tick: order.append(("published", tick)))
    write = rig.plant.write
    rig.plant.write = lambda excitation: (order.append(("written", None)), write(excitation))[1]
    rig.work(2)
    assert [word for word, _ in order] == ["published", *["published", "written"] * 2]
    np.testing.assert_array_equal(order[-2][1].command.excitation, rig.plant.sent[-1])
    np.testing.assert_array_equal(rig.loop.sent, rig.plant.sent[-1])


def newcomer(rig, wish=0.25):
    policy = Policy(rig.log, ("phase_rate", "act"))
    policy.wish = np.full(len(MUSCLES), wish, np.float32)
    rig.loop.shadow = Shadow(policy, baoding)
    return policy


def test_a_newcomer_takes_over_from_a_relaxed_hand_after_some_ticks_in_shadow(rig):
    policy = newcomer(rig)
    for k in range(STEPS):
        assert rig.loop.policies == 0
        rig.tick(LET_GO)
        assert len(policy.seen) == k + 1
    assert rig.loop.policy is policy and rig.loop.policies == 1 and rig.loop.shadow is None
    np.testing.assert_array_equal(rig.work().wished, policy.wish)


def test_a_newcomer_only_thinks_along_while_the_hand_works(rig):
    rig.work()
    policy = newcomer(rig)
    for _ in range(3 * STEPS):
        np.testing.assert_array_equal(rig.tick(GO).wished, 0.5)
    assert len(policy.seen) == 3 * STEPS
    assert rig.tick(replace(GO, age_s=0.2)).state is State.HOLD
    assert rig.loop.policy is policy
    tick = rig.tick(GO)
    np.testing.assert_array_equal(tick.wished, 0.25)
    assert "policy.reset" not in rig.log, "it has thought along: it goes on where it is"


def test_a_newcomer_that_gives_no_command_changes_nothing(rig):
    rig.work()
    newcomer(rig, wish=np.nan)
    tick = rig.tick(GO)
    assert tick.state is State.ACTIVE and rig.loop.shadow is None and rig.loop.policies == 0
    assert rig.gate.note == "swap refused: in shadow the policy gave no command"
    np.testing.assert_array_equal(rig.tick(GO).wished, 0.5)


def test_a_newcomer_thinks_at_the_rate_of_the_policy(make_feedback):
    rig = Rig(make_feedback(), every=4)
    rig.work(4)
    policy = newcomer(rig)
    for _ in range(12):
        rig.tick(GO)
    assert len(policy.seen) == 3
