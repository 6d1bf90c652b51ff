"""``myoloop calibrate``: walks a channel up while a key is held, writes the user's file."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec
import typer

from bridges.devices.emulator_process import EMULATOR, start_emulator
from bridges.devices.sciencemode_messages import check_outputs
from bridges.devices.stimulation_calibration import (
    Calibration,
    Channel,
    check_calibration,
    load_calibration,
    save_calibration,
)
from bridges.devices.stimulation_limits import NARROWEST_US, StimulationLimits
from bridges.devices.stimulation_pools import POOLS
from bridges.devices.stimulation_walk import DeadMan, Walk
from bridges.operator import Keys
from controller.errors import HostError, MyoloopError, SettingsError
from controller.settings import convert

if TYPE_CHECKING:
    from bridges.devices.stimulator_line import Line

LOOK_S: Final = 0.005
START_UP_S: Final = 10.0  # of an emulator
HOLD: Final = " "
TAKE, AGAIN = "y", "r"
SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Walker:
    """Leads a person through one channel.

    Args:
        line: to the device.
        keys: of the terminal.
        calibration: the one channel, as wide as it may become.
        rise_us_s: how fast the width rises [us/s].
    """

    def __init__(self, line: Line, keys: Keys, calibration: Calibration, rise_us_s: float) -> None:
        self._line, self._keys, self._calibration = line, keys, calibration
        (self._channel,) = calibration.channels.values()
        self._rise_us_s = rise_us_s

    def find(self, what: str, above_us: float) -> float:
        """Walk until the person takes what was found, in whole numbers [us].

        Raises:
            MyoloopError: ended by a key, or trouble with the device.
        """
        while True:
            print(f"\nHold the space bar; let go at {what}. Any other key ends it.", flush=True)
            width_us = self._walk()
            if width_us <= above_us:
                print(f"\n{width_us:.0f} us is not above {above_us:.0f} us: once more", flush=True)
            elif self._takes(f"{what}: {width_us:.0f} us"):
                return width_us

    def _walk(self) -> float:
        dead_man, found = DeadMan(), Walk(self._channel.saturation_us, self._rise_us_s)
        sent_s = 0.0
        while not found.done:
            now_s = self._line.listen()
            for _ in self._presses(HOLD):
                dead_man.press(now_s)
            found.step(dead_man, now_s)
            if found.done or not found.begun:
                self._line.rest(now_s)
            elif now_s - sent_s >= self._channel.period_ms / 1e3:
                sent_s = now_s
                self._line.give(self._calibration, found.width_us, now_s)
                self._show(found)
            time.sleep(LOOK_S)
        if not self._line.stop(emergency=False):
            raise HostError("it does not say that it stopped")
        return float(int(found.width_us))

    def _presses(self, allowed: str) -> str:
        """The keys that were pressed; one that is not allowed ends it."""
        keys = self._keys.pressed()
        if set(keys) - set(allowed):
            raise MyoloopError("ended by a key; nothing was written")
        return keys

    def _show(self, found: Walk) -> None:
        charge_uc = found.width_us * self._channel.current_ma / 1e3
        end = "the ceiling" if found.at_ceiling else ""
        print(
            f"\r{int(found.width_us):4} us {charge_uc:5.2f} uC a phase  {end}", end="", flush=True
        )

    def _takes(self, question: str) -> bool:
        print(f"\n{question}. y: take it, r: again, any other key ends it", flush=True)
        while True:
            self._line.rest(self._line.listen())
            keys = self._presses(TAKE + AGAIN + HOLD).strip(HOLD)  # what is left of the hold
            if keys:
                return keys[0] == TAKE
            time.sleep(LOOK_S)


@contextmanager
def ended_in_order() -> Iterator[None]:
    """A signal that ends this process leads through the device's stop; none makes it sleep."""

    def end(number: int, _frame: FrameType | None) -> None:
        for one in SIGNALS:
            signal.signal(one, signal.SIG_IGN)  # the stop itself is not to be interrupted
        raise MyoloopError(f"ended by {signal.Signals(number).name}; nothing was written")

    before = {one: signal.signal(one, end) for one in SIGNALS}
    before[signal.SIGTSTP] = signal.signal(signal.SIGTSTP, signal.SIG_IGN)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def open_port(path: str, outputs: int, undo: ExitStack) -> str:
    """The port's path; starts an emulator where one is asked for.

    Raises:
        HostError: it does not start.
    """
    if path != EMULATOR:
        return path
    link = Path(undo.enter_context(TemporaryDirectory(prefix="myoloop-"))) / "port"
    process = start_emulator(("sciencemode", f"--outputs={outputs}"), link)
    undo.callback(_end, process)
    until_s = time.monotonic() + START_UP_S
    while not link.exists():
        if process.poll() is not None or time.monotonic() > until_s:
            raise HostError("the emulator did not start")
        time.sleep(LOOK_S)
    return str(link)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    process.wait()


