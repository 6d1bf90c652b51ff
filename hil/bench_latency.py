"""``myoloop bench latency``: from a sample's push in one process to the command's bytes leaving."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
import numpy as np
import typer
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from controller.cell import CellReader
from controller.errors import HostError
from controller.follower import STATUS
from controller.realtime import raised
from controller.session import FollowerSettings, RealTimeSettings
from controller.skills.passthrough import muscles
from controller.supervisor.states import State
from hil import cyclictest
from hil.distribution import summary
from hil.machine import machine
from hil.rig import Rig

SESSION: Final = "configs/passthrough_muscles.yaml"
EXCITATION: Final = 0.1
PLANT: Final = "echo"
PRIORITY: Final = 80
AROUND: Final = 60  # of the sender, the bare inlet and each follower
SETTLE_S: Final = 2.0
LOOK_S: Final = 0.0005  # a tick at 400 Hz lasts five times as long
END_S: Final = 5.0
ALLOWED_MS: Final = 5.0
WAYS: Final = {"ZeroMQ": "zmq", "pty": "ability-hand", "LSL out": "lsl-out"}


def latency(
    rate: Annotated[float, typer.Option(min=200.0, max=1000.0, help="Of the loop [Hz].")] = 400,
    seconds: Annotated[float, typer.Option(min=2.0, help="How long.")] = 30,
    json: Annotated[bool, typer.Option("--json", help="Print JSON only.")] = False,
) -> None:
    """Measure the way from a sample to the command: LSL in, the loop, ZeroMQ, a pty, LSL out.

    The skill passes excitations through, so that each sample is a command of its own, behind
    the same supervisor. A sample waits up to a period for its tick. Beside it, an inlet of its
    own shows LSL's share, and cyclictest how late this machine wakes anybody up.
    """
    figures = measure(rate, seconds)
    if json:
        print(msgspec.json.format(msgspec.json.encode(figures), indent=2).decode())
    else:
        _print(figures)


class Watch:
    """When a follower's command of each tick left.

    Args:
        cell: where it says so.

    Attributes:
        left_ns: CLOCK_MONOTONIC by tick.
    """

    def __init__(self, cell: Path) -> None:
        self._path = cell
        self._cell: CellReader | None = None
        self.left_ns: dict[int, int] = {}

    def look(self) -> None:
        """Take over what is new."""
        if self._cell is None:
            with suppress(HostError):  # not there yet
                self._cell = CellReader(self._path, STATUS)
        record = self._cell.read() if self._cell else None
        if record is not None and record["left_ns"] > 0:
            self.left_ns.setdefault(int(record["tick"]), int(record["left_ns"]))


def measure(rate_hz: float, seconds: float) -> dict[str, Any]:
    """Run the daemon with one way out after the other; see ``latency``."""
    cpu = max(os.sched_getaffinity(0))
    realtime = RealTimeSettings(priority=PRIORITY, cpu=cpu, lock_memory=True, wake_within_us=0)
    values = (EXCITATION,) * len(muscles.CHANNELS)
    ticks: dict[str, NDArray[np.void]] = {}
    left_ns: dict[str, dict[int, int]] = {}
    ages_ms: list[float] = []
    interrupted: dict[str, str] = {}
    woken = [np.zeros(0)]
    with raised(AROUND, "bench"):  # and so are the threads of its outlet
        rig = Rig(SESSION, muscles.CHANNELS, values)
    with rig:
        for follower in _followers(rig):
            rig.work(rate_hz, PLANT, [follower], realtime)
            name = follower.use
            ticks[name], left_ns[name] = _watch(rig, name, seconds / len(WAYS), ages_ms)
            if rig.state is not State.ACTIVE:
                interrupted[name] = rig.note
            rig.end()
            if not cyclictest.missing():
                priority = 0 if rig.report["realtime_refused"] else PRIORITY
                woken.append(cyclictest.lateness_us(rate_hz, seconds / len(WAYS), cpu, priority))
    return figures_of(ticks, left_ns, ages_ms, np.concatenate(woken)) | {
        "rate_hz": rate_hz,
        "seconds": seconds,
        "missed_deadlines": sum(int(np.ptp(one["missed"])) for one in ticks.values()),
        "interrupted": interrupted,
        "refused": rig.report["realtime_refused"],
        "cyclictest_missing": cyclictest.missing(),
        "machine": machine(),
    }


def _watch(
    rig: Rig, name: str, seconds: float, ages_ms: list[float]
) -> tuple[NDArray[np.void], dict[int, int]]:
    """Ticks, and when each one's command left; the bare inlet's ages are added."""
    watch = Watch(rig.cell(name))
    with raised(AROUND, "bench"), _bare_inlet(rig.lsl_session) as found:
        rig.watch(SETTLE_S)
        ticks = rig.watch(seconds, watch.look, LOOK_S)
    ages_ms += found
    return ticks, watch.left_ns


def _followers(rig: Rig) -> list[FollowerSettings]:
    options: dict[str, dict[str, Any]] = {
        "zmq": {"bind": "tcp://127.0.0.1:*"},
        "ability-hand": {"port": "emulator", "report_session": rig.lsl_session},
        "lsl-out": {"session": rig.lsl_session},
    }
    return [
        FollowerSettings(use=name, required=True, priority=AROUND, options=options[name])
        for name in WAYS.values()
    ]


@contextmanager
def _bare_inlet(session: str) -> Iterator[list[float]]:
    """Yields a list that holds the ages of the samples [ms] afterwards."""
    process = subprocess.Popen(
        [sys.executable, "-m", "hil.bare_inlet", session, session], stdout=subprocess.PIPE
    )
    ages_ms: list[float] = []
    try:
        yield ages_ms
        process.terminate()
        said, _ = process.communicate(timeout=END_S)
        if process.returncode:
            raise HostError(f"the bare inlet ended with code {process.returncode}")
        ages_ms += msgspec.json.decode(said, type=list[float])
    finally:
        process.kill()
        process.communicate()


def figures_of(
    ticks: dict[str, NDArray[np.void]],
    left_ns: dict[str, dict[int, int]],
    ages_ms: list[float],
    woken_us: NDArray[np.float64],
) -> dict[str, Any]:
    """Join ticks and what left.

    Args:
        ticks: by follower, (n,) board records; only those with a new sample count.
        left_ns: by follower and tick.
        ages_ms: of samples at the bare inlet.
        woken_us: how late cyclictest woke up.
    """
    ways = {}
    for way, name in WAYS.items():
        times = _push_to_left_ms(_fresh(ticks[name]), left_ns[name])
        ways[way] = {"samples": len(times), **summary(times)}
    fresh = _fresh(np.concatenate(list(ticks.values())))
    host = summary(woken_us / 1e3)
    allowed = ALLOWED_MS + (host["p99"] or 0.0)
    return {
        "push_to_left_ms": ways,
        "push_to_tick_ms": summary(fresh["age_s"] * 1e3),
        "push_to_published_ms": summary(fresh["age_s"] * 1e3 + fresh["left_ns"] / 1e6),
        "bare_inlet_ms": summary(ages_ms),
        "host_wake_ms": host,
        "allowed_p99_ms": round(allowed, 3),
        "within": {
            way: found["p99"] is not None and found["p99"] <= allowed for way, found in ways.items()
        },
    }


def _fresh(ticks: NDArray[np.void]) -> NDArray[np.void]:
    """Ticks at work with a new sample, (n,)."""
    return ticks[(ticks["fresh"] > 0) & np.isin(ticks["state"], (State.ACTIVE, State.HOLD))]


def _push_to_left_ms(ticks: NDArray[np.void], left_ns: dict[int, int]) -> list[float]:
    made_ns = ticks["time_ns"] - np.rint(ticks["age_s"] * 1e9).astype(np.int64)
    return [
        (left_ns[int(number)] - int(made)) / 1e6
        for number, made in zip(ticks["number"], made_ns, strict=True)
        if int(number) in left_ns
    ]


def _print(figures: dict[str, Any]) -> None:
    console = Console()
    title = f"{figures['rate_hz']:g} Hz, from a sample's push [ms]"
    table = Table("", "p50", "p99", "p99.9", "max", title=title)
    rows = {
        "to a bare inlet": figures["bare_inlet_ms"],
        "to its tick": figures["push_to_tick_ms"],
        "to the board": figures["push_to_published_ms"],
        **{f"to {way}": found for way, found in figures["push_to_left_ms"].items()},
        "cyclictest's lateness": figures["host_wake_ms"],
    }
    for name, one in rows.items():
        values = (one[key] for key in ("p50", "p99", "p999", "max"))
        table.add_row(name, *("-" if value is None else f"{value:.2f}" for value in values))
    console.print(table)
    stops = [f"{name}: {note}" for name, note in figures["interrupted"].items()]
    for line in (figures["cyclictest_missing"], *figures["refused"], *stops):
        if line:
            console.print(line, markup=False, highlight=False)
    print(
        f"allowed p99: 5 ms and the host's own p99, {figures['allowed_p99_ms']} ms; "
        f"{figures['missed_deadlines']} deadlines missed"
    )
