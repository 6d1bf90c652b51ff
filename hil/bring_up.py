"""``myoloop hil``: numbered steps from the link to the closed loop, on an emulator or a device.

An engineer runs them in this order: each needs what the ones before have shown. On a real port a
step that moves or stimulates asks first. Faults are injected by name, on the emulator only.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Final

import msgspec
import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from bridges.devices.sciencemode_messages import check_outputs
from controller import data
from controller.daemon import check_writable
from controller.errors import HostError, MyoloopError, SettingsError
from hil.distribution import summary
from hil.emulated_device import Emulator
from hil.machine import machine

EMULATOR: Final = "emulator"
P24: Final = 8
QUESTIONS: Final = {
    "ability-hand": "the hand moves. Is it free to, and its switch within reach?",
    "sciencemode": "it stimulates. Is it at a test load, or at a person who has agreed and "
    "who holds its switch?",
}
"""By device: what has to be agreed to on a real port."""


@dataclass
class Bench:
    """What the steps work on.

    Attributes:
        device: its kind.
        port: path of its port.
        emulator: when there is one.
        folder: for files that are gone afterwards.
        calibration: file of a stimulator, "" for the emulated one's.
        outputs: of a stimulator.
        latencies_ms: measured, by name.
        motion: of one movement: time [ms], asked for [deg], measured [deg].
    """

    device: str
    port: str
    folder: Path
    calibration: str = ""
    outputs: int = P24
    emulator: Emulator | None = None
    latencies_ms: dict[str, list[float]] = field(default_factory=dict)
    motion: list[tuple[float, float, float]] = field(default_factory=list)

    def emulate(self, fault: str = "") -> Emulator:
        """Start the emulated device; its port is the bench's from now on."""
        stimulator = self.device == "sciencemode"
        own = (f"--outputs={self.outputs}",) if stimulator else ()
        self.emulator = Emulator((self.device, *own), self.folder, fault)
        self.port = str(self.emulator.link)
        return self.emulator


@dataclass(frozen=True)
class Outcome:
    """What a step came to."""

    passed: bool
    seen: str


@dataclass(frozen=True)
class Step:
    """One step.

    Attributes:
        name: of it.
        expected: what has to be seen, in words.
        act: does it and looks.
        moves: whether the device moves something, or stimulates.
        emulated: whether it needs an emulator.
    """

    name: str
    expected: str
    act: Callable[[Bench], Outcome]
    moves: bool = False
    emulated: bool = False


class Row(msgspec.Struct, frozen=True):
    """One line of the result; ``passed`` is None for a step that was not run."""

    number: int
    name: str
    passed: bool | None
    expected: str
    seen: str


class Result(msgspec.Struct, frozen=True):
    """All of it, as JSON."""

    device: str
    port: str
    passed: bool
    steps: list[Row]
    latencies_ms: dict[str, dict[str, float | None]]
    machine: dict[str, object]


def hil(
    device: Annotated[str, typer.Option(help="ability-hand or sciencemode.")] = "ability-hand",
    port: Annotated[str, typer.Option(help="/dev/serial/by-id/usb-..., or emulator.")] = EMULATOR,
    calibration: Annotated[str, typer.Option(help="Of a stimulator: FILE.yaml.")] = "",
    outputs: Annotated[int, typer.Option(help="Of a stimulator: 4 is a RehaMove3, 8 a P24.")] = P24,
    report: Annotated[Path | None, typer.Option(help="Write a page: FILE.html.")] = None,
    only: Annotated[str, typer.Option(help="Only steps whose name has this in it.")] = "",
    json: Annotated[bool, typer.Option("--json", help="Print JSON only.")] = False,
) -> None:
    """Prove a device step by step: link, latency, motion, watchdog, daemon, closed loop, faults.

    Exit code 1 when a step did not show what it has to. On a real port each step that moves or
    stimulates asks first.
    """
    if device not in QUESTIONS:
        raise SettingsError(f"--device {device!r}; allowed: {', '.join(QUESTIONS)}")
    if device == "sciencemode" and port != EMULATOR and not calibration:
        raise SettingsError("--calibration: a real stimulator needs its person's and its own")
    check_outputs(outputs)
    if calibration:
        _check_calibration(calibration, outputs)
    _check_report(report)
    with tempfile.TemporaryDirectory(prefix="myoloop-hil-") as folder:
        bench = Bench(device, port, Path(folder), calibration, outputs)
        result = run(bench, _chosen(device, only), quiet=json)
    if report:
        from hil.bring_up_report import render

        report.write_text(render(result, bench), encoding="utf-8")
    if json:
        print(msgspec.json.format(msgspec.json.encode(result), indent=2).decode())
    else:
        _print(result)
    raise typer.Exit(int(not result.passed))


