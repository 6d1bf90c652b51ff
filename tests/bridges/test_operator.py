"""Keys of a real terminal (a pty), and an operator that arms through the control port."""

import os
import pty
import select
import subprocess
import sys
import termios
from pathlib import Path

import pytest

from bridges.operator import Keys, Operator
from controller import rundir
from controller.board import BoardReader
from controller.supervisor.states import State

ROOT = Path(__file__).parents[2]
WATCH = """
import time
from bridges.operator import Keys
with Keys() as keys:
    print("live" if keys.live else "no terminal", flush=True)
    found = ""
    while "q" not in found:
        time.sleep(0.01)
        found += keys.pressed()
print(repr(found), flush=True)
"""


def read_until(terminal: int, wanted: bytes) -> bytes:
    found = b""
    while wanted not in found:
        assert select.select([terminal], [], [], 20)[0], found
        found += os.read(terminal, 1000)
    return found


def test_single_keys_arrive_without_enter_and_the_terminal_is_given_back():
    ours, theirs = pty.openpty()
    before = termios.tcgetattr(theirs)
    child = subprocess.Popen(
        [sys.executable, "-c", WATCH], cwd=ROOT, stdin=theirs, stdout=theirs, stderr=theirs
    )
    read_until(ours, b"live")
    os.write(ours, b"E r")
    os.write(ours, b"Q")
    read_until(ours, b"'e rq'")
    assert child.wait(20) == 0
    assert termios.tcgetattr(theirs) == before
    os.close(ours)
    os.close(theirs)


def test_without_a_terminal_there_are_no_keys(monkeypatch):
    monkeypatch.setattr(sys, "stdin", open(os.devnull))  # noqa: SIM115
    with Keys() as keys:
        assert not keys.live and keys.pressed() == ""
    sys.stdin.close()


@pytest.fixture
def asked():
    """How often the person was asked to let go."""
    return []


@pytest.fixture
def operator(run, asked):
    run.feed(0.0, 1.0, lambda record: record["fresh"])
    board = BoardReader(rundir.root() / run.name / "board")
    with Operator(run.name, board, lambda: asked.append(1)) as found:
        yield found


def test_it_arms_when_the_dead_man_is_low_and_never_resets_by_itself(run, operator, asked):
    run.feed(0.0, 1.0, lambda _: operator.look() or asked)  # held from the start
    assert run.newest()["arming"] == 0
    run.feed(0.0, 0.0, lambda record: operator.look() or record["state"] == State.ARMING)
    run.feed(0.0, 1.0, run.is_in(State.ACTIVE))
    operator.look(" ")
    assert run.newest()["state"] == State.FAULT
    run.feed(0.0, 0.0, lambda record: record["engage"] < 0.5)
    operator.look("x")
    assert run.newest()["state"] == State.FAULT
    operator.look("rd")
    run.feed(0.0, 0.0, lambda record: record["engage"] < 0.5)
    operator.look()  # nobody wants it
    assert run.newest()["state"] == State.DISARMED
    run.feed(0.0, 0.0, lambda record: operator.look("r") or record["state"] == State.ARMING)
    run.end()
    operator.look("e")  # a daemon that has ended raises nothing
