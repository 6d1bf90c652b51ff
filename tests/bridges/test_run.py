"""``myoloop run`` as a user runs it: a live stream, good and bad, and what comes of it."""

import math
import time
from pathlib import Path

import pytest

from controller.supervisor.states import State

ROOT = Path(__file__).parents[2]
PATIENCE_S = 30.0


def test_nothing_moves_before_it_is_armed(run):
    for engage in (1.0, 0.0, 1.0):
        run.feed(0.5, engage, lambda record, e=engage: record["engage"] == e)
    assert run.newest()["state"] == State.DISARMED
    task = run.end()["task"]
    assert task["judged_ticks"] == 0
    assert task["solved_fraction"] is None


@pytest.mark.parametrize(
    ("rotation", "reason"), [(math.nan, "intention_invalid"), (1e6, "intention_invalid")]
)
def test_a_wrong_value_relaxes_the_hand_for_a_counted_reason(run, rotation, reason):
    run.work()
    run.feed(rotation, 1.0, run.at_rest)
    run.feed(0.0, 1.0, run.at_rest)  # good values again: still at rest
    time.sleep(0.2)
    assert run.at_rest(run.newest())
    run.work()
    assert run.end()["gate"][reason] >= 1


def test_a_stamp_from_the_future_relaxes_the_hand(run):
    run.work()
    run.feed(0.0, 1.0, run.at_rest, ahead_s=0.5)
    assert run.end()["gate"]["intention_fault"] >= 1


def test_silence_holds_then_relaxes_and_the_task_is_put_back(run):
    run.work()
    deadline = time.monotonic() + PATIENCE_S
    while not run.at_rest(run.newest()) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert run.at_rest(run.newest())
    run.feed(0.0, 1.0, lambda record: record["age_s"] < 0.1)
    assert run.newest()["state"] == State.DISARMED  # it does not move again by itself
    run.work()
    assert run.newest()["object_pos"][:, 2].min() > 1.4  # the balls are back in the hand
    report = run.end()
    assert report["gate"]["intention_hold"] >= 1
    assert report["gate"]["intention_stale"] >= 1
    assert report["stale_ticks"] >= 1


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"rate_hz": 50}, ["policy", "40", "50"]),
        ({"plant": {"use": "robot"}}, ["plant.use", "robot", "myohand"]),
        ({"skill": "juggling"}, ["juggling", "baoding"]),
        ({"policy": "policies/none.onnx"}, ["policies/none.onnx"]),
        ({"policy": str(ROOT / "README.md")}, ["README.md"]),
        ({"control": {"bind": "tcp://0.0.0.0:5601"}}, ["control.bind", "server_key", "0.0.0.0"]),
        ({"followers": [{"use": "robot"}]}, ["followers.robot", "control"]),
        ({"safety": str(ROOT / "configs/baoding.yaml")}, ["skill", "unknown key"]),
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
