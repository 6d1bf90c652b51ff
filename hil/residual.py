"""``myoloop bench residual``: what a device still does after the computer's side broke.

A live daemon and driver work an emulated device; each fault is injected, and the device's own
diary says when it came to rest, and what it did until then. Emulated: a real device adds what
its documents do not say.
"""

import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Annotated, Any, Final

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from controller import data
from controller.errors import MyoloopError
from hil.emulated_device import Emulator
from hil.hazard_bench import Bench

PATIENCE_S: Final = 10.0
REST_S: Final = 4.0  # longer than either watchdog, and the motion after it
SEEN_S: Final = 1.0
TRIES: Final = 3
OPTIONS: Final[dict[str, dict[str, Any]]] = {
    "ability-hand": {},
    "sciencemode": {"calibration": "configs/fes_emulated_calibration.yaml"},
}


class Row(msgspec.Struct, frozen=True):
    """What one fault came to.

    Attributes:
        to_rest_ms: from the fault to the last thing that the device did; None for never.
        until_then: the device's words when the fault came.
        at_rest: its words at the end.
    """

    fault: str
    to_rest_ms: float | None
    until_then: str
    at_rest: str


class DeviceBench(Bench):
    """The bench of the hazards with a device's driver in place of the probe."""

    def __init__(self, device: str) -> None:
        super().__init__()
        self.device = device
        self._emulator = Emulator((device,), self.folder)
        lsl = {"report_session": self.folder.name}
        options = {"port": str(self._emulator.link), **lsl, **OPTIONS[device]}
        if "calibration" in options:
            options["calibration"] = str(data.find(options["calibration"]))
        driver = {"use": device, "name": "hand", "required": True, "options": options}
        self._session["followers"] = [driver]

    def working(self, words: str) -> bool:
        """Whether the device does something."""
        if self.device == "ability-hand":
            return words.startswith("api")
        return words.startswith("running") and not words.endswith("silent")

    def shown(self, words: str) -> str:
        """Mode and output, without the counts."""
        if self.device == "ability-hand":
            return words
        return f"{words.split()[0]} {words.split('|')[1].strip()}"

    def trial(self, fault: str, inject: Callable[["DeviceBench"], None]) -> Row:
        """Work until the device does something, break it, watch."""
        self._work_device()
        before, since_ns = self._emulator.words, time.monotonic_ns()
        inject(self)
        self.play(REST_S)
        since = [(when, words) for when, words in self._emulator.diary() if when > since_ns]
        last_ns, words = since[-1] if since else (since_ns, before)
        rests = not self.working(words)
        to_rest_ms = max(0.0, (last_ns - since_ns) / 1e6) if rests else None
        return Row(fault, to_rest_ms, self.shown(before), self.shown(words))

    def _work_device(self) -> None:
        """Until it does something, and has done so for a while; a busy machine may need two goes.

        Raises:
            MyoloopError: it does not.
        """
        for _ in range(TRIES):
            self.work()
            self.play_until(lambda: self.working(self._emulator.words), PATIENCE_S)
            self.play(SEEN_S)
            if self.working(self._emulator.words):
                return
        raise MyoloopError(f"the {self.device} was not worked: {self._emulator.words}; {self.note}")

    def mend(self) -> None:
        """A daemon without its driver has to start again, and nobody may stay asleep."""
        with suppress(MyoloopError, OSError):
            self.follower("hand").send_signal(signal.SIGCONT)
        if self.alive:
            self.signal(signal.SIGCONT)
            self.signal(signal.SIGKILL)
        self.end()

    def close(self) -> None:
        """End the daemon, then the emulator."""
        super().close()
        self._emulator.close()


def _driver(number: int) -> Callable[[DeviceBench], None]:
    return lambda bench: bench.follower("hand").send_signal(number)


def _daemon(number: int) -> Callable[[DeviceBench], None]:
    return lambda bench: bench.signal(number)


def _both(bench: DeviceBench) -> None:
    driver = bench.follower("hand").pid
    bench.signal(signal.SIGKILL)
    os.kill(driver, signal.SIGKILL)


FAULTS: Final[dict[str, Callable[[DeviceBench], None]]] = {
    "dead-man let go": lambda bench: bench.say(engage=0.0),
    "e-stop": lambda bench: bench.mark("estop"),
    "daemon killed (SIGKILL)": _daemon(signal.SIGKILL),
    "daemon frozen (SIGSTOP)": _daemon(signal.SIGSTOP),
    "driver killed (SIGKILL)": _driver(signal.SIGKILL),
    "driver frozen (SIGSTOP)": _driver(signal.SIGSTOP),
    "daemon and driver killed": _both,
}


def residual(
    device: Annotated[str, typer.Option(help=", ".join(OPTIONS))] = "sciencemode",
    json: Annotated[bool, typer.Option("--json", help="Print JSON only.")] = False,
) -> None:
    """Break the computer's side while an emulated device works; print when the device rests.

    Exit code 1 when it does not.
    """
    if device not in OPTIONS:
        raise MyoloopError(f"--device {device!r}; there are: {', '.join(OPTIONS)}")
    rows = []
    with DeviceBench(device) as bench:
        for fault, inject in FAULTS.items():
            rows.append(bench.trial(fault, inject))
            bench.mend()
    if json:
        print(msgspec.json.format(msgspec.json.encode({"residual": rows}), indent=2).decode())
    else:
        _print(rows)
    raise typer.Exit(int(any(row.to_rest_ms is None for row in rows)))


def _print(rows: list[Row]) -> None:
    table = Table("fault", "to rest", "the device until then", "and at rest")
    for row in rows:
        to_rest = "NEVER" if row.to_rest_ms is None else f"{row.to_rest_ms:.0f} ms"
        table.add_row(row.fault, to_rest, row.until_then, row.at_rest)
    Console(width=160).print(table)
