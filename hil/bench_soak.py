"""``myoloop bench soak``: does anything grow while a session runs for long?"""

import os
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
import numpy as np
import typer
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from controller.session import FollowerSettings, RealTimeSettings
from hil.distribution import summary
from hil.machine import machine
from hil.rig import Rig

PLANT: Final = "myohand"
PRIORITY: Final = 80
WINDOW_S: Final = 10.0
WARM_UP: Final = 6  # windows: caches fill, the first chunks are written
TENTH: Final = 10
PAGE_KB: Final = os.sysconf("SC_PAGE_SIZE") // 1024


class Window(msgspec.Struct, frozen=True, kw_only=True):
    """What ten seconds looked like."""

    at_s: float
    """Of its end, since the first."""
    memory_kb: dict[str, int]
    """Resident, by process."""
    handles: dict[str, int]
    """Open files, by process."""
    lateness_us: dict[str, float | None]
    took_us: dict[str, float | None]
    missed: int


def soak(
    minutes: Annotated[float, typer.Option(min=1.0, help="How long.")] = 30,
    rate: Annotated[float, typer.Option(help="Of the loop [Hz].")] = 40,
    plot: Annotated[Path | None, typer.Option(help="Draw the course: a .png or .svg.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON only.")] = False,
) -> None:
    """Run a session for long, with everything on, and say what grew: memory, handles, lateness.

    MuJoCo hand, recorder, ZeroMQ, LSL out and an emulated hand on a pty; each process is looked
    at every ten seconds. The first minute warms up and does not count.
    """
    windows = watch(rate, minutes * 60.0)
    if plot:
        draw(windows, plot)
    figures = {"rate_hz": rate, "minutes": minutes, **growth(windows), "machine": machine()}
    if json:
        print(msgspec.json.format(msgspec.json.encode(figures), indent=2).decode())
    else:
        _print(figures)


def watch(rate_hz: float, seconds: float) -> list[Window]:
    """Run the daemon and look at it every ten seconds."""
    realtime = RealTimeSettings(
        priority=PRIORITY, cpu=max(os.sched_getaffinity(0)), lock_memory=True, wake_within_us=0
    )
    with Rig() as rig:
        rig.work(rate_hz, PLANT, _everything(rig), realtime)
        return [_window(rig, number) for number in range(round(seconds / WINDOW_S))]


def _everything(rig: Rig) -> list[FollowerSettings]:
    options: dict[str, dict[str, Any]] = {
        "recorder": {"file": str(rig.folder / "soak.mcap")},
        "zmq": {"bind": "tcp://127.0.0.1:*"},
        "ability-hand": {"port": "emulator", "report_session": rig.lsl_session},
        "lsl-out": {"session": rig.lsl_session},
    }
    return [FollowerSettings(use=name, options=one) for name, one in options.items()]


def _window(rig: Rig, number: int) -> Window:
    ticks = rig.watch(WINDOW_S)
    pids = processes(rig.pid)
    return Window(
        at_s=(number + 1) * WINDOW_S,
        memory_kb={name: memory_kb(pid) for name, pid in pids.items()},
        handles={name: len(os.listdir(f"/proc/{pid}/fd")) for name, pid in pids.items()},
        lateness_us=summary(ticks["lateness_ns"] / 1e3),
        took_us=summary(ticks["took_ns"] / 1e3),
        missed=int(ticks["missed"][-1] - ticks["missed"][0]),
    )


def processes(pid: int) -> dict[str, int]:
    """The daemon and its followers, by name."""
    found = {"loop": pid}
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        said = Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0")
        name = next((one for one in said if one.startswith(b'{"name":"')), b"")
        if name:
            found[msgspec.json.decode(name)["name"]] = int(child)
    return found


def memory_kb(pid: int) -> int:
    """Resident memory of a process [kB]."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE_KB


def growth(windows: list[Window]) -> dict[str, Any]:
    """What the last tenth has more than the first one after the warm-up."""
    counted = windows[WARM_UP:] or windows
    part = max(1, len(counted) // TENTH)
    first, last = counted[:part], counted[-part:]
    names = list(counted[-1].memory_kb)
    return {
        "windows": len(counted),
        "memory_grew_kb": {name: _grew(first, last, "memory_kb", name) for name in names},
        "memory_kb": {name: counted[-1].memory_kb[name] for name in names},
        "handles_grew": {name: _grew(first, last, "handles", name) for name in names},
        "lateness_us": {
            "first": _medians(first, "lateness_us"),
            "last": _medians(last, "lateness_us"),
            "max": max(one.lateness_us["max"] or 0.0 for one in counted),
        },
        "took_us": {"first": _medians(first, "took_us"), "last": _medians(last, "took_us")},
        "missed_deadlines": sum(one.missed for one in counted),
    }


def _grew(first: list[Window], last: list[Window], what: str, name: str) -> float | None:
    """Difference of the medians; None for a process that was not there all the time."""
    values = [[getattr(one, what).get(name) for one in part] for part in (first, last)]
    if any(value is None for part in values for value in part):
        return None
    before, after = (float(np.median(part)) for part in values)
    return after - before


def _medians(part: list[Window], what: str) -> dict[str, float]:
    return {
        key: round(float(np.median([getattr(one, what)[key] for one in part])), 1)
        for key in ("p50", "p99")
    }


def draw(windows: list[Window], file: Path) -> None:
    """Memory, handles and lateness over time."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 7), layout="constrained")
    memory, handles, lateness = figure.subplots(3, 1, sharex=True)
    minutes = [one.at_s / 60.0 for one in windows]
    for name in windows[-1].memory_kb:
        memory.plot(minutes, _course(windows, "memory_kb", name) / 1024, label=name)
        handles.plot(minutes, _course(windows, "handles", name), label=name)
    for key in ("p50", "p99", "max"):
        values = [one.lateness_us[key] or np.nan for one in windows]
        lateness.plot(minutes, np.array(values) / 1e3, label=key)
    memory.set(ylabel="resident [MB]", ylim=(0, None))
    handles.set(ylabel="open handles", ylim=(0, None))
    lateness.set(ylabel="woke late [ms]", yscale="log", xlabel="minutes")
    for axes in (memory, handles, lateness):
        axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(file, dpi=110)


def _course(windows: list[Window], what: str, name: str) -> NDArray[np.float64]:
    return np.array([getattr(one, what).get(name, np.nan) for one in windows], float)


def _print(figures: dict[str, Any]) -> None:
    console = Console()
    title = f"{figures['minutes']:g} minutes at {figures['rate_hz']:g} Hz"
    table = Table("process", "memory [MB]", "grew [kB]", "handles grew", title=title)
    for name, kb in figures["memory_kb"].items():
        grew = (figures[what][name] for what in ("memory_grew_kb", "handles_grew"))
        table.add_row(
            name, f"{kb / 1024:.1f}", *("-" if one is None else f"{one:.0f}" for one in grew)
        )
    console.print(table)
    for what in ("lateness_us", "took_us"):
        first, last = figures[what]["first"], figures[what]["last"]
        print(f"{what}: first p50 {first['p50']}, p99 {first['p99']}; ", end="")
        print(f"last p50 {last['p50']}, p99 {last['p99']}")
    print(f"{figures['missed_deadlines']} deadlines missed")
