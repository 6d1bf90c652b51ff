"""Values between allowed commands: inside every limit, never beyond the newest one."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from bridges.between import Between
from bridges.feed import Command
from controller.board import RECORD

RATE_HZ = 40.0
PERIOD_NS = 25_000_000
REST = np.zeros(39, np.float32)


def allowed(number: int, excitation: object, joint: float = 0.0, late_ns: int = 0) -> Command:
    record = np.zeros((), RECORD)
    record["number"], record["time_ns"] = number, number * PERIOD_NS + late_ns
    record["excitation"], record["joint_pos"] = excitation, joint
    return Command(True, record["excitation"], record)


def stopped() -> Command:
    return Command(False, REST, None, "disarmed")


def test_half_a_period_is_half_the_way():
    between = Between(RATE_HZ)
    between.at(allowed(0, 0.2, 1.0), 0)
    half = between.at(allowed(1, 0.4, 2.0), PERIOD_NS * 3 // 2)
    np.testing.assert_allclose(half.excitation, 0.3, rtol=1e-6)
    np.testing.assert_allclose(half.record["joint_pos"], 1.5)
    np.testing.assert_array_equal(half.record["excitation"], half.excitation)


def test_it_arrives_and_stays_there():
    between = Between(RATE_HZ)
    between.at(allowed(0, 0.2), 0)
    for periods in (2, 3, 50):
        found = between.at(allowed(1, 0.4, 2.0), PERIOD_NS * periods)
        np.testing.assert_array_equal(found.excitation, np.float32(0.4))
        np.testing.assert_array_equal(found.record["joint_pos"], 2.0)


def test_an_excitation_falls_at_once():
    between = Between(RATE_HZ)
    between.at(allowed(0, 0.4), 0)
    np.testing.assert_array_equal(
        between.at(allowed(1, 0.1), PERIOD_NS).excitation, np.float32(0.1)
    )


def test_rest_passes_at_once_and_nothing_comes_from_before_it():
    between = Between(RATE_HZ)
    between.at(allowed(0, 0.4, 1.0), 0)
    rest = stopped()
    assert between.at(rest, PERIOD_NS) is rest
    first = between.at(allowed(9, 0.1, -1.0), 9 * PERIOD_NS)
    np.testing.assert_array_equal(first.record["joint_pos"], -1.0)


def test_the_command_itself_is_left_as_it_was():
    between, command = Between(RATE_HZ), allowed(1, 0.4, 2.0)
    between.at(allowed(0, 0.2), 0)
    between.at(command, PERIOD_NS * 3 // 2)
    np.testing.assert_array_equal(command.record["joint_pos"], 2.0)
    np.testing.assert_array_equal(command.excitation, np.float32(0.4))


excitations = arrays(np.float32, 39, elements=st.floats(0, 1, width=32))


@given(
    st.lists(
        st.tuples(
            excitations,
            st.floats(-2, 2),
            st.integers(0, PERIOD_NS - 1),  # lateness of the tick
            st.lists(st.floats(-0.5, 3.0), max_size=6).map(sorted),  # looks, in periods
        ),
        min_size=1,
        max_size=6,
    )
)
def test_nothing_leaves_what_was_allowed(ticks):
    between, joints = Between(RATE_HZ), []
    for number, (excitation, joint, late_ns, looks) in enumerate(ticks):
        joints.append(joint)
        for look in looks:
            command = allowed(number, excitation, joint, late_ns)
            found = between.at(command, int((number + look) * PERIOD_NS))
            assert (found.excitation <= excitation).all() and (found.excitation >= 0).all()
            reached = found.record["joint_pos"]
            assert min(joints) - 1e-12 <= reached.min() and reached.max() <= max(joints) + 1e-12
