import numpy as np
import pytest
import zmq
from hypothesis import given
from hypothesis import strategies as st

from bridges.zeromq.follower import create
from bridges.zeromq.messages import KINDS, Command, decode
from bridges.zeromq.publish import Publisher
from controller.board import RECORD
from controller.errors import HostError, SettingsError
from controller.names import MUSCLES
from controller.supervisor.states import State

MS = 1_000_000


def tick(number: int, state: State = State.ACTIVE) -> np.ndarray:
    record = np.zeros((), RECORD)
    record["number"], record["state"] = number, state
    record["time_ns"], record["ttl_ns"] = number * 25 * MS, 100 * MS
    record["excitation"], record["joint_pos"] = 0.25, 0.5
    record["objects"] = 2
    return record


def sent(publisher: Publisher, record, now_ns: int) -> Command | None:
    frame = publisher.frame(record, now_ns)
    return None if frame is None else decode(frame, Command)


def test_each_tick_is_published_once_and_silence_is_rest_until_an_arming():
    publisher = Publisher(40.0)
    assert publisher.frame(None, 0) is None
    first = sent(publisher, tick(1), 26 * MS)
    assert first.valid and first.excitation == [0.25] * 39 and first.muscles == MUSCLES
    assert first.twin.joint_pos == [0.5] * 23 and len(first.twin.object_pos) == 2
    assert first.t_mono_ns == 25 * MS and first.ttl_ms == 100
    assert sent(publisher, tick(1), 30 * MS) is None
    assert sent(publisher, tick(2), 51 * MS).seq == first.seq + 1
    silent = sent(publisher, tick(2), 200 * MS)
    assert not silent.valid and silent.excitation == [0.0] * 39
    assert silent.reason == publisher.trouble == "the loop was silent for 150 ms"
    assert sent(publisher, tick(2), 250 * MS) is None
    assert sent(publisher, tick(2), 301 * MS).seq == silent.seq + 1  # for whoever comes late
    assert not sent(publisher, tick(13), 326 * MS).valid  # it does not go on by itself
    assert sent(publisher, tick(14, State.DISARMED), 351 * MS).reason == "disarmed"
    assert sent(publisher, tick(15), 376 * MS).valid
    last = decode(publisher.farewell(tick(15)), Command)
    assert not last.valid and last.reason == "the daemon has ended"


def test_between_two_ticks_values_rise_to_the_newest_allowed_ones_and_stay_there():
    publisher = Publisher(40.0, between=True)
    sent(publisher, tick(1), 25 * MS)
    second = tick(2)
    second["excitation"], second["joint_pos"] = 0.75, 1.5
    half, there, still = (sent(publisher, second, now * MS) for now in (62.5, 75, 77))
    np.testing.assert_allclose(half.excitation, 0.5, rtol=1e-6)
    np.testing.assert_allclose(half.twin.joint_pos, 1.0)
    assert there.excitation == still.excitation == [0.75] * 39
    assert (half.seq, there.seq, still.seq) == (2, 3, 4) and half.t_mono_ns == 50 * MS
    silent = sent(publisher, second, 200 * MS)
    assert not silent.valid and not any(silent.excitation)
    assert sent(publisher, second, 202 * MS) is None  # rest is not repeated 500 times a second


@given(
    st.lists(
        st.tuples(
            st.floats(0, 1, width=32),
            st.floats(-2, 2),
            st.lists(st.floats(0.0, 0.99), max_size=5).map(sorted),  # looks, in periods
        ),
        min_size=1,
        max_size=6,
    )
)
def test_no_message_leaves_what_was_allowed(course):
    publisher, joints, newest = Publisher(40.0, between=True), [], 0
    for number, (excitation, joint, looks) in enumerate(course):
        joints.append(joint)
        record = tick(number)
        record["excitation"], record["joint_pos"] = excitation, joint
        for look in looks:
            message = sent(publisher, record, round((number + look) * 25 * MS))
            assert message.valid and message.seq == newest + 1
            assert min(message.excitation) >= 0.0 and max(message.excitation) <= excitation
            reached = message.twin.joint_pos
            assert min(joints) - 1e-12 <= min(reached) and max(reached) <= max(joints) + 1e-12
            newest = message.seq


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"port": 1}, SettingsError, "port"),
        ({"feed_hz": 501}, SettingsError, "feed_hz"),
        ({"bind": "tcp://0.0.0.0:5612"}, SettingsError, "server_key"),
        ({"bind": "tcp://127.0.0.1:none"}, HostError, "127.0.0.1"),
    ],
)
def test_what_can_not_be_is_refused_in_one_line(options, error, words):
    with pytest.raises(error, match=words):
        create("zmq", options, False, None, "a.yaml: followers.zmq")


def test_a_daemon_publishes_and_says_goodbye(make_run, tmp_path):
    address = f"ipc://{tmp_path}/published"
    run = make_run(
        plant={"use": "echo"},
        followers=[{"use": "zmq", "required": True, "options": {"bind": address, "feed_hz": 200}}],
    )
    with zmq.Context() as context, context.socket(zmq.SUB) as socket:
        socket.linger, socket.rcvtimeo, socket.conflate = 0, 10_000, True
        socket.subscribe(KINDS[Command])
        socket.connect(address)

        def newest() -> Command:
            return decode(socket.recv(), Command)

        run.work()
        run.feed(0.0, 1.0, lambda record: newest().valid and record["excitation"].any())
        told = newest()
        assert told.state == "ACTIVE" and max(told.excitation) > 0
        run.feed(0.0, 0.0, run.at_rest)
        run.end()
        last = newest()
        while not last.reason.startswith("the daemon"):
            last = newest()
        assert not last.valid and not any(last.excitation)
