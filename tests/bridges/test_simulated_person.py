"""The simulated person: holds the dead-man while the hand is armed, and one command runs all."""

import json
import os
import signal
import time
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from bridges.control.client import Client
from bridges.devices import sciencemode
from bridges.simulated_person import board_of, create, play
from bridges.simulated_posture import STORY
from controller import rundir
from controller.board import BoardReader
from controller.errors import HostError, MyoloopError, SettingsError
from controller.skills import baoding, posture
from controller.supervisor.states import State

ROOT = Path(__file__).parents[2]
START_S = 60.0


class Outlet:
    def __init__(self) -> None:
        self.pushed = []

    def push(self, values, engage) -> None:
        self.pushed.append((values, engage))


def test_the_dead_man_is_held_from_the_arming_on_and_let_go_with_it():
    outlet, looks = Outlet(), iter([False] * 5 + [True] * 6 + [False])
    play(outlet, lambda: next(looks), SimpleNamespace(stop=False))
    engages = [engage for _, engage in outlet.pushed]
    assert engages == [0.0] * 5 + [1.0] * 5
    assert outlet.pushed[-1][0] == STORY[1].values()  # the story begins with the arming


def test_another_skill_and_options_are_refused():
    with pytest.raises(SettingsError, match="source.options: the simulated person knows the skill"):
        create({}, baoding.CHANNELS, "source.options")
    with pytest.raises(SettingsError, match="speed: unknown key"):
        create({"speed": 2.0}, posture.CHANNELS, "source.options")


def test_a_process_that_is_no_daemon_has_no_person(tmp_path, monkeypatch):
    monkeypatch.setattr(rundir, "root", lambda: tmp_path)
    with pytest.raises(HostError, match=f"process {os.getpid()} is no daemon"):
        board_of(os.getpid())


def test_a_real_stimulator_is_not_driven_by_nobody():
    about = {"settings": {"source": {"use": "simulated"}}}
    options = {"port": "/dev/ttyUSB0", "calibration": "me.yaml"}
    with pytest.raises(SettingsError, match="/dev/ttyUSB0 stimulates a person, whose dead-man"):
        sciencemode.create("s", options, True, SimpleNamespace(about=about), "followers.s")


def ask(name: str, verb: str, wait_s: float) -> bool:
    """Ask until it is done."""
    deadline = time.monotonic() + wait_s
    while time.monotonic() < deadline:
        with suppress(MyoloopError), Client.of(name) as client:
            if client.ask(verb).ok:
                return True
        time.sleep(0.2)
    return False


def test_one_command_runs_the_whole_chain_with_an_emulated_hand(
    start, lsl_session, source_id, tmp_path
):
    plain = yaml.safe_load((ROOT / "configs/ability_hand_emulated.yaml").read_text())
    plain |= {"name": source_id, "policy": str(ROOT / plain["policy"])}
    plain["followers"][0]["options"]["report_session"] = lsl_session
    file, report = tmp_path / "session.yaml", tmp_path / "report.json"
    file.write_text(yaml.safe_dump(plain))
    process = start("-m", "controller.cli", "run", str(file), "--report", str(report))
    assert ask(source_id, "arm", START_S)
    board = BoardReader(rundir.root() / source_id / "board")
    until = time.monotonic() + START_S
    while not (record := board.read(board.newest))["excitation"].any():
        assert time.monotonic() < until, bytes(record["note"])
        time.sleep(0.02)
    assert record["state"] == State.ACTIVE and ask(source_id, "disarm", 5.0)
    process.send_signal(signal.SIGTERM)
    printed, _ = process.communicate(timeout=START_S)
    assert process.returncode == 0 and b"a simulated person waits for `myoloop arm`" in printed
    found = json.loads(report.read_text())["followers"]["ability-hand"]
    assert found["state"] == "READY" and not found["reason"]
