import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridges.devices.sciencemode_codec import decode, encode
from bridges.devices.sciencemode_frame import LONGEST, Packet, Unwrapper, wrap
from bridges.devices.sciencemode_messages import (
    ERRORS,
    Answer,
    ChannelAnswer,
    Command,
    CurrentData,
    DeviceId,
    LlChannelConfig,
    LlInit,
    MainVersion,
    MlGetCurrentData,
    MlInit,
    MlStop,
    MlUpdate,
    Plain,
    Point,
    StimStatus,
    Train,
    Version,
)
from bridges.devices.sciencemode_replies import ANSWERED, STATES
from bridges.devices.sciencemode_requests import PLAIN

VECTORS = json.loads((Path(__file__).parents[2] / "vectors" / "sciencemode.json").read_text())
WIRE = {**VECTORS["published_hex"], **VECTORS["library_hex"]}


def pulse(width, current, gap):
    return Point(width, current), Point(gap, 0.0), Point(width, -current)


def trains(**found):
    return MlUpdate(tuple(found.get(f"ch{channel}") for channel in range(8)))


LL_STOP, ID, STATUS, VERSION = (
    Plain(Command.LL_STOP),
    Plain(Command.GET_DEVICE_ID),
    Plain(Command.GET_STIM_STATUS),
    Plain(Command.GET_EXTENDED_VERSION),
)
MESSAGES = {
    "ll_init_pn0": LlInit(0, 0),
    "ll_channel_config_pn1_red_250us20mA_100us0_250us-20mA": LlChannelConfig(
        True, 0, 0, pulse(250, 20.0, 100)
    ),
    "ll_stop_pn2": LL_STOP,
    "ml_init_pn0": MlInit(False),
    "ml_update_pn1_red200us20mA20ms_blue100us10mA10ms_ramp3": trains(
        ch0=Train(20.0, 3, pulse(200, 20.0, 100)), ch1=Train(10.0, 3, pulse(100, 10.0, 100))
    ),
    "ml_get_current_data_pn2_sel2": MlGetCurrentData(2),
    "ml_stop_pn3": MlStop(),
    "ml_init_pn1_stop0": MlInit(False),
    "ml_init_pn2_stop1": MlInit(True),
    "ml_update_pn3_ch0_25ms_ramp3_20mA200us_gap100": trains(
        ch0=Train(25.0, 3, pulse(200, 20.0, 100))
    ),
    "ml_update_pn6_none": trains(),
    "ml_get_current_data_pn7_sel4": MlGetCurrentData(4),
    "ml_stop_pn8": MlStop(),
    "get_stim_status_pn10": STATUS,
    "get_extended_version_pn11": VERSION,
    "get_device_id_pn12": ID,
    "ll_init_pn13_150V": LlInit(high_voltage=6, measurement=0),
    "ll_channel_config_pn14_blue_green": LlChannelConfig(True, 1, 1, pulse(200, 20.0, 100)),
    "ll_stop_pn15": LL_STOP,
    "ack_ml_init_pn1_ok": Answer(Command.ML_INIT, 0),
    "ack_ml_update_pn3_ok": Answer(Command.ML_UPDATE, 0),
    "ack_ml_update_pn3_param": Answer(Command.ML_UPDATE, 2),
    "ack_ml_update_pn3_notinit": Answer(Command.ML_UPDATE, 7),
    "ack_ml_stop_pn8": Answer(Command.ML_STOP, 0),
}


@pytest.mark.parametrize("name", WIRE)
def test_every_vector_in_both_directions(name):
    wire = bytes.fromhex(WIRE[name])
    number = int(name.split("_pn")[1].split("_")[0])
    (packet,) = Unwrapper().feed(wire)
    assert packet.number == number and decode(packet) == MESSAGES[name]
    assert encode(number, MESSAGES[name]) == wire


def test_the_version_of_a_rehamove3_is_as_long_as_its_document_says():
    assert len(encode(0, Plain(Command.GET_VERSION_MAIN))) == 12
    assert len(encode(0, MainVersion(0, (2, 1, 16), (3, 2, 4)))) == 19


def test_the_longest_update_fits():
    escaped_all_over = Train(2055.5, 15, (Point(0xF0F, 60.0),) * 16)
    wire = encode(15, MlUpdate((escaped_all_over,) * 8))
    assert decode(*Unwrapper().feed(wire)) == MlUpdate((escaped_all_over,) * 8)
    assert len(wire) <= LONGEST


byte = st.integers(0, 255)
points = st.lists(
    st.builds(Point, st.integers(0, 4095), st.integers(-300, 723).map(lambda half: half / 2.0)),
    min_size=1,
    max_size=4,
).map(tuple)
periods = st.one_of(
    st.integers(0, 32767).map(lambda raw: raw / 2.0),
    st.integers(0, 32767).map(lambda raw: raw / 4.0),
)
train = st.builds(Train, periods, st.integers(0, 15), points)
updates = st.builds(MlUpdate, st.tuples(*[st.none() | train] * 8))
states = st.sampled_from(STATES)
triple = st.tuples(byte, byte, byte)
names = st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=10)
messages = st.one_of(
    updates,
    st.builds(MlInit, st.booleans()),
    st.just(MlStop()),
    st.builds(MlGetCurrentData, byte),
    st.builds(LlInit, st.integers(0, 7), st.integers(0, 7)),
    st.builds(LlChannelConfig, st.booleans(), st.integers(0, 3), st.integers(0, 1), points),
    st.builds(Plain, st.sampled_from(PLAIN)),
    st.builds(Answer, st.sampled_from((*ANSWERED, *ERRORS)), byte),
    st.builds(ChannelAnswer, byte, st.integers(0, 15), st.integers(0, 15)),
    st.builds(
        CurrentData, byte, st.just(4), st.tuples(*[st.booleans()] * 8), st.tuples(*[states] * 8)
    ),
    st.builds(
        CurrentData,
        byte,
        st.just(2),
        st.booleans().map(lambda on: (on,) * 4),
        st.tuples(*[st.sampled_from(STATES[:2])] * 4),
    ),
    st.builds(StimStatus, byte, byte, byte),
    st.builds(MainVersion, byte, triple, triple),
    st.builds(Version, byte, triple, triple, st.binary(min_size=6, max_size=6)),
    st.builds(DeviceId, byte, names),
)
numbers = st.integers(0, 63)
numbered = st.tuples(numbers, messages)


