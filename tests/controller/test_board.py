"""The board: round trip, overrun, and every file that is not one."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from controller import board
from controller.board import HEADER, RECORD, BoardReader, BoardWriter
from controller.errors import HostError


@pytest.fixture
def path(tmp_path):
    return tmp_path / "board"


def publish(writer, *numbers):
    for number in numbers:
        writer.record["time_ns"] = number * 10
        writer.record["excitation"] = number / 1000
        writer.publish(number)


def test_round_trip_of_every_field(path):
    writer, reader = BoardWriter(path, slots=8), BoardReader(path)
    rng = np.random.default_rng(0)
    for name in RECORD.names:
        field = writer.record[name]
        drawn = rng.integers(1, 100, size=field.shape)
        writer.record[name] = drawn if field.dtype.kind == "i" else drawn / 128
    expected = writer.record.copy()
    writer.publish(5)
    found = reader.read(5)
    assert found["number"] == 5
    for name in RECORD.names[1:]:
        np.testing.assert_array_equal(found[name], expected[name], err_msg=name)


def test_before_the_first_tick(path):
    BoardWriter(path, slots=4)
    reader = BoardReader(path)
    assert reader.newest == -1 and not reader.closed
    assert [reader.read(k) for k in range(-5, 5)] == [None] * 10


def test_newest_follows_the_writer(path):
    writer, reader = BoardWriter(path, slots=4), BoardReader(path)
    for number in range(10):
        publish(writer, number)
        assert reader.newest == number
        assert reader.read(number)["time_ns"] == number * 10
        assert reader.read(number + 1) is None


def test_overrun_is_seen(path):
    writer, reader = BoardWriter(path, slots=4), BoardReader(path)
    publish(writer, *range(10))
    held = [number for number in range(-4, 14) if reader.read(number) is not None]
    assert held == [6, 7, 8, 9]


def test_a_record_read_is_a_copy(path):
    writer, reader = BoardWriter(path, slots=2), BoardReader(path)
    publish(writer, 0)
    found = reader.read(0)
    publish(writer, 1, 2, 3, 4)
    assert found["time_ns"] == 0 and found["number"] == 0


def test_a_record_that_is_being_written_is_not_read(path):
    writer, reader = BoardWriter(path, slots=2), BoardReader(path)
    publish(writer, 0, 1)
    slots = np.memmap(path, RECORD, mode="r+", offset=HEADER.itemsize, shape=2)
    slots["number"][0] = -1  # what the writer does first
    assert reader.read(0) is None and reader.read(2) is None and reader.read(1) is not None


def test_no_record_is_torn_by_a_writer_in_another_process(path):
    program = (
        "import sys; from pathlib import Path; from controller.board import BoardWriter\n"
        "writer = BoardWriter(Path(sys.argv[1]), slots=2)\n"
        "print('ready', flush=True); sys.stdin.readline()\n"
        "for number in range(20000):\n"
        "    writer.record['time_ns'] = writer.record['solved'] = number\n"
        "    writer.record['activation'] = number\n"
        "    writer.publish(number)\n"
        "writer.close()\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=Path(board.__file__).parent.parent,
    )
    with process:
        process.stdout.readline()
        reader = BoardReader(path)
        process.stdin.write(b"go\n")
        process.stdin.flush()
        while not reader.closed and process.poll() is None:
            number = reader.newest
            found = reader.read(number)
            if found is not None:
                told = {int(found[name]) for name in ("number", "time_ns", "solved")}
                assert told | {int(x) for x in found["activation"]} == {number}
    assert reader.read(19999) is not None


def test_the_writers_own_number_field_never_shows(path):
    writer, reader = BoardWriter(path, slots=2), BoardReader(path)
    writer.record["number"] = 77
    writer.publish(0)
    assert reader.read(77) is None and reader.read(0)["number"] == 0


def test_closed(path):
    writer, reader = BoardWriter(path, slots=2), BoardReader(path)
    publish(writer, 0)
    writer.close()
    assert reader.closed
    assert reader.read(0) is not None, "what is there can still be read"


def test_readers_do_not_disturb_each_other(path):
    writer = BoardWriter(path, slots=2)
    readers = [BoardReader(path) for _ in range(20)]
    publish(writer, 3)
    assert [int(reader.read(3)["time_ns"]) for reader in readers] == [30] * 20


def test_owner_is_this_process(path):
    BoardWriter(path, slots=1)
    header = np.fromfile(path, HEADER, count=1)[0]
    assert header["owner_pid"] == os.getpid() and header["slots"] == 1


def test_a_reader_in_another_process(path):
    writer = BoardWriter(path, slots=4)
    publish(writer, 0, 1, 2)
    writer.close()
    program = (
        "import sys; from pathlib import Path; from controller.board import BoardReader\n"
        "reader = BoardReader(Path(sys.argv[1]))\n"
        "print(reader.newest, reader.closed, int(reader.read(2)['time_ns']))\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", program, str(path)],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
        cwd=Path(board.__file__).parent.parent,
    )
    assert result.stdout.split() == ["2", "True", "20"]


def test_a_new_run_leaves_the_readers_of_the_old_one_alone(path):
    first = BoardWriter(path, slots=4)
    publish(first, 0)
    reader = BoardReader(path)
    second = BoardWriter(path, slots=1)
    publish(second, 9)
    assert reader.newest == 0 and reader.read(0) is not None
    assert BoardReader(path).newest == 9


def test_a_board_appears_whole(path, monkeypatch):
    """Who waits for the file to exist may open it at once."""
    replace = Path.replace
    seen = []

    def look(source, target):
        seen.append(path.exists())
        replace(source, target)
        seen.append(BoardReader(path).newest)

    monkeypatch.setattr(Path, "replace", look)
    BoardWriter(path)
    assert seen == [False, -1]


def test_folders_are_made(tmp_path):
    BoardWriter(tmp_path / "a" / "b" / "board", slots=1)
    assert BoardReader(tmp_path / "a" / "b" / "board").newest == -1


def test_nothing_else_is_left_beside_it(tmp_path):
    BoardWriter(tmp_path / "board", slots=1)
    assert [p.name for p in tmp_path.iterdir()] == ["board"]


# --- refusals ---------------------------------------------------------------------------


def refusal(action, path, *args):
    with pytest.raises(HostError) as caught:
        action(path, *args)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)
    return str(caught.value)


def test_missing_file(path):
    assert refusal(BoardReader, path).startswith(f"{path}: can't read the board: ")


def test_empty_file(path):
    path.touch()
    assert refusal(BoardReader, path).startswith(f"{path}: can't read the board: ")


def test_short_file(path):
    path.write_bytes(b"\0" * (HEADER.itemsize - 1))
    assert refusal(BoardReader, path) == f"{path}: not a myoloop board"


def test_another_file(path):
    path.write_bytes(b"something else altogether " * 100)
    assert refusal(BoardReader, path) == f"{path}: not a board of this myoloop"


def test_another_layout(path, monkeypatch):
    wider = np.dtype([*RECORD.descr, ("more", "<f8")])
    monkeypatch.setattr(board, "RECORD", wider)
    BoardWriter(path, slots=1)
    monkeypatch.undo()
    assert refusal(BoardReader, path) == f"{path}: not a board of this myoloop"


def test_a_tick_settles_in_place(path):
    writer, reader = BoardWriter(path, slots=8), BoardReader(path)
    publish(writer, 0, 1)
    assert (reader.newest, reader.settled) == (1, -1)
    sent = np.full(39, 0.25, np.float32)
    writer.record["sent"], writer.record["plant_ns"] = sent, 70
    writer.record["took_ns"], writer.record["time_ns"] = 900, 11
    writer.settle(1)
    record = reader.read(1)
    assert reader.settled == 1 and record["time_ns"] == 10
    np.testing.assert_array_equal(record["sent"], sent)
    assert (record["plant_ns"], record["took_ns"]) == (70, 900)


def test_the_owner_is_named(path):
    BoardWriter(path, slots=8)
    assert BoardReader(path).owner_pid == os.getpid() and BoardReader(path).slots == 8


def test_truncated_file(path):
    BoardWriter(path, slots=4)
    content = path.read_bytes()
    path.write_bytes(content[:-1])
    message = refusal(BoardReader, path)
    assert message == f"{path}: a truncated board: {len(content) - 1} bytes for 4 ticks"
    path.write_bytes(content)
    assert BoardReader(path).newest == -1


@pytest.mark.parametrize("slots", [0, -1, 2**40])
def test_senseless_header(path, slots):
    BoardWriter(path, slots=1)
    content = np.fromfile(path, np.uint8)
    content[: HEADER.itemsize].view(HEADER)["slots"] = slots
    content.tofile(path)
    assert "truncated" in refusal(BoardReader, path)


def test_a_folder_is_no_board(tmp_path):
    assert refusal(BoardReader, tmp_path)


def test_a_place_that_can_not_be_written(tmp_path):
    (tmp_path / "file").touch()
    inside = tmp_path / "file" / "board"
    assert refusal(BoardWriter, inside).startswith(f"board {inside}: can't be written: ")


def test_a_folder_in_the_way(tmp_path):
    (tmp_path / "board").mkdir()
    message = refusal(BoardWriter, tmp_path / "board")
    assert message.startswith(f"board {tmp_path / 'board'}: can't be written: ")