def _with(before: Calibration | None, device: str, name: str, channel: Channel) -> Calibration:
    """The calibration with this channel in it, and those that it had."""
    others = before.channels if before is not None else {}
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return Calibration(device=device, made=now, channels={**others, name: channel})


def calibrate(
    channel: Annotated[str, typer.Argument(help=", ".join(pool.name for pool in POOLS))],
    file: Annotated[Path, typer.Option(help="The calibration; other channels in it are kept.")],
    output: Annotated[int, typer.Option(help="Socket of the device, from 1.")],
    current_ma: Annotated[float, typer.Option(help="Of the pulses, fixed; steps of 0.5.")],
    electrode_cm2: Annotated[float, typer.Option(help="Area of the smaller electrode.")],
    port: Annotated[
        str, typer.Option(help="Such as /dev/serial/by-id/usb-...; 'emulator' starts one.")
    ],
    frequency_hz: Annotated[float, typer.Option(help="Pulses a second, fixed.")] = 40.0,
    outputs: Annotated[int, typer.Option(help="Of the device: 4 or 8.")] = 8,
    ceiling_us: Annotated[float, typer.Option(help="No wider than this.")] = 300.0,
    rise_us_s: Annotated[
        float, typer.Option(min=1.0, max=100.0, help="How fast the width rises.")
    ] = 20.0,
) -> None:
    """Find a stimulation channel's threshold and saturation; the space bar is the dead-man.

    Unverified on hardware. A software stop is no emergency stop: keep the plug in reach.
    """
    from bridges.devices.stimulator_line import Line  # pyserial, which the help can do without

    check_outputs(outputs)
    limits = StimulationLimits()
    given: dict[str, Any] = {
        "output": output,
        "electrode_cm2": electrode_cm2,
        "current_ma": current_ma,
        "frequency_hz": frequency_hz,
        "threshold_us": NARROWEST_US,
        "saturation_us": ceiling_us,
    }
    trial = convert(given, Channel, "calibrate")
    before = load_calibration(file, limits, outputs) if file.exists() else None
    check_calibration(_with(before, "any", channel, trial), limits, outputs, "calibrate")
    with ExitStack() as undo:
        undo.enter_context(ended_in_order())
        keys = undo.enter_context(Keys())
        if not keys.live:
            raise HostError("calibrate needs a terminal: its dead-man is a key that is held")
        line = undo.enter_context(Line(open_port(port, outputs, undo), outputs))
        device = line.meet()
        if before is not None and before.device != device:
            raise SettingsError(f"{file}: is of {before.device}, this is {device}")
        print(f"{device}, output {output}, {channel}: {current_ma:g} mA, {frequency_hz:g} Hz")
        walker = Walker(line, keys, _with(None, device, channel, trial), rise_us_s)
        threshold = walker.find("the first visible contraction", NARROWEST_US)
        full = "the full contraction, or as much as is well borne"
        saturation = walker.find(full, threshold)
        found = msgspec.structs.replace(trial, threshold_us=threshold, saturation_us=saturation)
        save_calibration(file, _with(before, device, channel, found))
    print(f"\n{file}: {channel} {threshold:.0f}-{saturation:.0f} us", flush=True)
