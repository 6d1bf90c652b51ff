"""Each line of the doctor about real time, on machines that are only files."""

from pathlib import Path

import pytest

from bridges import doctor_network, doctor_realtime
from bridges.check import limits_line


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A machine of which only what a test writes is known."""
    monkeypatch.setattr(doctor_realtime, "SYS", tmp_path / "sys")
    monkeypatch.setattr(doctor_realtime, "PROC", tmp_path / "proc")
    monkeypatch.setattr(doctor_realtime, "IDLE", tmp_path / "none")

    def write(path: str, text: str) -> None:
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    return write


CPU = "sys/devices/system/cpu"


@pytest.mark.parametrize(
    ("files", "check", "status", "said"),
    [
        ({}, "_kernel", "warning", "not PREEMPT_RT"),
        ({"sys/kernel/realtime": "1\n"}, "_kernel", "ok", "PREEMPT_RT"),
        ({}, "_governor", "ok", "not this system's to set"),
        ({f"{CPU}/cpu0/cpufreq/scaling_governor": "performance\n"}, "_governor", "ok", "perform"),
        (
            {
                f"{CPU}/cpu0/cpufreq/scaling_governor": "performance\n",
                f"{CPU}/cpu1/cpufreq/scaling_governor": "powersave\n",
            },
            *("_governor", "warning", "governor performance, powersave"),
        ),
        ({}, "_idle", "ok", "none to leave"),
        ({f"{CPU}/cpu0/cpuidle/state1/latency": "2"}, "_idle", "ok", "left within 2 µs"),
        ({f"{CPU}/cpu0/cpuidle/state3/latency": "890"}, "_idle", "warning", "take 890 µs"),
        ({}, "_throttling", "ok", "unlimited"),
        (
            {
                "proc/sys/kernel/sched_rt_runtime_us": "500000",
                "proc/sys/kernel/sched_rt_period_us": "1000000",
            },
            *("_throttling", "warning", "50% of each second"),
        ),
        (
            {
                "proc/sys/kernel/sched_rt_runtime_us": "-1",
                "proc/sys/kernel/sched_rt_period_us": "1000000",
            },
            *("_throttling", "ok", "unlimited"),
        ),
        (
            {"sys/devices/system/clocksource/clocksource0/current_clocksource": "hpet\n"},
            *("_clock", "warning", "hpet"),
        ),
        ({"proc/cpuinfo": "flags : fpu hypervisor\n"}, "_host", "warning", "virtual machine"),
        ({"proc/cpuinfo": "flags : fpu\n"}, "_host", "ok", "no virtual machine"),
    ],
)
def test_what_a_machine_says_of_itself(machine, files, check, status, said):
    for path, text in files.items():
        machine(path, text)
    found = getattr(doctor_realtime, check)()
    assert (found.status, said in found.found) == (status, True), found
    assert bool(found.fix) == (status != "ok")


def test_idle_states_that_a_session_may_forbid(machine, tmp_path, monkeypatch):
    machine(f"{CPU}/cpu0/cpuidle/state3/latency", "890")
    machine("dma", "")
    monkeypatch.setattr(doctor_realtime, "IDLE", tmp_path / "dma")
    assert "realtime.wake_within_us keeps out" in doctor_realtime._idle().found


def test_wake_ups_are_measured(monkeypatch):
    monkeypatch.setattr(doctor_realtime, "PROBE_TICKS", 20)
    found = doctor_realtime._wake_ups()
    assert found.name == "wake-ups" and "max" in found.found


def test_a_right_has_its_line(monkeypatch):
    monkeypatch.setenv("LOGNAME", "ada")
    assert limits_line("rtprio 95").startswith("echo 'ada - rtprio 95' | sudo tee -a ")


def test_groups_that_are_not_heard_are_named(monkeypatch):
    monkeypatch.setattr(doctor_network, "_hears", lambda group: group.startswith("224"))
    found = doctor_network._multicast()
    assert (found.status, found.found[:15]) == ("warning", "239.255.172.215")


def test_loopback_is_tried():
    assert doctor_network._loopback().status == "ok"