def _check_calibration(file: str, outputs: int) -> None:
    """Now rather than in the sixth step."""
    from bridges.devices.stimulation_calibration import load_calibration
    from bridges.devices.stimulation_limits import StimulationLimits

    load_calibration(data.find(file, Path.cwd()), StimulationLimits(), outputs)


def _check_report(report: Path | None) -> None:
    from importlib.util import find_spec

    if report is None:
        return
    check_writable(report)
    if find_spec("matplotlib") is None:
        raise HostError("--report needs the extra: pip install 'myoloop[view]'")


def _chosen(device: str, only: str) -> list[tuple[int, Step]]:
    from hil import hand_steps, stimulator_steps

    steps = hand_steps.STEPS if device == "ability-hand" else stimulator_steps.STEPS
    chosen = [(number, step) for number, step in enumerate(steps, 1) if only in step.name]
    if not chosen:
        names = "; ".join(step.name for step in steps)
        raise SettingsError(f"--only {only!r}: no such step; there are: {names}")
    return chosen


def run(bench: Bench, steps: list[tuple[int, Step]], quiet: bool) -> Result:
    """Take the steps in order; on a real port none after one that failed.

    An emulated device is there anew for each of them.
    """
    console, rows, failed = Console(stderr=True), [], ""
    real = bench.port != EMULATOR
    for number, step in steps:
        rows.append(_row(number, step, failed or _take(bench, step, real)))
        if real and rows[-1].passed is False:
            failed = f"step {number} failed"
        if not quiet:
            console.print(_line(rows[-1]), markup=False, highlight=False, soft_wrap=True)
    return Result(
        device=bench.device,
        port=bench.port if real else EMULATOR,
        passed=all(row.passed is not False for row in rows),
        steps=rows,
        latencies_ms={name: summary(values) for name, values in bench.latencies_ms.items()},
        machine=machine(),
    )


def _take(bench: Bench, step: Step, real: bool) -> Outcome | str:
    """The outcome, or why it was not run."""
    if real and step.emulated:
        return "not on a real port"
    if real and step.moves and not _agreed(bench, step):
        return "not agreed to"
    try:
        if real or step.emulated:  # a step that injects a fault brings an emulator of its own
            return step.act(bench)
        bench.emulate()
        return step.act(bench)
    except MyoloopError as error:
        return Outcome(False, str(error))
    finally:
        if bench.emulator is not None:
            bench.emulator.close()
            bench.emulator = None


def _agreed(bench: Bench, step: Step) -> bool:
    if not sys.stdin.isatty():
        raise HostError(f"step {step.name!r} asks before it acts: run it from a terminal")
    return typer.confirm(f"{step.name}: {QUESTIONS[bench.device]}", err=True)


def _row(number: int, step: Step, outcome: Outcome | str) -> Row:
    if isinstance(outcome, str):
        return Row(number, step.name, None, step.expected, outcome)
    return Row(number, step.name, bool(outcome.passed), step.expected, outcome.seen)


def _line(row: Row) -> str:
    mark = {True: "ok  ", False: "FAIL", None: "-   "}[row.passed]
    return f"{mark} {row.number:2} {row.name}: {row.seen}"


def _print(result: Result) -> None:
    table = Table("step", "expected", "seen", "")
    for row in result.steps:
        mark = {True: "ok", False: "FAIL", None: "not run"}[row.passed]
        table.add_row(f"{row.number} {row.name}", row.expected, row.seen, mark)
    Console().print(table)
    if result.latencies_ms:
        table = Table("latency [ms]", "p50", "p99", "p99.9", "max")
        for name, one in result.latencies_ms.items():
            table.add_row(name, *(f"{one[q]:.2f}" for q in ("p50", "p99", "p999", "max")))
        Console().print(table)


def timed(act: Callable[[], object], times: int) -> list[float]:
    """How long each of so many repetitions takes [ms]."""
    took = []
    for _ in range(times):
        began = time.perf_counter()
        act()
        took.append((time.perf_counter() - began) * 1e3)
    return took


def milliseconds(values: np.ndarray | list[float]) -> str:
    """A distribution in a few words."""
    one = summary(values)
    return f"p50 {one['p50']:.2f}, p99 {one['p99']:.2f}, max {one['max']:.2f} ms (n={len(values)})"
