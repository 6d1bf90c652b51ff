import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridges.zeromq.exchange import Lag, Sequence
from bridges.zeromq.messages import (
    KINDS,
    MAX_BYTES,
    Command,
    FeedbackMessage,
    IntentionMessage,
    Rejected,
    Twin,
    decode,
    encode,
)
from controller.names import JOINTS, MUSCLES

HAND = Twin(
    time_s=1.5,
    joint_pos=[0.1] * 23,
    joint_vel=[0.0] * 23,
    activation=[0.5] * 39,
    object_pos=[(0.0, 1.0, 2.0)] * 2,
    object_vel=[(0.0, 0.0, 0.0)] * 2,
)
BASE = {"session": "s", "seq": 3, "t_mono_ns": -5, "valid": True}
MESSAGES = (
    Command(
        **BASE,
        ttl_ms=100.0,
        state="ACTIVE",
        rate_hz=40.0,
        muscles=MUSCLES,
        excitation=[0.25] * 39,
        joints=JOINTS,
        twin=HAND,
    ),
    FeedbackMessage(
        **BASE, peer="p", reply_to=2, reset=1, muscles=MUSCLES, joints=JOINTS, hand=HAND
    ),
    IntentionMessage(**BASE, channels=("rotation",), values=[0.5], engage=1.0),
)


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: type(message).__name__)
def test_a_message_is_one_frame_and_comes_back_as_it_was(message):
    frame = encode(message)
    assert decode(frame, type(message)) == message
    topic, _, body = frame.partition(b"\0")
    assert topic + b"\0" == KINDS[type(message)]
    plain = msgspec.msgpack.decode(body)  # as anybody reads it: a map of plain things
    assert plain["seq"] == 3 and plain["version"] == 1
    assert len(frame) < MAX_BYTES / 3
    later = topic + b"\0" + msgspec.msgpack.encode({**plain, "new_in_version_1": 1})
    assert decode(later, type(message)) == message


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        (b"", "kind"),
        (b"command\0", "schema"),
        (b"feedback\0\x80", "kind"),
        (b"command\0" + bytes(MAX_BYTES), "size"),
        (b"command\0\x81\xa1a\x01", "schema"),
        (encode(msgspec.structs.replace(MESSAGES[0], version=2)), "version"),
        (encode(msgspec.structs.replace(MESSAGES[0], seq=-1)), "schema"),
        (encode(msgspec.structs.replace(MESSAGES[0], excitation=[0.0] * 65)), "schema"),
    ],
)
def test_what_is_no_command_is_rejected_by_reason(frame, reason):
    with pytest.raises(Rejected) as found:
        decode(frame, Command)
    assert found.value.reason == reason
    assert "\n" not in str(found.value)


@given(st.binary(max_size=200), st.integers(0, 400))
def test_no_bytes_do_harm(garbage, at):
    whole = encode(MESSAGES[1])
    for frame in (garbage, b"feedback\0" + garbage, whole[:at], whole[:at] + garbage):
        try:
            decode(frame, FeedbackMessage)
        except Rejected as rejected:
            assert rejected.reason in ("kind", "schema", "version")


def test_a_sequence_only_rises():
    sequence = Sequence()
    for seq in (5, 6, 9):
        sequence.check(msgspec.structs.replace(MESSAGES[2], seq=seq))
    assert sequence.lost == 2
    for seq in (9, 1):
        with pytest.raises(Rejected, match=f"old: seq {seq} after 9"):
            sequence.check(msgspec.structs.replace(MESSAGES[2], seq=seq))


def test_a_backlog_is_seen_to_be_old_whatever_the_senders_clock_says():
    lag, ms, ahead = Lag(), 1_000_000, 7 * 10**15
    assert lag.of(ahead, 2 * ms) == 0  # the first is the quickest so far
    assert lag.of(ahead + 10 * ms, 13 * ms) < 1 * ms + 1
    for late in range(5):  # frozen for half a second, then all at once
        assert lag.of(ahead + (20 + late) * ms, 600 * ms) > 500 * ms
    slow = Lag()  # a clock that loses 50 ppm ages nothing
    ages = [slow.of(int(t * 0.99995), t) for t in range(0, 3600 * 10**9, 10**9)]
    assert max(ages) < 1 * ms
