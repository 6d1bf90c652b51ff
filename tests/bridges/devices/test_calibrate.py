"""``myoloop calibrate`` at a real terminal (a pty), with an emulated stimulator."""

import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridges.devices.stimulation_calibration import load_calibration
from bridges.devices.stimulation_limits import StimulationLimits
from bridges.devices.stimulation_walk import LAPSE_S, DeadMan, Walk

ROOT = Path(__file__).parents[3]
PATIENCE_S = 20.0


# --- the key -------------------------------------------------------------------------


def test_a_single_press_holds_nothing_and_a_repeated_one_does():
    dead_man = DeadMan()
    assert not dead_man.held(0.0)
    dead_man.press(0.0)
    assert not dead_man.held(0.01)
    dead_man.press(0.6)  # a terminal's first repetition comes late
    assert not dead_man.held(0.6)
    dead_man.press(0.63)
    assert dead_man.held(0.63 + LAPSE_S) and not dead_man.held(0.64 + LAPSE_S)


def test_who_lets_go_has_to_hold_again():
    dead_man = DeadMan()
    for press_s in (0.0, 0.03, 1.0):
        dead_man.press(press_s)
    assert not dead_man.held(1.0)


@given(st.lists(st.floats(0.001, 1.0), min_size=1, max_size=200), st.floats(1, 100))
def test_a_width_rises_only_while_the_key_is_held(pauses, rise):
    dead_man, walk, now_s = DeadMan(), Walk(100.0, rise), 0.0
    for pause in pauses:
        before = walk.width_us
        now_s += pause
        dead_man.press(now_s)
        walk.step(dead_man, now_s)
        if walk.done:
            break
        assert before <= walk.width_us <= min(100.0, before + rise * LAPSE_S + 1e-9)
        walk.step(dead_man, now_s + LAPSE_S)
        assert walk.width_us <= before + rise * pause + 1e-9  # it stands still without the key


# --- the command ---------------------------------------------------------------------


class Person:
    """At a terminal of their own."""

    def __init__(self, *options: str) -> None:
        self.ours, theirs = pty.openpty()
        command = ["-m", "controller.cli", "calibrate", *options]
        self.process = subprocess.Popen(
            [sys.executable, *command], cwd=ROOT, stdin=theirs, stdout=theirs, stderr=theirs
        )
        os.close(theirs)
        self.seen = ""

    def read(self, pattern: str = "", hold: bool = False) -> None:
        """Until it was seen, or the end; with the space bar held."""
        until_s = time.monotonic() + PATIENCE_S
        while not pattern or not re.search(pattern, self.seen):
            assert time.monotonic() < until_s, self.seen
            if hold:
                os.write(self.ours, b" ")
            if select.select([self.ours], [], [], 0.03)[0]:
                try:
                    self.seen += os.read(self.ours, 4096).decode()
                except OSError:  # it is gone
                    return
        self.seen = re.split(pattern, self.seen, maxsplit=1)[1]

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self.ours)


@pytest.fixture
def make_person(make_device, tmp_path):
    """A person and the device in front of them."""
    made = []

    def make(fault: str = ""):
        device = make_device("sciencemode", fault)
        file = tmp_path / "mine.yaml"
        options = f"thumb-flexors --file {file} --output 3 --current-ma 15 --electrode-cm2 8"
        options += f" --port {device.link} --rise-us-s 100 --ceiling-us 90"
        made.append(Person(*options.split()))
        return made[-1], device, file

    yield make
    for person in made:
        person.close()


def test_a_channel_is_walked_up_and_written(make_person):
    person, device, file = make_person()
    person.read("Hold the space bar")
    assert device.now.startswith("idle")
    person.read("[4-8][0-9] us", hold=True)
    person.read("take it")
    assert device.now.startswith("idle") and "stops 1" in device.now
    os.write(person.ours, b"y")
    person.read("Hold the space bar")
    person.read("the ceiling", hold=True)
    person.read("take it")
    os.write(person.ours, b"y")
    person.read()
    assert person.process.wait(PATIENCE_S) == 0 and "mine.yaml: thumb-flexors" in person.seen
    found = load_calibration(file, StimulationLimits(), 8)
    channel = found.channels["thumb-flexors"]
    assert found.device == "EMULATOR01" and channel.output == 3
    assert 40 <= channel.threshold_us < channel.saturation_us == 90
    assert "stops 2" in device.now and "pauses 0 unbalanced 0" in device.now


def test_a_closed_terminal_stops_it_and_nothing_is_written(make_person):
    person, device, file = make_person()
    person.read("Hold the space bar")
    person.read(" us", hold=True)
    person.process.send_signal(signal.SIGHUP)
    person.read()
    assert person.process.wait(PATIENCE_S) > 0 and "nothing was written" in person.seen
    device.wait(lambda words: words.startswith("idle") and "stops 1" in words)
    assert not file.exists()
