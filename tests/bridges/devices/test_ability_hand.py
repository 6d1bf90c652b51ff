"""The whole chain: stream, daemon, driver, a pty, an emulated Ability Hand."""

import os
import signal
import time

import pylsl
import pytest

from bridges.devices.port import Port
from controller.errors import HostError
from controller.supervisor.states import State


@pytest.fixture
def follow_hand(make_run, make_device, lsl_session):
    """A daemon whose driver drives an emulated hand."""

    def start(fault: str = ""):
        device = make_device("ability-hand", fault)
        options = {"port": str(device.link), "report_session": lsl_session}
        follower = {"use": "ability-hand", "required": True, "options": options}
        return make_run(followers=[follower]), device

    return start


def in_api(words: str) -> bool:
    return words.startswith("api")


def idle(words: str) -> bool:
    return words.startswith("idle")


def test_it_follows_at_work_stops_at_rest_and_reports(follow_hand, lsl_session):
    run, device = follow_hand()
    run.feed(0.0, 0.0, lambda record: record["fresh"])
    time.sleep(0.5)
    assert idle(device.now)  # nothing but questions before an arming
    before = device.now.split("deg ")[1]
    run.work()
    run.feed(0.1, 1.0, lambda _: in_api(device.now) and device.now.split("deg ")[1] != before)
    streams = pylsl.resolve_byprop("name", f"{run.name}-ability-hand", timeout=10)
    inlet = pylsl.StreamInlet(streams[0], recover=False)
    sample, _ = inlet.pull_sample(timeout=10)
    assert len(sample) == 42 and -100 <= sample[5] <= 0
    said = inlet.info(timeout=10).desc()
    assert said.child("synchronization").child_value("offset_95_centile") == "0.0095"
    assert said.child("command_delay").child_value("low_pass") == "0.01592"
    inlet.close_stream()
    run.feed(0.0, 0.0, run.at_rest)
    run.feed(0.0, 0.0, lambda _: idle(device.now))
    assert "exits 1 timeouts 0" in device.now  # the planned stop, no time-out
    report = run.end()
    assert report["followers"]["ability-hand"]["state"] == "READY"


def test_an_estop_and_the_end_stop_the_hand(follow_hand):
    run, device = follow_hand()
    run.work()
    run.feed(0.0, 1.0, lambda _: in_api(device.now))
    with pytest.raises(HostError, match="can't be opened"):  # the driver's alone
        Port(str(device.link), 460_800)
    run.ask("estop", engage=1.0)
    device.wait(idle)
    assert run.ask("reset").ok
    run.work()
    run.feed(0.0, 1.0, lambda _: in_api(device.now))
    run.end()
    assert "exits 2 timeouts 0" in device.wait(idle)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_a_daemon_that_dies_or_freezes_stops_the_hand(follow_hand, number):
    run, device = follow_hand()
    run.work()
    run.feed(0.0, 1.0, lambda _: in_api(device.now))
    run.process.send_signal(number)
    assert "exits 1 timeouts 0" in device.wait(idle)  # by its driver, before the watchdog


def test_when_the_driver_dies_too_the_devices_watchdog_is_left(follow_hand, driver_of):
    run, device = follow_hand()
    run.work()
    run.feed(0.0, 1.0, lambda _: in_api(device.now))
    os.kill(driver_of(run), signal.SIGKILL)
    assert "exits 0 timeouts 1" in device.wait(idle)
    run.feed(0.0, 1.0, run.is_in(State.FAULT))


def test_unplugged_is_a_fault_and_plugged_in_again_it_waits_for_an_arming(follow_hand):
    run, device = follow_hand()
    run.work()
    device.process.send_signal(signal.SIGUSR1)  # pulled for two seconds
    record = run.feed(0.0, 1.0, run.is_in(State.FAULT))
    assert b"ability-hand" in bytes(record["note"]) and b"port" in bytes(record["note"])
    assert not run.ask("arm").ok
    run.feed(0.0, 0.0, lambda _: device.link.exists())
    assert run.ask("reset").ok
    time.sleep(1.0)
    assert idle(device.now)
    run.work()
    run.feed(0.0, 1.0, lambda _: in_api(device.now))
    run.end()


def test_a_device_that_is_none_can_not_be_armed(follow_hand):
    run, device = follow_hand("wrong=1")
    run.feed(0.0, 0.0, lambda record: record["number"] > 40)
    refused = run.ask("arm")
    assert not refused.ok and "a required follower does not answer" in refused.message
    assert idle(device.now)


def test_a_bad_line_does_not_end_it(follow_hand):
    fault = "drop=0.05,corrupt=0.05,duplicate=0.1,reorder=0.1,delay=10"
    run, device = follow_hand(fault)
    run.work()
    since = run.newest()["number"]
    run.feed(0.1, 1.0, lambda record: record["number"] > since + 80)
    assert run.newest()["state"] == State.ACTIVE and in_api(device.now)
    run.end()
    device.wait(idle)
