"""``myoloop demo-emg``: electrodes, intention, muscles, in one command; and its panel."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from bridges.emg.decoder import Decision
from bridges.emg.view import EVERY, VIEW, ViewWriter, panel
from controller.cell import CellReader

MYOLOOP = [sys.executable, "-m", "controller.cli"]


@pytest.mark.usefixtures("calibrating")  # which only waits meanwhile
def test_muscles_move_the_hand(tmp_path: Path):
    report = tmp_path / "report.json"
    done = subprocess.run(
        [*MYOLOOP, "demo-emg", "--seconds", "6", "--report", str(report)],
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "calibrated on" in done.stdout
    told = json.loads(report.read_text())
    assert told["armings"] >= 1
    assert told["task"]["judged_ticks"] > 20


def test_an_unknown_fault_is_refused_before_anything_runs():
    done = subprocess.run(
        [*MYOLOOP, "demo-emg", "--fault", "rain"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "'rain'; allowed: none, cross-talk" in done.stderr


def test_whoever_watches_sees_every_channel_and_the_decision(tmp_path: Path):
    labels = [f"emg{k}" for k in range(1, 9)]
    writer = ViewWriter(tmp_path / "view", labels)
    reader = CellReader(tmp_path / "view", VIEW)
    window = np.random.default_rng(0).normal(0, 100, (150, 8))
    for _ in range(EVERY):
        assert reader.read() is None
        writer.tell(Decision(0.1, 1.0, "", False), window, [""] * 7 + ["dead"])
    console = Console(width=90, force_terminal=False)
    with console.capture() as captured:
        console.print(panel(reader.read()))
    text = captured.get()
    assert "turn left" in text
    assert "dead" in next(line for line in text.splitlines() if "emg8" in line)
