"""What the machine grants to a loop, what the rest costs, and the command that mends it.

Part of ``myoloop doctor``; docs/realtime.md explains each line.
"""

import os
import platform
import resource
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np

from bridges.check import Check, limits_line
from controller.clock import Grid
from controller.realtime import IDLE, scheduled
from controller.session import RealTimeSettings

PRIORITY: Final = 80
PROBE_HZ: Final = 1000.0
PROBE_TICKS: Final = 500
LATE_US: Final = 1000.0  # a 1 kHz loop would miss a tick
SLOW_IDLE_US: Final = 50  # to leave an idle state; a tick at 500 Hz has 2000
BUSY: Final = 0.95  # of each second is what an untuned kernel leaves to real-time tasks
SYS: Final = Path("/sys")
PROC: Final = Path("/proc")


def realtime() -> Iterator[Check]:
    """Everything that decides how late a tick wakes up."""
    yield _priority()
    yield _locked_memory()
    yield _kernel()
    yield _governor()
    yield _idle()
    yield _throttling()
    yield _clock()
    yield _host()
    yield _wake_ups()


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""


def _priority() -> Check:
    name = "real-time priority"
    with scheduled(RealTimeSettings(priority=PRIORITY)) as refused:
        if not refused:
            return Check(name, "ok", f"SCHED_FIFO {PRIORITY} granted")
    return Check(name, "warning", "refused: expect wake-ups late by ms", limits_line("rtprio 95"))


def _locked_memory() -> Check:
    limit = resource.getrlimit(resource.RLIMIT_MEMLOCK)[0]
    if limit == resource.RLIM_INFINITY or os.geteuid() == 0:
        return Check("locked memory", "ok", "unlimited")
    return Check(
        "locked memory",
        "warning",
        f"{limit / 2**20:.0f} MB: pages of the loop can be swapped out; a tick then waits",
        limits_line("memlock unlimited"),
    )


def _kernel() -> Check:
    release = platform.release()
    if _read(SYS / "kernel/realtime") == "1":
        return Check("kernel", "ok", f"{release}, PREEMPT_RT")
    return Check(
        "kernel",
        "warning",
        f"{release}, not PREEMPT_RT: drivers and interrupts can hold a tick up, by ms at worst",
        f"sudo apt-get install linux-image-rt-{_debian_architecture()}; reboot",
    )


def _debian_architecture() -> str:
    return {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())


def _governor() -> Check:
    name = "processor speed"
    files = (SYS / "devices/system/cpu").glob("cpu[0-9]*/cpufreq/scaling_governor")
    governors = sorted({_read(file) for file in files})
    if not governors:
        return Check(name, "ok", "not this system's to set")
    if governors == ["performance"]:
        return Check(name, "ok", "governor performance")
    return Check(
        name,
        "warning",
        f"governor {', '.join(governors)}: slows down between ticks, each tick takes longer",
        "sudo cpupower frequency-set -g performance",
    )


def _idle() -> Check:
    name = "idle states"
    states = (SYS / "devices/system/cpu").glob("cpu0/cpuidle/state*/latency")
    slowest = max((int(_read(state) or 0) for state in states), default=0)
    if slowest <= SLOW_IDLE_US:
        return Check(name, "ok", f"left within {slowest} µs" if slowest else "none to leave")
    if os.access(IDLE, os.W_OK):
        return Check(name, "ok", f"take {slowest} µs to leave; realtime.wake_within_us keeps out")
    return Check(
        name,
        "warning",
        f"take {slowest} µs to leave, which each wake-up pays, and {IDLE} is not writable",
        f"sudo chmod o+w {IDLE}, and realtime.wake_within_us: 0 in the session",
    )


def _throttling() -> Check:
    name = "real-time share"
    runtime = _read(PROC / "sys/kernel/sched_rt_runtime_us")
    period = _read(PROC / "sys/kernel/sched_rt_period_us")
    if not runtime or not period or int(runtime) < 0:
        return Check(name, "ok", "unlimited")
    share = int(runtime) / int(period)
    if share >= BUSY:
        return Check(name, "ok", f"{share:.0%} of each second: a tick needs less")
    return Check(
        name,
        "warning",
        f"{share:.0%} of each second, then the loop is held back",
        "sudo sysctl -w kernel.sched_rt_runtime_us=950000",
    )


def _clock() -> Check:
    source = _read(SYS / "devices/system/clocksource/clocksource0/current_clocksource")
    if source in ("hpet", "acpi_pm", "jiffies"):
        return Check(
            "clock",
            "warning",
            f"{source}: each look at it costs about 1 µs, and a tick takes a dozen",
            "add tsc=reliable to the kernel's command line; reboot",
        )
    return Check("clock", "ok", source or "unknown")


def _host() -> Check:
    if "hypervisor" not in _read(PROC / "cpuinfo"):
        return Check("host", "ok", "no virtual machine")
    return Check(
        "host",
        "warning",
        "a virtual machine: its host takes processors away at will, by ms at worst",
        "for a person's hand take a machine of its own",
    )


def _wake_ups() -> Check:
    """Half a second of a bare 1 kHz loop, as well scheduled as is granted: what it comes to."""
    grid, late_us = Grid(PROBE_HZ), np.zeros(PROBE_TICKS)
    settings = RealTimeSettings(priority=PRIORITY, wake_within_us=0, lock_memory=True)
    with scheduled(settings) as refused:
        grid.start()
        for index in range(PROBE_TICKS):
            late_us[index] = grid.wait()[1] / 1e3
    found = (
        f"late by p50 {np.percentile(late_us, 50):.0f}, p99 {np.percentile(late_us, 99):.0f}, "
        f"max {late_us.max():.0f} µs at 1 kHz, {grid.missed} missed"
    )
    name = "wake-ups"
    if refused:
        found += f" ({', '.join(line.partition(':')[0] for line in refused)} refused)"
    if late_us.max() < LATE_US:
        return Check(name, "ok", found)
    return Check(name, "warning", found, "myoloop bench loop --json, on an idle machine")
