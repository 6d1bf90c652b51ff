"""What the bench makes of ticks; the timing itself is printed, never asserted."""

import json

import numpy as np
import pytest

from controller.board import RECORD
from controller.session import RealTimeSettings
from controller.supervisor.states import State
from hil import bench_loop, cyclictest, reference_network
from hil.bench_loop import Heap
from hil.distribution import ratio, summary
from hil.floor import BareNetwork, Floor

RATE_HZ = 200.0
PERIOD_NS = 5_000_000


def ticks(count: int, first: int = 0, **values: object) -> np.ndarray:
    """Ticks on the grid, at work; the policy thinks at every second one."""
    found = np.zeros(count, RECORD)
    numbers = np.arange(first, first + count)
    found["number"], found["state"] = numbers, State.ACTIVE
    found["lateness_ns"], found["policy_state"] = 50_000, numbers // 2
    found["time_ns"] = numbers * PERIOD_NS + found["lateness_ns"]
    found["read_ns"], found["think_ns"], found["gate_ns"] = 10_000, 20_000, 30_000
    found["left_ns"], found["plant_ns"], found["took_ns"] = 100_000, 500_000, 620_000
    for name, value in values.items():
        found[name] = value
    return found


def figures(**changed: object) -> dict:
    heap = Heap(
        ticks=[ticks(100)],
        replayed=[ticks(5)],
        stalls=[ticks(10)],
        cyclictest=[np.full(100, 25.0)],
        floors=[Floor(reference=[40.0], policy=[30.0], physics=[400.0])],
    )
    for name, value in changed.items():
        setattr(heap, name, value)
    return bench_loop._figures(heap, RATE_HZ, 1.0, "myohand", False, RealTimeSettings())


def test_ratios_of_one_run():
    assert figures()["ratios"] == {
        "wake_p99_vs_cyclictest": 2.0,
        "tick_p50_vs_ort": 2.5,
        "plant_vs_bare": 1.25,
    }


def test_the_parts_make_up_the_tick():
    parts = figures()["loop"]["parts_us"]
    assert {name: part["p50"] for name, part in parts.items()} == {
        **{"read": 10.0, "think": 20.0, "gate": 30.0, "publish": 40.0},
        **{"plant": 500.0, "account": 20.0},
    }


def test_the_shares_make_up_the_whole():
    shares = figures()["loop"]["shares"]
    assert sum(shares.values()) == pytest.approx(1.0, abs=0.003)
    assert shares["plant"] == round(500 / 620, 3)


def test_a_tick_counts_where_the_policy_thinks():
    found = ticks(100)
    found["left_ns"][1::2] = 10_000  # the policy's last wish stands
    assert figures(ticks=[found])["loop"]["tick_us"]["p50"] == 100.0


def test_ticks_that_do_not_work_only_count_for_lateness():
    found = ticks(100)
    found["state"][50:], found["left_ns"][50:] = State.DISARMED, 9_000_000
    loop = figures(ticks=[found])["loop"]
    assert (loop["ticks"], loop["ticks_at_work"], loop["tick_us"]["max"]) == (100, 50, 100.0)


def test_missed_deadlines_have_their_share():
    loop = figures(missed=25)["loop"]
    assert (loop["missed_deadlines"], loop["missed_share"]) == (25, 0.2)


def test_a_stall_is_skipped_or_made_up():
    before, after = ticks(5), ticks(5, first=9, missed=4)
    skipping = np.concatenate([before, after])
    assert figures(stalls=[skipping])["stalls"] | {"count": 0} == {
        "count": 0,
        "stopped_ms": 20.0,
        "skipped_ticks": 4,
        "repeated_ticks": 0,
    }
    bursting = skipping.copy()
    bursting["time_ns"][5:8] = bursting["time_ns"][8]
    assert figures(stalls=[bursting])["stalls"]["repeated_ticks"] == 3


def test_without_cyclictest_there_is_no_ratio(monkeypatch):
    monkeypatch.setattr("shutil.which", lambda name: None)
    found = figures(cyclictest=[])
    assert found["ratios"]["wake_p99_vs_cyclictest"] is None
    assert found["floor"]["cyclictest_missing"] == (
        "cyclictest is not installed: sudo apt-get install rt-tests"
    )


def test_cyclictest_histogram_with_what_lies_beyond():
    thread = {"histogram": {"12": 2, "30": 1}, "cycles": 4, "min": 12, "max": 2_000_000, "avg": 1.0}
    content = json.dumps({"file_version": 1, "thread": {"0": thread}}).encode()
    assert sorted(cyclictest.parse(content)) == [12.0, 12.0, 30.0, 2_000_000.0]


def test_summary_and_ratio():
    assert summary(range(1, 1001)) == {"p50": 500.5, "p99": 990.01, "p999": 999.001, "max": 1000.0}
    assert summary([]) == {"p50": None, "p99": None, "p999": None, "max": None}
    assert (ratio(1.0, 4.0), ratio(None, 4.0), ratio(1.0, None)) == (0.25, None, None)


def test_the_reference_network_runs_bare():
    pytest.importorskip("onnx")
    network = BareNetwork(reference_network.model())
    assert network.call() > 0.0
