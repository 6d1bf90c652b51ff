"""``myoloop bench page``: do the page and its tabs hold the loop up?"""

import os
import re
import subprocess
import sys
from importlib.util import find_spec
from typing import Annotated, Any, Final

import msgspec
import numpy as np
import typer
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from controller.errors import HostError
from controller.session import RealTimeSettings
from hil.distribution import summary
from hil.machine import machine
from hil.rig import Rig
from hil.tabs import browser

PLANT: Final = "myohand"
PRIORITY: Final = 80
SETTLE_S: Final = 2.0
END_S: Final = 10.0


def page(
    seconds: Annotated[float, typer.Option(min=2.0, help="Of each part.")] = 20,
    tabs: Annotated[int, typer.Option(min=1, help="Opened, reloaded and closed.")] = 10,
    rate: Annotated[float, typer.Option(help="Of the loop [Hz].")] = 40,
    json: Annotated[bool, typer.Option("--json", help="Print JSON only.")] = False,
) -> None:
    """Run a session alone, with the page, with many tabs of it, and alone again.

    MuJoCo hand, loop at priority 80. "Read" is what tabs elsewhere cost this machine; "drawn" adds
    a browser here that draws in software, at nice 19.
    """
    if find_spec("playwright") is None:
        raise HostError("the browser is driven by the extra: pip install 'myoloop[dev]'")
    browser()
    figures = {"tabs": tabs, "parts": measure(seconds, tabs, rate), "machine": machine()}
    if json:
        print(msgspec.json.format(msgspec.json.encode(figures), indent=2).decode())
    else:
        _print(figures)


def measure(seconds: float, tabs: int, rate_hz: float) -> dict[str, dict[str, Any]]:
    """Each part's figures, by its name."""
    found = {}
    realtime = RealTimeSettings(
        priority=PRIORITY, cpu=max(os.sched_getaffinity(0)), lock_memory=True, wake_within_us=0
    )
    with Rig() as rig:
        rig.work(rate_hz, PLANT, [], realtime)
        found["alone"] = _part(rig, seconds)
        view, url = _open_page(rig)
        found["page, nobody looks"] = _part(rig, seconds)
        for name, module in (("read by", "hil.page_readers"), ("drawn in", "hil.tabs")):
            crowd, _ = _run(rig, module, url, str(tabs))
            rig.play(SETTLE_S)
            found[f"{name} {tabs} tabs"] = _part(rig, seconds)
            _end(rig, crowd)
        _end(rig, view)
        found["alone again"] = _part(rig, seconds)
    return found


def _part(rig: Rig, seconds: float) -> dict[str, Any]:
    rig.watch(SETTLE_S)
    return figures_of(rig.watch(seconds))


def figures_of(ticks: NDArray[np.void]) -> dict[str, Any]:
    """Of ticks, (n,) board records."""
    return {
        "ticks": len(ticks),
        "missed_deadlines": int(ticks["missed"][-1] - ticks["missed"][0]),
        "lateness_us": summary(ticks["lateness_ns"] / 1e3),
        "took_us": summary(ticks["took_ns"] / 1e3),
    }


def _run(rig: Rig, module: str, *arguments: str) -> tuple[subprocess.Popen[bytes], str]:
    """Start a process; let the intention flow until it says something."""
    file = rig.folder / f"{module}.out"
    with file.open("wb") as said:
        process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=said,
            env={**os.environ, "DISPLAY": "", "WAYLAND_DISPLAY": ""},  # no window of anybody's
        )
    while not (words := file.read_text()):
        if process.poll() is not None:
            raise HostError(f"{module} ended with code {process.returncode}")
        rig.play(SETTLE_S / 20)
    return process, words


def _open_page(rig: Rig) -> tuple[subprocess.Popen[bytes], str]:
    arguments = ("view", "--session", rig.lsl_session, "--port", "0")
    process, said = _run(rig, "controller.cli", *arguments)
    found = re.search(r"http://[\d.:]+", said)
    if found is None:
        raise HostError("the page does not say where it is")
    return process, found[0]


def _end(rig: Rig, *processes: subprocess.Popen[bytes]) -> None:
    for process in processes:
        process.terminate()
    rig.play(SETTLE_S)
    for process in processes:
        process.kill()
        process.wait(END_S)


def _print(figures: dict[str, Any]) -> None:
    table = Table("part", "ticks", "missed", "late p50 / p99 / max [us]", "a tick takes [us]")
    for name, part in figures["parts"].items():
        cells = (
            " / ".join(f"{part[what][key]:.0f}" for key in ("p50", "p99", "max"))
            for what in ("lateness_us", "took_us")
        )
        table.add_row(name, str(part["ticks"]), str(part["missed_deadlines"]), *cells)
    Console().print(table)
