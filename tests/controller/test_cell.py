"""A cell holds the newest whole value, whoever writes, dies or looks when."""

import os
import select
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from controller.cell import HEADER, CellReader, CellWriter
from controller.errors import HostError

PAIR = np.dtype([("first", np.int64), ("second", np.float64, (1000,))])


@pytest.fixture
def path(tmp_path):
    return tmp_path / "cell"


def write(writer, value):
    writer.record["first"], writer.record["second"] = value, value
    writer.publish()


def test_nothing_before_the_first_value_then_the_newest(path):
    writer, reader = CellWriter(path, PAIR), CellReader(path, PAIR)
    assert reader.read() is None
    for value in (1, 2, 3):
        write(writer, value)
    found = reader.read()
    assert found["first"] == 3 and (found["second"] == 3).all()
    write(writer, 4)
    assert found["first"] == 3, "a copy"
    assert reader.read()["first"] == 4 and reader.read()["first"] == 4


def test_a_writer_that_died_while_writing_leaves_the_value_before(path):
    writer, reader = CellWriter(path, PAIR), CellReader(path, PAIR)
    write(writer, 1)
    reader.read()
    content = np.memmap(path, np.uint8, "r+")
    content[: HEADER.itemsize].view(HEADER)["sequence"] += 1
    content[HEADER.itemsize :].view(PAIR)["first"] = 99
    assert reader.read()["first"] == 1
    assert CellReader(path, PAIR).read() is None


def test_no_reader_sees_half_a_value(path):
    writer = CellWriter(path, PAIR)
    write(writer, 0)
    watch = (
        "import sys; from pathlib import Path; import numpy as np\n"
        "from controller.cell import CellReader\n"
        "pair = np.dtype([('first', np.int64), ('second', np.float64, (1000,))])\n"
        "reader, seen = CellReader(Path(sys.argv[1]), pair), set()\n"
        "print('ready', flush=True)\n"
        "while True:\n"
        "    value = reader.read()\n"
        "    assert (value['second'] == value['first']).all(), value\n"
        "    seen.add(int(value['first']))\n"
        "    if len(seen) == 100: print('seen', flush=True)\n"
        "    if value['first'] < 0: break\n"
    )
    root = Path(__file__).parents[2]
    with subprocess.Popen(
        [sys.executable, "-c", watch, str(path)],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root)},
        stdout=subprocess.PIPE,
        text=True,
    ) as child:
        assert child.stdout.readline() == "ready\n"
        value = 0
        while not select.select([child.stdout], [], [], 0)[0]:  # it has seen enough, or died
            value += 1
            write(writer, value)
        write(writer, -1)
        child.wait(60)
    assert child.returncode == 0


@pytest.mark.parametrize("content", [b"", b"x", b"x" * 8032, b"x" * (HEADER.itemsize + 8008)])
def test_what_is_no_cell_is_refused(path, content):
    path.write_bytes(content)
    with pytest.raises(HostError, match=r"not a cell of this myoloop|can't read the cell"):
        CellReader(path, PAIR)


def test_another_layout_is_refused(path):
    CellWriter(path, np.dtype([("first", np.int64), ("other", np.float64, (1000,))]))
    with pytest.raises(HostError, match="another layout"):
        CellReader(path, PAIR)


def test_a_missing_cell_is_refused(path):
    with pytest.raises(HostError, match="can't read the cell"):
        CellReader(path, PAIR)
