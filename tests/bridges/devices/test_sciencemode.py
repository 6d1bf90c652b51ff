"""The whole chain: stream, daemon, driver, a pty, an emulated stimulator.

What the driver does for any device is tested with the hand; what is left when it dies as well is
measured by ``myoloop bench residual``.
"""

import signal
import time
from pathlib import Path

import pylsl
import pytest

CALIBRATION = Path(__file__).parents[3] / "configs" / "fes_emulated_calibration.yaml"


@pytest.fixture
def stimulate(make_run, make_device, lsl_session):
    """A daemon whose driver drives an emulated stimulator."""
    device = make_device("sciencemode")
    options = {
        "port": str(device.link),
        "calibration": str(CALIBRATION),
        "report_session": lsl_session,
    }
    follower = {"use": "sciencemode", "required": True, "options": options}
    return make_run(followers=[follower]), device


def at_work(words: str) -> bool:
    return words.startswith("running")


def idle(words: str) -> bool:
    return words.startswith("idle") and words.endswith("silent")


def test_it_stimulates_at_work_reports_and_stops_however_work_ends(stimulate, lsl_session):
    run, device = stimulate
    run.feed(0.0, 0.0, lambda record: record["fresh"])
    time.sleep(0.5)
    assert [words for _, words in device.diary() if not idle(words)] == []
    streams = pylsl.resolve_byprop("name", f"{run.name}-sciencemode", timeout=10)
    inlet = pylsl.StreamInlet(streams[0], recover=False)
    inlet.open_stream(timeout=10)
    run.work()
    samples = []
    run.feed(0.1, 1.0, lambda _: samples.extend(inlet.pull_chunk(timeout=0.0)[0]) or samples)
    assert len(samples[0]) == 24 and max(samples[0]) <= 300
    inlet.close_stream()
    run.feed(0.1, 1.0, lambda _: at_work(device.now))
    run.feed(0.0, 0.0, run.at_rest)
    run.feed(0.0, 0.0, lambda _: idle(device.now))
    assert "stops 1" in device.now and "unbalanced 0" in device.now
    run.work()
    run.feed(0.1, 1.0, lambda _: at_work(device.now))
    run.ask("estop", engage=1.0)
    assert "stops 2" in device.wait(idle)
    assert run.ask("reset").ok
    run.work()
    run.feed(0.1, 1.0, lambda _: at_work(device.now))
    run.process.send_signal(signal.SIGKILL)
    assert "stops 3" in device.wait(idle) and "pauses 0" in device.now  # by its driver
