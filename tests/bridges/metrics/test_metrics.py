"""What a Prometheus server would scrape."""

import json
import math
import re
import socket
import time
import urllib.request
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families

from bridges.metrics import create
from bridges.metrics.metrics import Metrics
from controller.board import RECORD, BoardWriter
from controller.errors import SettingsError
from controller.follower import FollowerContext, FollowerState
from controller.supervisor.states import Reason, State

ROOT = Path(__file__).parents[3]
PATIENCE_S = 20.0


@pytest.fixture
def context(tmp_path) -> FollowerContext:
    return FollowerContext(
        session="bench",
        board=str(tmp_path / "board"),
        folder=str(tmp_path),
        rate_hz=40.0,
        about={
            "skill": "baoding",
            "policy": {"sha256": "a" * 64},
            "safety": {"sha256": "b" * 64},
            "versions": {"myoloop": "0.1.0"},
        },
    )


def tick(**fields) -> np.ndarray:
    record = np.zeros((), RECORD)
    for name, value in fields.items():
        record[name] = value
    return record[()]


def value(metrics: Metrics, name: str, **labels) -> float | None:
    return metrics.registry.get_sample_value(name, labels)


def test_ticks_are_counted_by_what_they_were(context):
    metrics = Metrics(context)
    working = {"state": State.ACTIVE, "judged": 1, "objects": 1, "arming": 1, "age_s": 0.004}
    metrics.add(tick(age_s=math.inf, missed=2))
    metrics.add(tick(**working, missed=2, solved=1, reasons=Reason.SLEW | Reason.TOTAL))
    metrics.add(tick(**working, missed=5, error_m=(0.02, 0), lateness_ns=3_000_000))
    assert value(metrics, "myoloop_ticks_total") == 3
    assert value(metrics, "myoloop_missed_deadlines_total") == 5
    assert value(metrics, "myoloop_armings_total") == 1
    assert value(metrics, "myoloop_reason_ticks_total", reason="slew") == 1
    assert value(metrics, "myoloop_reason_ticks_total", reason="estop") == 0
    assert value(metrics, "myoloop_judged_ticks_total") == 2
    assert value(metrics, "myoloop_solved_ticks_total") == 1
    assert value(metrics, "myoloop_object_error_meters", object="1") == 0.02
    assert value(metrics, "myoloop_state", myoloop_state="ACTIVE") == 1
    assert value(metrics, "myoloop_state", myoloop_state="FAULT") == 0
    assert value(metrics, "myoloop_wake_lateness_seconds_bucket", le="0.002") == 2
    assert value(metrics, "myoloop_wake_lateness_seconds_bucket", le="0.005") == 3
    assert value(metrics, "myoloop_intention_age_seconds_bucket", le="1.0") == 2
    assert value(metrics, "myoloop_intention_age_seconds_bucket", le="+Inf") == 3


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def scrape(port: int) -> dict[str, float]:
    """Sum of the samples of each name."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
        text = answer.read().decode()
    found: dict[str, float] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found[sample.name] = found.get(sample.name, 0.0) + sample.value
    return found


def test_a_scrape_and_the_panels_that_are_drawn_from_it(tmp_path, context):
    board, port = BoardWriter(tmp_path / "board", slots=64), free_port()
    follower = create("metrics", {"port": port}, False, context, "test.yaml")
    try:
        found: dict[str, float] = {}
        deadline = time.monotonic() + PATIENCE_S
        number = 0
        while found.get("myoloop_ticks_total", 0.0) < 3 or "myoloop_follower_ready" not in found:
            assert time.monotonic() < deadline, (found, follower.health())
            board.record["objects"] = 2
            board.publish(number)
            board.settle(number)
            follower.wake()
            number += 1
            time.sleep(0.05)
            with suppress(OSError):
                found = scrape(port)
        assert follower.health().state is FollowerState.READY
    finally:
        board.close()
        follower.close()
    dashboard = json.loads((ROOT / "docs/grafana.json").read_text())
    queries = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    named = {name for query in queries for name in re.findall(r"myoloop_\w+", query)}
    assert len(named) >= 10
    assert named <= found.keys()


def test_a_port_that_is_taken_is_said(tmp_path, context):
    board = BoardWriter(tmp_path / "board", slots=64)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        follower = create("metrics", {"port": port}, False, context, "test.yaml")
        deadline = time.monotonic() + PATIENCE_S
        while f":{port}: " not in follower.health().reason and time.monotonic() < deadline:
            time.sleep(0.02)
        assert follower.health().state in (FollowerState.FAULT, FollowerState.ENDED)
        assert f"127.0.0.1:{port}: " in follower.health().reason
    board.close()
    follower.close()


@pytest.mark.parametrize("options", [{"port": 0}, {"port": 70000}, {"prot": 1}])
def test_a_wrong_option_is_refused(options, context):
    with pytest.raises(SettingsError, match="test.yaml"):
        create("metrics", options, False, context, "test.yaml")
