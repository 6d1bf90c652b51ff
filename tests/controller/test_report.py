"""The ledger: what is counted when, and that a report can always be written."""

import json
from pathlib import Path

import numpy as np
import pytest

from controller.loop import Outcome, Tick
from controller.messages import Intention, MuscleCommand
from controller.report import Ledger, write_json
from controller.supervisor.states import State

REST = np.zeros(39, np.float32)


def tick(
    state=State.ACTIVE, errors_m=(0.01, 0.02), solved=True, dropped=False, judged=True, age_s=0.01
):
    return Tick(
        intention=Intention(np.array([0.0]), 1.0, age_s),
        feedback=None,
        outcome=Outcome(np.array(errors_m), solved, dropped, judged),
        state=state,
        goal=None,
        observation=np.zeros(1, np.float32),
        wished=REST,
        command=MuscleCommand(REST, 0, relaxed=False),
        targets=np.zeros((2, 3)),
    )


def test_nothing_happened():
    ledger = Ledger()
    empty = {"p50": None, "p99": None, "p999": None, "max": None}
    assert ledger.timing(0) == {
        "ticks": 0,
        "missed_deadlines": 0,
        "wake_lateness_us": empty,
        "tick_us": empty,
        "intention_age_ms": empty,
    }
    assert ledger.task() == {
        "judged_ticks": 0,
        "solved_fraction": None,
        "drops": 0,
        "error_mm": {"p50": None, "p95": None},
    }


def test_units():
    ledger = Ledger()
    ledger.add(tick(age_s=0.01), lateness_ns=120_000, took_ns=2_000_000)
    timing = ledger.timing(missed=3)
    assert timing["ticks"] == 1 and timing["missed_deadlines"] == 3
    assert timing["wake_lateness_us"]["max"] == pytest.approx(120.0)
    assert timing["tick_us"]["max"] == pytest.approx(2000.0)
    assert timing["intention_age_ms"]["max"] == pytest.approx(12.0), "until the command is out"
    assert ledger.task()["error_mm"]["p50"] == pytest.approx(10.0, rel=0.02)
    assert ledger.task()["error_mm"]["p95"] == pytest.approx(20.0, rel=0.02)


@pytest.mark.parametrize("state", State)
def test_age_counts_only_while_working(state):
    ledger = Ledger()
    ledger.add(tick(state=state), 0, 0)
    counted = ledger.timing(0)["intention_age_ms"]["max"] is not None
    assert counted == (state in (State.ACTIVE, State.HOLD))


def test_solved_fraction_is_of_the_judged_ticks():
    ledger = Ledger()
    for solved, judged in [(True, True), (False, True), (True, False), (True, True)]:
        ledger.add(tick(solved=solved, judged=judged), 0, 0)
    assert ledger.task()["judged_ticks"] == 3
    assert ledger.task()["solved_fraction"] == pytest.approx(0.6667)


def test_errors_of_ticks_that_are_not_judged_do_not_count():
    ledger = Ledger()
    ledger.add(tick(judged=False), 0, 0)
    assert ledger.task()["error_mm"] == {"p50": None, "p95": None}


def test_drops():
    ledger = Ledger()
    story = [  # judged, dropped, drops so far
        (True, False, 0),
        (True, True, 1),
        (True, True, 1),
        (False, True, 1),
        (True, True, 1),
        (False, False, 1),
        (False, True, 1),
        (True, True, 1),
        (True, False, 1),
        (True, True, 2),
    ]
    for judged, dropped, drops in story:
        ledger.add(tick(judged=judged, dropped=dropped), 0, 0)
        assert ledger.task()["drops"] == drops


def test_strange_numbers_still_make_json(tmp_path):
    ledger = Ledger()
    ledger.add(tick(errors_m=(np.nan, np.inf), age_s=np.inf), 0, 0)
    ledger.add(tick(errors_m=np.float32([0.1]), age_s=np.float64(0.02)), np.int64(5), np.int64(7))
    path = tmp_path / "report.json"
    write_json({**ledger.timing(0), **ledger.task()}, path)

    def refuse(name):
        raise AssertionError(f"{name} is not JSON")

    json.loads(path.read_text(), parse_constant=refuse)


def test_written_or_printed(tmp_path: Path, capsys):
    report = {"policy": {"sha256": "ü"}, "p50": None}
    write_json(report, tmp_path / "report.json")
    assert capsys.readouterr().out == ""
    write_json(report, None)
    printed = capsys.readouterr().out
    assert json.loads(printed) == report
    assert (tmp_path / "report.json").read_text(encoding="utf-8") == printed
