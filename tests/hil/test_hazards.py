"""``myoloop hazards`` as a person runs it; the whole list takes two minutes: docs/safety.md."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def hazards(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "controller.cli", "hazards", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=110)


@pytest.mark.parametrize("only", ["intention NaN", "feedback NaN", "killed (SIGKILL)"])
def test_a_hazard_ends_at_rest(only):
    done = hazards("--only", only, "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    (row,) = json.loads(done.stdout)["hazards"]
    assert only in row["name"]
    assert row["commands_outside_limits"] == 0 and row["at_rest"]
    assert row["state"] in row["expected"]
    assert 0 <= row["time_to_rest_ms"] < 2000


def test_an_unknown_hazard_lists_what_there_is():
    done = hazards("--only", "earthquake")
    assert done.returncode == 2
    assert "earthquake" in done.stderr and "daemon killed (SIGKILL)" in done.stderr
