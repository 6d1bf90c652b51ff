import json
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from bridges import doctor, system_packages
from bridges.doctor import Check
from controller.errors import HostError


def told(
    checks: list[Check], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> tuple[int, str]:
    monkeypatch.setattr(doctor, "examine", lambda: checks)
    with pytest.raises(typer.Exit) as caught:
        doctor.doctor(json=False)
    return caught.value.exit_code, capsys.readouterr().out


def test_a_problem_fails_and_its_fix_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    checks = [Check("a", "ok", "fine"), Check("b", "problem", "bad", "mend '.[hand]'")]
    code, out = told(checks, monkeypatch, capsys)
    assert code == 1
    assert "-> mend '.[hand]'" in out


def test_a_warning_does_not_fail(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out = told([Check("a", "warning", "slow")], monkeypatch, capsys)
    assert code == 0
    assert "->" not in out


def test_json_is_all_that_is_printed_and_this_machine_has_no_problem() -> None:
    script = Path(sys.executable).with_name("myoloop")
    done = subprocess.run([script, "doctor", "--json"], capture_output=True, text=True)
    checks = {check["name"]: check for check in json.loads(done.stdout)}
    assert done.stderr == ""
    assert done.returncode == 0, checks
    assert {"Python", "base packages", "extra [hand]", "extra [train]", "LSL"} <= set(checks)
    assert "round trip" in checks["LSL"]["found"]


@pytest.mark.parametrize(
    ("found", "status"),
    [
        ({"torch": "2.13.0", "rsl-rl-lib": "5.5.1"}, "ok"),
        ({"torch": "2.12.0", "rsl-rl-lib": "5.5.1"}, "problem"),
        ({"torch": "2.13.0"}, "problem"),
        ({}, "warning"),
    ],
)
def test_packages_against_their_pins(
    found: dict[str, str], status: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "_installed", found.get)
    check = doctor._extra("train", {"torch": "2.13.0", "rsl-rl-lib": "5.5.1"})
    assert check.status == status
    assert ("'.[train]'" in check.fix) == (status != "ok")


def test_the_local_part_of_a_version_is_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "version", lambda package: "2.13.0+cpu")
    assert doctor._installed("torch") == "2.13.0"


def test_a_failing_lsl_gives_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    assert doctor._lsl().found == "ended with code 1"
    assert doctor._lsl().status == "problem"


def test_a_hanging_lsl_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "PROBE_TIMEOUT_S", 0.001)
    assert doctor._lsl().found == "no answer within 0.001 s"


def test_no_drawing_is_a_warning_with_its_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    def none() -> str:
        raise HostError("neither egl nor osmesa")

    monkeypatch.setattr(doctor, "offscreen_backend", none)
    monkeypatch.setattr(doctor, "missing", lambda: ["libegl1"])
    check = doctor._off_screen()
    assert (check.status, check.found) == ("warning", "neither egl nor osmesa")
    assert check.fix == "sudo apt-get install -y --no-install-recommends libegl1"


def test_system_packages_by_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(system_packages, "_loads", lambda library: library != "libEGL.so.1")
    monkeypatch.setattr(system_packages, "_has_driver", lambda: True)
    lacking = system_packages.missing()
    assert "libegl1" in lacking
    assert "libgl1" not in lacking


def test_system_packages_run_alone() -> None:
    command = [sys.executable, "-I", system_packages.__file__]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.count("\n") == 1