@given(st.lists(numbered, max_size=4), st.lists(st.integers(0, 2000)))
def test_any_split_gives_the_same_messages(sent, cuts):
    wire = b"".join(encode(*one) for one in sent)
    edges = sorted({0, len(wire), *(cut for cut in cuts if cut < len(wire))})
    unwrapper, found = Unwrapper(), []
    for begin, end in zip(edges, edges[1:], strict=False):
        found += unwrapper.feed(wire[begin:end])
    assert [(packet.number, decode(packet)) for packet in found] == sent
    assert unwrapper.dropped == 0


@given(st.binary(max_size=400), numbered, st.lists(st.integers(0, 800)))
def test_garbage_before_a_frame_costs_nothing_and_no_split_changes_that(garbage, one, cuts):
    wire = garbage + encode(*one) * 2
    whole = Unwrapper().feed(wire)
    assert decode(whole[-1]) == one[1]
    edges = sorted({0, len(wire), *(cut for cut in cuts if cut < len(wire))})
    unwrapper, found = Unwrapper(), []
    for begin, end in zip(edges, edges[1:], strict=False):
        found += unwrapper.feed(wire[begin:end])
    assert found == whole


@given(numbered, st.data())
def test_no_single_wrong_bit_is_taken(one, data):
    wire = bytearray(encode(*one))
    wire[data.draw(st.integers(0, len(wire) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    assert Unwrapper().feed(bytes(wire)) == []


@given(numbered, st.data())
def test_a_frame_that_was_cut_is_dropped_and_the_next_one_heard(one, data):
    wire = encode(*one)
    piece = wire[: data.draw(st.integers(0, len(wire) - 1))]
    assert [decode(packet) for packet in Unwrapper().feed(piece + wire)] == [one[1]]


@given(st.binary(max_size=3000))
def test_whatever_comes_the_memory_is_bounded(data):
    unwrapper = Unwrapper()
    for packet in unwrapper.feed(data):
        decode(packet)
    assert len(unwrapper._bytes) < LONGEST


@given(st.lists(st.sampled_from((0xF0, 0x0F, 0x81, 0x55, 0x58, 0x00)), max_size=3000).map(bytes))
def test_nor_by_bytes_that_look_like_frames(data):
    unwrapper = Unwrapper()
    assert unwrapper.feed(data) == []
    assert len(unwrapper._bytes) < LONGEST


@given(numbers, st.integers(0, 1023), st.binary(max_size=64))
def test_what_is_understood_is_said_back_the_same_way(number, command, content):
    packet = Packet(number, command, content)
    message = decode(packet)
    if message is not None and not isinstance(message, DeviceId | MlUpdate):
        assert encode(number, message) == wrap(packet)
    elif message is not None:  # padding after a name, or a period that two ways can say
        assert decode(Unwrapper().feed(encode(number, message))[0]) == message


@given(updates, st.data())
def test_an_update_of_the_wrong_length_or_with_reserved_bits_is_refused(update, data):
    (packet,) = Unwrapper().feed(encode(0, update))
    shorter = packet.data[: data.draw(st.integers(0, len(packet.data) - 1))]
    for content in (shorter, packet.data + b"\0"):
        assert decode(Packet(0, Command.ML_UPDATE, content)) is None
    if any(update.trains):
        reserved = packet.data[:-1] + bytes([packet.data[-1] | 1])
        assert decode(Packet(0, Command.ML_UPDATE, reserved)) is None


@pytest.mark.parametrize(
    "message, words",
    [
        (trains(ch0=Train(0.1, 0, pulse(1, 1.0, 1))), "steps of 0.25"),
        (trains(ch0=Train(20000.0, 0, pulse(1, 1.0, 1))), "period in steps 40000"),
        (trains(ch0=Train(20.0, 16, pulse(1, 1.0, 1))), "ramp 16; allowed: 0-15"),
        (trains(ch0=Train(20.0, 0, ())), "0 points; allowed: 1-16"),
        (trains(ch0=Train(20.0, 0, pulse(4096, 1.0, 1))), "width"),
        (trains(ch0=Train(20.0, 0, pulse(1, 1.25, 1))), "steps of 0.5"),
        (trains(ch0=Train(20.0, 0, pulse(1, 400.0, 1))), "current"),
        (MlUpdate((None,) * 4), "4 channels; allowed: 8"),
    ],
)
def test_what_does_not_fit_is_named(message, words):
    with pytest.raises(ValueError, match=words):
        encode(0, message)
    with pytest.raises(ValueError, match="packet number 64"):
        encode(64, MlStop())
