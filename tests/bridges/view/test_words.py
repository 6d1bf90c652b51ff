"""What the page says, and what it knows of a run, without a browser."""

import html
import os
import time

import numpy as np
import pytest

from bridges.control.status import WHY
from bridges.view import watch as watching
from bridges.view import words
from bridges.view.watch import SHOWN_S, Watch
from controller import rundir
from controller.board import RECORD, BoardWriter
from controller.follower import FollowerContext
from controller.names import MUSCLES
from controller.rundir import RunFolder
from controller.supervisor.states import Missing, Reason, State

RATE_HZ = 40.0


@pytest.fixture(autouse=True)
def at_every_look(monkeypatch):
    """A session is looked for at every look, however soon."""
    monkeypatch.setattr(watching, "FIND_S", 0.0)


def told(folder: RunFolder, skill: str = "baoding") -> RunFolder:
    """The folder, with what a daemon leaves in it."""
    folder.tell(
        FollowerContext(
            session="bench", board="", folder="", rate_hz=RATE_HZ, about={"skill": skill}
        )
    )
    return folder


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A run folder of a session 'bench', held by this process, where no other run can see it."""
    monkeypatch.setattr(rundir, "MEMORY", tmp_path)
    made = told(RunFolder("bench", tmp_path / "bench.yaml"))
    yield made
    made.close()


def publish(board: BoardWriter, first: int, last: int, **fields) -> None:
    now_ns = time.monotonic_ns()
    for number in range(first, last + 1):
        board.record[...] = np.zeros((), RECORD)
        board.record["time_ns"] = now_ns - int((last - number) / RATE_HZ * 1e9)
        board.record["channels"], board.record["lateness_ns"] = 1, number * 1000
        for name, value in fields.items():
            board.record[name] = value
        board.publish(number)
        board.record["took_ns"] = 2_000_000
        board.settle(number)


def look(watch: Watch) -> str:
    now_ns = time.monotonic_ns()
    watch.look(now_ns)
    return html.unescape(words.state(watch, watch.silent_s(now_ns)))


def test_without_a_run_it_says_so_and_finds_the_next_one(tmp_path, monkeypatch):
    monkeypatch.setattr(rundir, "MEMORY", tmp_path)
    watch = Watch()
    assert "no session runs here" in look(watch)
    assert words.ledger(watch) == words.muscles(watch.newest) == ""
    for state in (State.ACTIVE, State.HOLD):  # the second run is a new board under the old name
        held = told(RunFolder("bench", tmp_path / "bench.yaml"))
        board = BoardWriter(held.board, slots=64)
        publish(board, 0, 3, state=state)
        assert state.name in look(watch)
        assert (watch.name, watch.ledger.ticks) == ("bench", 4)
        board.close()
        assert "The run is over" in look(watch)
        held.close()


def test_a_killed_daemon_is_silent_and_its_successor_is_found(folder):
    board = BoardWriter(folder.board, slots=64)
    watch = Watch("bench")
    publish(board, 0, 3, state=State.ACTIVE)
    assert "ACTIVE" in look(watch)
    late_ns = time.monotonic_ns() + 5_000_000_000
    watch.look(late_ns)
    assert "No tick for 5 s" in words.state(watch, watch.silent_s(late_ns))
    os.unlink(folder.board)
    publish(BoardWriter(folder.board, slots=64), 0, 1, state=State.ARMING)
    watch.look(late_ns)
    assert "ARMING" in words.state(watch, 0.0)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"state": State.FAULT, "note": b"<e-stop> & more"}, "<e-stop> & more"),
        ({"state": State.DISARMED, "missing": Missing.ENGAGE_LOW}, "engage is high"),
        ({"state": State.HOLD, "reasons": Reason.INTENTION_HOLD}, "the intention is late"),
        ({"state": State.ACTIVE, "reasons": Reason.SLEW}, "kept from jumping"),
    ],
)
def test_the_supervisor_in_words(folder, fields, said):
    publish(BoardWriter(folder.board, slots=64), 0, 1, **fields)
    watch = Watch()
    shown = look(watch)
    assert said in shown
    assert fields["state"].name in shown
    assert "<e-stop>" not in words.state(watch, 0.0)  # it is text, whatever is in it


def test_signals_are_the_last_seconds_and_the_ledger_is_of_all(folder):
    board = BoardWriter(folder.board, slots=1024)
    watch = Watch()
    publish(board, 0, 799, objects=1, error_m=(0.004, 0.0), age_s=0.005, missed=3)
    look(watch)
    signals = watch.signals()
    assert signals["time_s"][-1] == 0.0
    assert signals["time_s"][0] == pytest.approx(-SHOWN_S, abs=1 / RATE_HZ)
    assert signals["error1_mm"][-1] == pytest.approx(4.0)
    assert np.isnan(signals["error2_mm"]).all()  # there is no second ball
    assert watch.rate_hz() == pytest.approx(RATE_HZ, rel=0.01)
    assert watch.ledger.lateness_us.max == pytest.approx(799.0)
    shown = words.ledger(watch)
    assert ">800<" in shown and ">3</b>" in shown and ">2.00<" in shown


def test_each_muscle_has_a_bar_with_its_name(folder):
    activation = np.linspace(0.0, 1.0, len(MUSCLES))
    activation[3] = np.nan
    publish(BoardWriter(folder.board, slots=64), 0, 0, activation=activation)
    watch = Watch()
    look(watch)
    shown = words.muscles(watch.newest)
    assert all(f"'{name} " in shown for name in MUSCLES)
    assert "'UI_UB5 100%'" in shown and "'FCR unknown'" in shown


def test_every_reason_has_words():
    assert set(WHY) == set(Reason)


@pytest.mark.parametrize(
    ("skill", "fields", "said"),
    [
        (
            "baoding",
            {"solved": 1},
            ("+0.50, counter-clockwise", "dead-man up", "15 mm: yes"),
        ),
        ("posture", {"engage": 0.2}, ("grip 0.50", "dead-man let go", "0.7 rad: no")),
        ("passthrough-muscles", {}, ("ECRL +0.50, the largest of 39", "dead-man up")),
    ],
)
def test_the_task_in_the_skills_own_words(folder, skill, fields, said):
    told(folder, skill)
    intention = np.zeros(48)
    intention[0] = 0.5
    tick = {"state": State.ACTIVE, "engage": 1.0, "intention": intention, **fields}
    publish(BoardWriter(folder.board, slots=64), 0, 1, **tick)
    watch = Watch()
    look(watch)
    shown = words.task(watch)
    assert all(one in shown for one in said), shown
    assert watch.signals()[watch.channels[0]].tolist() == [0.5, 0.5]
    assert len(watch.channels) <= 8


def test_a_run_that_is_over_asks_for_nothing(folder):
    board = BoardWriter(folder.board, slots=64)
    publish(board, 0, 1, state=State.ACTIVE, engage=1.0)
    watch = Watch()
    look(watch)
    assert "dead-man up" in words.task(watch)
    board.close()
    look(watch)
    assert words.task(watch) == ""
