"""The file itself: no bit is lost, whatever is torn off its end."""

import gc
import uuid
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from hypothesis import given, settings
from hypothesis import strategies as st
from mcap.reader import make_reader
from mcap.records import ChunkIndex
from mcap_protobuf.decoder import DecoderFactory

from bridges.recording.reader import read
from bridges.recording.schema import TickMessage, decode_tick, encode_tick, tick_class
from bridges.recording.writer import RecordingWriter
from controller.board import RECORD
from controller.errors import MyoloopError
from controller.supervisor.states import State

ABOUT = {"versions": {"myoloop": "0.1.0"}, "session": {"name": "test"}}
COUNTS = {"channels": 48, "goals": 64, "observations": 256, "objects": 2}


def random_tick(number: int, state: State = State.ACTIVE, note: bytes = b"") -> np.ndarray:
    """Every field full, with odd numbers in it."""
    rng = np.random.default_rng(number)
    record = np.zeros((), RECORD)
    for name in RECORD.names:
        kind = RECORD[name].base.kind
        if kind == "f":
            record[name] = rng.normal(size=RECORD[name].shape)
        elif kind in "iu":
            record[name] = rng.integers(0, 2**31, RECORD[name].shape)
    record["number"], record["state"], record["note"] = number, state, note
    record["time_ns"] = 10**9 + number * 25_000_000
    for name, count in COUNTS.items():
        record[name] = rng.integers(0, count + 1)
    record["activation"][:3] = np.nan, np.inf, -0.0
    return record[()]  # as the board gives it


def used(record: np.ndarray) -> np.ndarray:
    """The record without what lies beyond its counts."""
    return decode_tick(encode_tick(record))[()]


@given(st.integers(0, 2**31))
@settings(max_examples=20, deadline=None)
def test_a_tick_comes_back_bit_by_bit(seed):
    record = random_tick(seed)
    again = used(record)
    assert again.tobytes() == used(again).tobytes()
    for name in RECORD.names:
        if name in ("goal", "intention", "observation") or name.endswith(("_m", "object_pos")):
            continue
        if not (name.startswith("object_") or name == "target_pos"):
            assert again[name].tobytes() == record[name].tobytes(), name
    count = int(record["observations"])
    assert again["observation"][:count].tobytes() == record["observation"][:count].tobytes()


@given(st.binary(max_size=300))
def test_what_is_no_tick_is_refused(data):
    with suppress(ValueError):
        assert decode_tick(data).dtype == RECORD
    with suppress(ValueError):
        assert tick_class(data).DESCRIPTOR.full_name == "myoloop.Tick"


def test_an_older_layout_is_read_by_its_own_schema():
    file = FileDescriptorSet()
    TickMessage.DESCRIPTOR.file.CopyToProto(file.file.add())
    (message,) = file.file[0].message_type
    for field in list(message.field):
        if field.name == "violations":
            message.field.remove(field)
        else:
            field.number += 500
    older = tick_class(file.SerializeToString())
    data = older(number=7, joint_pos=[0.5] * 23).SerializeToString()
    record = decode_tick(data, older)
    assert record["number"] == 7 and record["joint_pos"][22] == 0.5 and record["violations"] == 0


@pytest.fixture
def whole(tmp_path) -> Path:
    """Ten ticks at 40 Hz: four chunks."""
    path = tmp_path / "run.mcap"
    writer = RecordingWriter(path, ABOUT, b"policy", 40.0)
    for number in range(10):
        state = State.FAULT if number > 6 else State.ACTIVE
        writer.add(random_tick(number, state, b"e-stop" if number > 6 else b""))
        writer.flush()
    writer.close()
    return path


def test_a_whole_file(whole):
    tape = read(whole)
    assert tape.torn == "" and tape.gaps == 0
    assert tape.about == ABOUT and tape.policy == b"policy"
    assert tape.ticks["number"].tolist() == list(range(10))
    assert tape.ticks[3].tobytes() == used(random_tick(3)).tobytes()


def test_other_peoples_reader_lists_and_decodes_it(whole):
    with whole.open("rb") as file:
        reader = make_reader(file, decoder_factories=[DecoderFactory()])
        summary = reader.get_summary()
        assert {one.topic for one in summary.channels.values()} == {"/tick", "/log"}
        assert summary.statistics.message_count == 12
        assert summary.statistics.chunk_count >= 3
        decoded = list(reader.iter_decoded_messages())
        ticks = [message for _, channel, _, message in decoded if channel.topic == "/tick"]
        logs = [message for _, channel, _, message in decoded if channel.topic == "/log"]
        assert ticks[4].joint_pos[5] == random_tick(4)["joint_pos"][5]
        assert [line.message for line in logs] == ["ACTIVE", "FAULT: e-stop"]
        assert [attachment.name for attachment in reader.iter_attachments()] == ["policy.onnx"]


def test_the_index_does_not_grow_in_memory_and_is_whole_in_the_file(tmp_path):
    writer = RecordingWriter(path := tmp_path / "long.mcap", ABOUT, b"", 40.0)
    for number in range(400):
        writer.add(random_tick(number))
        writer.flush()
    gc.collect()
    assert sum(type(one) is ChunkIndex for one in gc.get_objects()) < 5
    writer.close()
    assert [one.name for one in tmp_path.iterdir()] == ["long.mcap"]
    with path.open("rb") as file:
        reader = make_reader(file)
        summary = reader.get_summary()
        assert len(summary.chunk_indexes) == summary.statistics.chunk_count > 50
        late_ns = summary.statistics.message_end_time - 10**9
        found = [
            message.sequence for _, _, message in reader.iter_messages("/tick", starting_at=late_ns)
        ]
        assert found == list(range(359, 400))  # found by the index, to the tick


def test_whatever_is_torn_off_the_whole_chunks_before_it_are_there(whole):
    content = whole.read_bytes()
    seen = set()
    for size in range(len(content) - 1, 0, -137):
        whole.write_bytes(content[:size])
        try:
            tape = read(whole)
        except MyoloopError as error:
            assert "run.mcap" in str(error)
            seen.add(0)
        else:
            count = len(tape.ticks)
            assert tape.torn or count == 10
            assert tape.ticks["number"].tolist() == list(range(count))
            seen.add(count)
    assert {0, 10} < seen and len(seen) >= 4


@given(st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(1, 255)), min_size=1))
@settings(max_examples=60, deadline=None)
def test_damage_is_an_error_or_a_torn_file(damage):
    path = Path("/dev/shm") / f"myoloop-test-{uuid.uuid4()}.mcap"
    writer = RecordingWriter(path, ABOUT, b"", 40.0)
    for number in range(6):
        writer.add(random_tick(number))
    writer.close()
    content = bytearray(path.read_bytes())
    for share, bits in damage:
        content[int(share * len(content))] ^= bits
    path.write_bytes(content)
    try:
        assert len(read(path).ticks) <= 6
    except MyoloopError as error:
        assert str(path) in str(error)
    finally:
        path.unlink()


@pytest.mark.parametrize("content", [None, b"", b"x", b"\x89MCAP0\r\n", b"hello, world" * 100])
def test_what_is_no_recording_is_named(tmp_path, content):
    path = tmp_path / "other.mcap"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(MyoloopError, match=r"other.mcap: (can't be read|not )"):
        read(path)
