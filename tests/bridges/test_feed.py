import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from bridges.feed import MOVING, Feed
from controller.board import RECORD
from controller.supervisor.states import State

TTL_NS = 100_000_000
LEVEL = np.float32(0.3)


def tick(number: int, state: State, time_ns: int) -> np.ndarray:
    record = np.zeros((), RECORD)
    record["number"], record["state"], record["time_ns"] = number, state, time_ns
    record["ttl_ns"], record["excitation"] = TTL_NS, LEVEL
    return record


steps = st.lists(
    st.tuples(
        st.sampled_from(list(State)),
        st.integers(0, 3 * TTL_NS),  # age when it is looked at
        st.booleans(),  # the device lets go
    ),
    max_size=30,
)


@given(steps)
def test_a_device_acts_only_on_a_fresh_tick_at_work_and_never_again_by_itself(steps):
    feed, let_go, was_live = Feed(), False, False
    for number, (state, age_ns, gives_up) in enumerate(steps):
        now_ns = (number + 1) * 10**10
        fresh = age_ns <= TTL_NS
        if fresh and state is State.DISARMED:
            let_go = False
        elif not fresh and was_live:
            let_go = True
        command = feed.judge(tick(number, state, now_ns - age_ns), now_ns)
        assert command.live == (fresh and state in MOVING and not let_go)
        assert command.excitation.max() == (LEVEL if command.live else 0.0)
        assert command.live == (command.reason == "")
        was_live = command.live
        if gives_up:
            feed.let_go("cable")
            let_go, was_live = True, False


def test_what_stops_a_device_is_said():
    feed = Feed()
    assert feed.judge(None, 0).reason == "the loop has not ticked yet"
    assert feed.judge(tick(0, State.ACTIVE, 0), TTL_NS).live
    silent = feed.judge(tick(0, State.ACTIVE, 0), TTL_NS + 1)
    assert silent.reason == "the loop was silent for 100 ms" and silent.emergency
    back = feed.judge(tick(1, State.ACTIVE, 10**10), 10**10)
    assert back.reason == feed.trouble == silent.reason and back.emergency
    assert feed.judge(tick(2, State.DISARMED, 10**10), 10**10).reason == "disarmed"
    assert feed.trouble == ""
    fault = feed.judge(tick(3, State.FAULT, 10**10), 10**10)
    assert fault.reason == "fault" and fault.emergency
    assert not feed.judge(tick(4, State.DISARMED, 10**10), 10**10).emergency
