import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridges.devices.ability_hand_codec import (
    DEG_PER_COUNT,
    DEG_S_PER_COUNT,
    DUTY_COUNTS,
    ExitApi,
    Grip,
    Mode,
    Motors,
    Read,
    Reply,
    ReplyVariant,
    Unwrapper,
    Upsampling,
    checksum,
    decode_command,
    decode_reply,
    encode_command,
    encode_reply,
    to_counts,
    wrap,
)

VECTORS = json.loads((Path(__file__).parents[2] / "vectors" / "ability_hand.json").read_text())
R0, R1, R2 = ReplyVariant


def position(reply, *degrees):
    return Motors(Mode.POSITION, reply, to_counts(degrees, DEG_PER_COUNT))


COMMANDS = {
    "pos_rm0_zero": position(R0, 0, 0, 0, 0, 0, 0),
    "pos_rm0_30x5_-30": position(R0, 30, 30, 30, 30, 30, -30),
    "pos_rm2_50x5_-50": position(R2, 50, 50, 50, 50, 50, -50),
    "pos_rm1_10_20_30_40_50_-60": position(R1, 10, 20, 30, 40, 50, -60),
    "pos_rm0_clip_200_-200": position(R0, 200, -200, 0, 0, 0, 0),
    "pos_rm0_raw126_raw125_stuffed": Motors(Mode.POSITION, R0, (126, 125, 0, 0, 0, 0)),
    "vel_rm1_100x5_-100": Motors(
        Mode.VELOCITY, R1, to_counts((100,) * 5 + (-100,), DEG_S_PER_COUNT)
    ),
    "duty_rm0_-10pct": Motors(Mode.DUTY, R0, (*(-DUTY_COUNTS // 10 + 1,) * 5, DUTY_COUNTS // 10)),
    "readonly_v1": Read(R0),
    "exit_api": ExitApi(),
    "upsample_thumb": Upsampling(True),
    "grip_pinch_255": Grip(3, 255),
}


@pytest.mark.parametrize("name", VECTORS["commands_stuffed_hex"])
def test_the_vendors_commands_in_both_directions(name):
    wire = bytes.fromhex(VECTORS["commands_stuffed_hex"][name])
    assert encode_command(COMMANDS[name]) == wire
    (payload,) = Unwrapper().feed(wire)
    assert decode_command(payload) == COMMANDS[name]


@pytest.mark.parametrize("hexadecimal", VECTORS["replies_variant3_hex"])
def test_recorded_replies_in_both_directions(hexadecimal):
    content = bytes.fromhex(hexadecimal)
    assert checksum(content[:-1]) == content[-1]
    reply = decode_reply(content[:-1])
    assert reply.variant is R2 and encode_reply(reply) == content[:-1]
    assert len(reply.velocity_rad_s) == 6


def test_the_first_recorded_reply_in_degrees():
    reply = decode_reply(bytes.fromhex(VECTORS["replies_variant3_hex"][0])[:-1])
    expected = VECTORS["first_variant3_reply_deg"]
    assert [round(angle, 3) for angle in reply.position_deg] == expected


def test_a_truncated_recording_is_rejected():
    content = bytes.fromhex(VECTORS["reply_truncated_must_be_rejected_hex"])
    assert decode_reply(content) is None and decode_reply(content[:-1]) is None
    assert Unwrapper().feed(b"\x7e" + content + b"\x7e") == []


six = st.tuples(*[st.integers(-32768, 32767)] * 6)
replies = st.sampled_from(ReplyVariant)
commands = st.one_of(
    st.builds(Motors, st.sampled_from(Mode), replies, six),
    st.builds(Read, replies),
    st.just(ExitApi()),
    st.builds(Upsampling, st.booleans()),
    st.builds(Grip, st.integers(0, 255), st.integers(0, 255)),
)
touch = st.tuples(*[st.integers(0, 4095)] * 30)
byte = st.integers(0, 255)
answers = st.one_of(
    st.builds(Reply, st.just(R0), st.just(0x10), six, six, st.none(), touch, byte),
    st.builds(Reply, st.just(R1), st.just(0x11), six, st.none(), six, touch, byte),
    st.builds(Reply, st.just(R2), st.just(0x12), six, six, six, st.none(), byte),
)


@given(st.lists(commands), st.lists(st.integers(0, 400)))
def test_any_split_gives_the_same_commands(sent, cuts):
    wire = b"".join(map(encode_command, sent))
    edges = sorted({0, len(wire), *(cut for cut in cuts if cut < len(wire))})
    unwrapper, found = Unwrapper(), []
    for begin, end in zip(edges, edges[1:], strict=False):
        found += map(decode_command, unwrapper.feed(wire[begin:end]))
    assert found == sent and unwrapper.dropped == 0


@given(answers)
def test_replies_come_back_as_they_were(reply):
    (payload,) = Unwrapper().feed(wrap(encode_reply(reply)))
    assert decode_reply(payload) == reply


@given(st.binary(max_size=400), commands)
def test_after_garbage_the_second_frame_is_heard(garbage, command):
    unwrapper = Unwrapper()
    unwrapper.feed(garbage)
    found = unwrapper.feed(encode_command(command) * 2)
    assert decode_command(found[-1]) == command


@given(commands, st.data())
def test_no_single_wrong_bit_is_taken(command, data):
    wire = bytearray(encode_command(command))
    wire[data.draw(st.integers(0, len(wire) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    for payload in Unwrapper().feed(bytes(wire)):
        assert decode_command(payload) != command or wire == encode_command(command)
        assert checksum(payload + bytes([checksum(payload)])) == 0


@given(st.binary(max_size=2000))
def test_whatever_comes_the_memory_is_bounded(data):
    unwrapper = Unwrapper()
    for payload in unwrapper.feed(data):
        decode_command(payload)
        decode_reply(payload)
    assert len(unwrapper._frame) <= 160
    assert unwrapper.dropped <= len(data)


def test_a_frame_without_end_is_dropped_once():
    unwrapper = Unwrapper()
    assert unwrapper.feed(b"\x7e" + b"x" * 5000) == []
    assert unwrapper.dropped == 1
    unwrapper.feed(encode_command(ExitApi()))  # its first flag ends the long one
    assert unwrapper.feed(encode_command(ExitApi()))
