"""``myoloop run`` as a user runs it: a live stream, good and bad, and what comes of it."""

import json
import math
import signal
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import yaml

from bridges.lsl_api import local_clock_s
from controller.board import BoardReader
from controller.supervisor.states import State

ROOT = Path(__file__).parents[2]
PATIENCE_S = 30.0


class Run:
    """A daemon under test, fed by the outlet of this process."""

    def __init__(self, process, outlet, board: Path, report: Path) -> None:
        self._process, self._outlet = process, outlet
        self._board, self._report = board, report

    def feed(self, rotation: float, engage: float, until: Callable[[np.void], bool], ahead_s=0.0):
        """Send 100 samples a second until a tick of the board is as wanted."""
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            self._outlet.push((rotation,), engage, local_clock_s() + ahead_s)
            record = self.newest()
            if record is not None and until(record):
                return record
            time.sleep(0.01)
        raise AssertionError(f"not within {PATIENCE_S} s; the last state was {record}")

    def newest(self):
        if not self._board.exists():
            return None
        reader = BoardReader(self._board)
        return reader.read(reader.newest)

    def work(self) -> None:
        """The dead-man low, then high, until the hand works."""
        self.feed(0.0, 0.0, is_in(State.READY))
        self.feed(0.0, 1.0, is_in(State.ACTIVE))

    def end(self) -> dict:
        """Ask it to stop; its report."""
        self._process.send_signal(signal.SIGTERM)
        printed, _ = self._process.communicate(timeout=PATIENCE_S)
        assert self._process.returncode == 0, printed
        return json.loads(self._report.read_text())


def is_in(state: State) -> Callable[[np.void], bool]:
    return lambda record: record["state"] == state


def at_rest(record) -> bool:
    return record["state"] in (State.RELAXED, State.READY) and not record["excitation"].any()


@pytest.fixture
def session_file(tmp_path: Path, lsl_session: str, source_id: str) -> Callable[..., Path]:
    def write(**changes) -> Path:
        plain = yaml.safe_load((ROOT / "configs/baoding.yaml").read_text())
        plain["policy"] = str(ROOT / "policies/baoding.onnx")
        plain["source"]["options"] = {"source_id": source_id, "session": lsl_session}
        path = tmp_path / "session.yaml"
        path.write_text(yaml.safe_dump({**plain, **changes}))
        return path

    return write


@pytest.fixture
def run(start, make_outlet, session_file, tmp_path: Path) -> Run:
    board, report = tmp_path / "board", tmp_path / "report.json"
    outlet = make_outlet()
    options = ["--board", str(board), "--report", str(report)]
    process = start("-m", "controller.cli", "run", str(session_file()), *options)
    return Run(process, outlet, board, report)


def test_nothing_moves_before_the_dead_man_was_low(run):
    for _ in range(3):
        run.feed(0.5, 1.0, lambda record: record["age_s"] < 0.1)
    assert run.newest()["state"] == State.RELAXED
    task = run.end()["task"]
    assert task["judged_ticks"] == 0
    assert task["solved_fraction"] is None


@pytest.mark.parametrize(
    ("rotation", "reason"), [(math.nan, "intention_invalid"), (1e6, "intention_invalid")]
)
def test_a_wrong_value_relaxes_the_hand_for_a_counted_reason(run, rotation, reason):
    run.work()
    run.feed(rotation, 1.0, at_rest)
    run.feed(0.0, 1.0, at_rest)  # good values again: still at rest
    time.sleep(0.2)
    assert at_rest(run.newest())
    run.feed(0.0, 0.0, is_in(State.READY))
    run.feed(0.0, 1.0, is_in(State.ACTIVE))
    assert run.end()["gate"][reason] >= 1


def test_a_stamp_from_the_future_relaxes_the_hand(run):
    run.work()
    run.feed(0.0, 1.0, at_rest, ahead_s=0.5)
    assert run.end()["gate"]["intention_fault"] >= 1


def test_silence_holds_then_relaxes_and_the_task_is_put_back(run):
    run.work()
    deadline = time.monotonic() + PATIENCE_S
    while not at_rest(run.newest()) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert at_rest(run.newest())
    run.feed(0.0, 1.0, lambda record: record["age_s"] < 0.1)
    assert run.newest()["state"] == State.RELAXED  # it does not move again by itself
    ready = run.feed(0.0, 0.0, is_in(State.READY))
    assert ready["object_pos"][:, 2].min() > 1.4  # the balls are back in the hand
    report = run.end()
    assert report["gate"]["intention_stale_hold"] >= 1
    assert report["gate"]["intention_stale_relax"] >= 1
    assert report["stale_ticks"] >= 1


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"rate_hz": 50}, ["policy", "40", "50"]),
        ({"plant": {"use": "robot"}}, ["plant.use", "robot", "myohand"]),
        ({"skill": "juggling"}, ["juggling", "baoding"]),
        ({"policy": "policies/none.onnx"}, ["policies/none.onnx"]),
        ({"policy": str(ROOT / "README.md")}, ["README.md"]),
        ({"gate": {"slew_per_s": 1000}}, ["gate.slew_per_s", "1000", "20"]),
        ({"speed": 1}, ["speed", "allowed", "rate_hz"]),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(start, session_file, changes, words):
    process = start("-m", "controller.cli", "run", str(session_file(**changes)))
    printed = process.communicate(timeout=PATIENCE_S)[0].decode()
    assert process.returncode == 2
    assert len(printed.splitlines()) == 1, printed
    assert all(word in printed for word in words), printed


def test_no_stream_is_refused_with_what_was_seen(start, session_file, lsl_session, source_id):
    options = {"source_id": source_id, "session": lsl_session, "wait_s": 0.5}
    path = session_file(source={"use": "lsl", "options": options})
    process = start("-m", "controller.cli", "run", str(path))
    printed = process.communicate(timeout=PATIENCE_S)[0].decode()
    assert process.returncode == 2
    assert source_id in printed
    assert "Traceback" not in printed


def test_a_required_but_refused_priority_is_an_error_before_the_first_command(
    start, make_outlet, session_file
):
    make_outlet()
    path = session_file(realtime={"cpu": 4095, "required": True})
    process = start("-m", "controller.cli", "run", str(path))
    printed = process.communicate(timeout=PATIENCE_S)[0].decode()
    assert process.returncode == 2
    assert "4095" in printed
    assert "Traceback" not in printed
