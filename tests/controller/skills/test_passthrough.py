"""What is passed through comes under the same supervisor; the plant is the one without physics."""

from dataclasses import replace

import numpy as np
import pytest

from controller import registry
from controller.daemon import check_posable
from controller.errors import ContractError
from controller.loop import Loop
from controller.messages import Intention
from controller.names import JOINT_RANGE_RAD, JOINTS, MUSCLES
from controller.orders import Orders
from controller.skills.passthrough import SPEED_RAD_S, PassOn
from controller.supervisor.judge import Machine
from controller.supervisor.limits import Limits
from controller.supervisor.states import Order, Reason, State
from controller.supervisor.supervisor import Supervisor
from hil.echo_plant import EchoHand

PERIOD_S = 0.01
QUIET = Machine()
ARM, ESTOP = (Machine(orders=Orders(order)) for order in (Order.ARM, Order.ESTOP))


class Source:
    def read(self, _now_s):
        return self.now

    def close(self):
        pass


class Bench:
    def __init__(self, name: str) -> None:
        self.skill = registry.find("skills", name, "test")
        self.plant, self.source = EchoHand(1 / PERIOD_S), Source()
        self.supervisor = Supervisor(Limits(), self.skill.CHANNELS, PERIOD_S)
        policy = PassOn(name, 1 / PERIOD_S)
        self.say(np.clip(0.0, *self.bounds), engage=0.0)
        self.loop = Loop(self.source, self.plant, self.skill, policy, self.supervisor, PERIOD_S)

    @property
    def bounds(self):
        return np.array([(c.low, c.high) for c in self.skill.CHANNELS]).T

    def say(self, values, engage=1.0, age_s=0.0) -> None:
        self.source.now = Intention(np.array(values, float), engage, age_s, correction_s=0.0)

    def tick(self, machine=QUIET):
        return self.loop.tick(0.0, machine)

    def work(self) -> None:
        self.source.now = replace(self.source.now, engage=0.0)
        self.tick(ARM)
        self.source.now = replace(self.source.now, engage=1.0)
        assert self.tick().state is State.ACTIVE


@pytest.fixture(params=["passthrough-muscles", "passthrough-joints", "passthrough-motors"])
def bench(request) -> Bench:
    return Bench(request.param)


def test_nothing_passes_before_an_arming_and_everything_stops_with_an_estop(bench):
    wish = bench.bounds.mean(axis=0)
    before = bench.plant.read()
    bench.say(wish)
    for _ in range(5):
        bench.tick()
    assert np.array_equal(bench.plant.read().joint_pos, before.joint_pos)
    assert not bench.plant.read().activation.any()
    bench.work()
    bench.say(wish)
    for _ in range(100):
        assert bench.tick().state is State.ACTIVE
    moved = bench.plant.read()
    assert moved.activation.any() or not np.array_equal(moved.joint_pos, before.joint_pos)
    bench.tick(ESTOP)
    stopped = bench.plant.read()
    bench.say(bench.bounds[1])
    for _ in range(20):
        assert bench.tick().state is State.FAULT
    assert not bench.plant.read().activation.any()
    assert np.array_equal(bench.plant.read().joint_pos, stopped.joint_pos)


def test_a_late_intention_holds_and_a_wrong_one_relaxes(bench):
    bench.work()
    bench.say(bench.bounds.mean(axis=0))
    for _ in range(100):
        bench.tick()
    held = bench.tick().goal
    bench.say(bench.bounds[0], age_s=0.2)
    late = bench.tick()
    assert late.state is State.HOLD
    assert np.array_equal(late.goal.excitation, held.excitation)
    assert np.array_equal(late.goal.joint_pos, held.joint_pos)
    bench.say(bench.bounds[1] + np.ptp(bench.bounds, axis=0))
    assert bench.tick().state is State.RELAXING
    assert Reason.INTENTION_INVALID in bench.supervisor.violations


def test_muscles_get_the_channels_through_every_limit_of_the_gate():
    bench = Bench("passthrough-muscles")
    assert [c.label for c in bench.skill.CHANNELS] == list(MUSCLES)
    bench.work()
    wish = np.linspace(0, 0.8, 39)
    bench.say(wish)
    first = bench.tick().command
    assert first.excitation.max() == pytest.approx(0.2) and first.reasons & Reason.SLEW
    for _ in range(10):
        command = bench.tick().command
    np.testing.assert_allclose(command.excitation, wish, atol=1e-6)
    assert command.reasons == 0
    bench.say(np.ones(39))  # 39 in all: more than the total
    for _ in range(30):
        command = bench.tick().command
    assert command.excitation.sum() == pytest.approx(20.0) and command.reasons & Reason.TOTAL


def test_joints_go_where_they_are_told_at_a_limited_speed_and_muscles_rest():
    bench = Bench("passthrough-joints")
    assert [c.label for c in bench.skill.CHANNELS] == list(JOINTS)
    wish = np.array([0.8 * high for _, high in JOINT_RANGE_RAD.values()])
    bench.work()
    bench.say(wish)
    for _ in range(100):
        tick = bench.tick()
        assert np.abs(tick.feedback.joint_vel).max() <= SPEED_RAD_S * (1 + 1e-9)
        assert not tick.command.excitation.any()
    np.testing.assert_allclose(bench.plant.read().joint_pos, wish)


def test_a_plant_with_muscles_of_its_own_is_not_posed(make_feedback):
    class Muscular:
        info = EchoHand(40.0).info

    for name in ("passthrough-joints", "passthrough-motors"):
        with pytest.raises(ContractError, match=f"{name}.*echo or zmq"):
            check_posable(Muscular(), registry.find("skills", name, "test"))
    check_posable(Muscular(), registry.find("skills", "passthrough-muscles", "test"))
    check_posable(Muscular(), registry.find("skills", "baoding", "test"))


def test_an_intention_in_words():
    skill = registry.find("skills", "passthrough-joints", "test")
    values = np.zeros(len(JOINTS))
    values[2], values[5] = np.nan, -0.4
    assert skill.said(values) == f"{JOINTS[5]} -0.40, the largest of 23"
    assert skill.said(np.full(len(JOINTS), np.nan)).startswith(f"{JOINTS[0]} +nan")
