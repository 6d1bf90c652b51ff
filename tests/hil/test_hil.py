"""``myoloop hil``: it passes a good device, fails a bad one, and moves no real one unasked."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from controller.errors import HostError, SettingsError
from hil import hand_steps, stimulator_steps
from hil.bring_up import Bench, Outcome, Result, Row, Step, hil, run
from hil.bring_up_report import render
from hil.emulated_device import Emulator

ROOT = Path(__file__).parents[2]


def test_a_step_on_the_emulator_as_a_person_runs_it(tmp_path):
    page = tmp_path / "hil.html"
    command = [sys.executable, "-m", "controller.cli", "hil", "--only", "e-stop", "--json"]
    done = subprocess.run(
        [*command, "--report", str(page)], cwd=ROOT, capture_output=True, text=True, timeout=110
    )
    assert done.returncode == 0, done.stderr + done.stdout
    found = json.loads(done.stdout)
    (step,) = found["steps"]
    assert step["name"] == "e-stop" and step["passed"] is True and step["expected"]
    assert "FAULT" in step["seen"] and found["passed"] and found["port"] == "emulator"
    assert step["expected"] in page.read_text()


@pytest.mark.parametrize(
    ("fault", "step", "seen"), [("slow", "speed", "0.81 rad/s"), ("mute", "link", "no reply")]
)
def test_a_bad_device_fails(tmp_path, fault, step, seen):
    (chosen,) = [one for one in hand_steps.STEPS if one.name == step]
    emulator = Emulator(("ability-hand",), tmp_path, fault)
    try:
        result = run(
            Bench("ability-hand", str(emulator.link), tmp_path), [(1, _free(chosen))], True
        )
    finally:
        emulator.close()
    (row,) = result.steps
    assert row.passed is False and seen in row.seen and not result.passed


@pytest.mark.parametrize(
    ("outputs", "passed", "seen"),
    [
        (4, True, "ScienceMode 3.0.0, 4 outputs"),
        (8, False, "answered with unknown_command: unknown command"),
    ],
)
def test_a_rehamove3_is_known_by_its_outputs(tmp_path, outputs, passed, seen):
    emulator = Emulator(("sciencemode", "--outputs=4"), tmp_path)
    try:
        bench = Bench("sciencemode", str(emulator.link), tmp_path, outputs=outputs)
        (row,) = run(bench, [(1, stimulator_steps.STEPS[0])], True).steps
    finally:
        emulator.close()
    assert row.passed is passed and seen in row.seen


def _free(step: Step) -> Step:
    """The step without its question."""
    return Step(step.name, step.expected, step.act)


def test_a_real_port_is_asked_for_and_gets_no_faults(tmp_path):
    def act(_bench: Bench) -> Outcome:
        raise AssertionError("it was not agreed to")

    bench = Bench("ability-hand", "/dev/ttyUSB0", tmp_path)
    moving, fault = Step("speed", "", act, moves=True), Step("fault drop", "", act, True, True)
    with pytest.raises(HostError, match="'speed' asks before it acts: run it from a terminal"):
        run(bench, [(6, moving)], True)
    result = run(bench, [(13, fault)], True)
    assert result.steps[0].passed is None and result.steps[0].seen == "not on a real port"
    gone = run(bench, [(1, hand_steps.STEPS[0]), (6, moving)], True)
    link, speed = gone.steps
    assert link.passed is False and "/dev/ttyUSB0" in link.seen
    assert speed.passed is None and speed.seen == "step 1 failed" and not gone.passed


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"device": "robot"}, "--device 'robot'; allowed: ability-hand"),
        ({"device": "sciencemode", "port": "/dev/ttyUSB0"}, "--calibration: a real stimulator"),
        ({"device": "sciencemode", "outputs": 5}, "--outputs 5; allowed: 4, 8"),
        ({"device": "sciencemode", "calibration": "no.yaml"}, "no.yaml: not found"),
        ({"only": "teapot"}, "--only 'teapot': no such step; there are: link; replies"),
    ],
)
def test_what_is_wrong_is_named(options, words):
    with pytest.raises(SettingsError, match=words):
        hil(**options)


def test_an_unwritable_report_is_refused_first(tmp_path):
    with pytest.raises(HostError, match="no/hil.html: can't be written"):
        hil(report=tmp_path / "no" / "hil.html")


def test_the_page_shows_all_and_escapes_it(tmp_path):
    rows = [
        Row(1, "link", True, "a reply", "<b>"),
        Row(2, "speed", False, "fast", "slow"),
        Row(3, "fault", None, "", "not on a real port"),
    ]
    bench = Bench("ability-hand", "p", tmp_path)
    bench.latencies_ms["round trip"] = [1.0, 2.0, 30.0]
    bench.motion = [(0.0, 20.0, 10.0), (5.0, 20.0, 20.0)]
    latencies = {"round trip": {"p50": 2.0, "p99": 29.0, "p999": 30.0, "max": 30.0}}
    page = render(Result("ability-hand", "p", False, rows, latencies, {"kernel": "6"}), bench)
    assert "&lt;b&gt;" in page and "<b>" not in page
    assert page.count("<svg") == 2 and "1 of 3 steps failed, 1 not run" in page
    assert all(word in page for word in ("FAILED", "passed", "not run", "29.00", "round trip"))
