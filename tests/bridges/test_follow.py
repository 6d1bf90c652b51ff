"""A follower's process reads every tick of its run, however late it is there."""

import os

import pytest

from bridges import follow as module
from bridges.follow import Follow
from bridges.follower_process import Job
from controller.board import BoardWriter
from controller.follower import FollowerContext

SLOTS = 8


@pytest.fixture
def board(tmp_path) -> BoardWriter:
    return BoardWriter(tmp_path / "board", SLOTS)


@pytest.fixture
def follow(board, tmp_path, monkeypatch):
    """Made on demand; it leaves the signals of the test's process alone."""
    monkeypatch.setattr(module.signal, "signal", lambda *_: None)
    wake = os.eventfd(0, os.EFD_NONBLOCK)
    context = FollowerContext(
        session="test", board=str(board.path), folder=str(tmp_path), rate_hz=40.0, about={}
    )
    job = Job(name="x", wake_fd=wake, status=str(tmp_path / "s"), options={}, context=context)
    yield lambda: Follow(job)
    os.close(wake)


def test_what_ticked_before_it_was_there_is_read_too_and_then_each_tick_once(board, follow):
    for number in range(3):
        board.publish(number)
    late = follow()
    assert [int(one["number"]) for one in late.ticks(settled=False)] == [0, 1, 2]
    board.publish(3)
    assert [int(one["number"]) for one in late.ticks(settled=False)] == [3]
    assert late.dropped == 0


def test_what_was_overwritten_is_counted(board, follow):
    for number in range(2 * SLOTS):
        board.publish(number)
    late = follow()
    found = [int(one["number"]) for one in late.ticks(settled=False)]
    assert found == list(range(2 * SLOTS - len(found), 2 * SLOTS))
    assert late.dropped == 2 * SLOTS - len(found) and len(found) >= SLOTS - 1
