"""What the bench makes of ticks and departures; the timing itself is printed, never asserted."""

import numpy as np
import pytest

from controller.board import RECORD
from controller.cell import CellWriter
from controller.follower import STATUS
from controller.supervisor.states import State
from hil.bench_latency import Watch, figures_of

MS = 1_000_000
NAMES = ("zmq", "ability-hand", "lsl-out")


def ticks(count: int) -> np.ndarray:
    """Every second tick, 2 ms apart, has a new sample that is 1 ms old."""
    found = np.zeros(count, RECORD)
    found["number"], found["state"] = np.arange(count), State.ACTIVE
    found["time_ns"] = 2 * MS * (np.arange(count) + 1)
    found["fresh"], found["age_s"] = np.arange(count) % 2 == 0, 0.001
    found["left_ns"] = MS // 2  # since the tick's beginning
    return found


def left(ticks: np.ndarray, later_ms: float) -> dict[int, int]:
    return {int(one["number"]): int(one["time_ns"] + later_ms * MS) for one in ticks}


def test_a_latency_counts_from_the_push_and_only_for_new_samples():
    some = ticks(100)
    departures = {
        "zmq": left(some, 1.0),
        "ability-hand": left(some, 3.0),
        "lsl-out": left(some[:50], 8.0),
    }
    found = figures_of(dict.fromkeys(NAMES, some), departures, [0.1, 0.3], np.full(10, 100.0))
    ways = found["push_to_left_ms"]
    assert [ways[way]["p99"] for way in ("ZeroMQ", "pty", "LSL out")] == pytest.approx([2, 4, 9])
    assert [ways[way]["samples"] for way in ways] == [50, 50, 25]
    assert found["push_to_tick_ms"]["max"] == pytest.approx(1.0)
    assert found["push_to_published_ms"]["max"] == pytest.approx(1.5)
    assert found["bare_inlet_ms"]["p50"] == pytest.approx(0.2)


def test_the_bar_grants_what_the_host_itself_is_late_by():
    some = ticks(10)
    departures, ticks_of = dict.fromkeys(NAMES, left(some, 4.05)), dict.fromkeys(NAMES, some)
    assert figures_of(ticks_of, departures, [], np.full(10, 100.0))["within"]["ZeroMQ"] is True
    strict = figures_of(ticks_of, departures, [], np.zeros(0))
    assert (strict["allowed_p99_ms"], strict["within"]["ZeroMQ"]) == (5.0, False)


def test_what_never_left_is_no_success():
    some, nothing = dict.fromkeys(NAMES, ticks(10)), dict.fromkeys(NAMES, {})
    found = figures_of(some, nothing, [], np.zeros(0))
    assert found["push_to_left_ms"]["pty"]["p99"] is None and found["within"]["pty"] is False


def test_the_first_departure_of_a_tick_counts(tmp_path):
    watch = Watch(tmp_path / "zmq")
    watch.look()  # it is not there yet
    cell = CellWriter(tmp_path / "zmq", STATUS)
    for tick, at in ((-1, 0), (3, 50), (3, 70), (4, 90)):
        cell.record["tick"], cell.record["left_ns"] = tick, at
        cell.publish()
        watch.look()
    assert watch.left_ns == {3: 50, 4: 90}
