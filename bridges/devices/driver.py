"""The driver: one process for a device, whichever it is.

It holds the port, applies the time to live, and sends the device's own stop when the loop falls
silent, the daemon dies, or the device is in trouble; ``bridges.feed`` has the rules. The loop
never waits for it.
"""

import subprocess
import sys
import time
from contextlib import suppress
from typing import Any, Final

from bridges.between import Between
from bridges.devices.dialogue import Dialogue
from bridges.devices.emulator_process import EMULATOR, start_emulator
from bridges.devices.kinds import KINDS, Kind
from bridges.devices.port import Port
from bridges.devices.report_stream import ReportStream, timing
from bridges.feed import Command, Feed
from bridges.follow import Follow
from controller.clock import Grid
from controller.errors import HostError, MyoloopError
from controller.follower import FollowerState
from controller.settings import convert

LOOK_S: Final = 0.01  # the device hears something so often while it is driven
TRY_S: Final = 0.5  # between two attempts to connect
ASK_S: Final = 0.1  # between two questions at rest
SILENT_S: Final = 0.25  # without a word the device is gone
STOP_AGAIN_S: Final = 0.1
STOPS: Final = 5


class Driver:
    """Feeds one device what may be done now."""

    def __init__(self, follow: Follow, kind: Kind, options: Any, dialogue: Dialogue) -> None:
        self._follow, self._kind, self._dialogue = follow, kind, dialogue
        self._options, self._path = options, options.port
        self._emulator: subprocess.Popen[bytes] | None = None
        self._feed = Feed()
        self._feed_hz: float | None = getattr(options, "feed_hz", None)  # not of a stimulator
        rate_hz = follow.job.context.rate_hz
        self._between = Between(rate_hz) if self._feed_hz else None
        known_s = {"interpolation": 1.0 / rate_hz} if self._feed_hz else {}
        self._look_s = 1.0 / self._feed_hz if self._feed_hz else LOOK_S
        self._port: Port | None = None
        self._why = "not connected yet"
        self._moving = False
        self._stops = 0
        self._next_try_s = self._next_ask_s = self._next_stop_s = 0.0
        self._tick, self._left_ns = -1, 0
        self._stream = ReportStream(
            follow.job.context.session,
            follow.job.name,
            dialogue.channels,
            options.report_session,
            timing(self._look_s, {**known_s, **dialogue.delays_s}),
        )

    def run(self) -> None:
        """Until the daemon ends; then the device's stop, confirmed."""
        if self._path == EMULATOR:
            self._start_emulator()
        grid = Grid(1.0 / self._look_s)
        grid.start()
        while self._follow.wait(grid.remaining_s() if self._feed_hz else LOOK_S):
            now_ns = time.monotonic_ns()
            command = self._feed.judge(self._follow.newest(), now_ns)
            self._look(self._between.at(command, now_ns) if self._between else command)
        self._end()

    def _look(self, command: Command) -> None:
        now_s = time.monotonic()
        try:
            if self._port is None and now_s >= self._next_try_s:
                self._connect(now_s)
            if self._port is not None:
                self._talk(self._port, command, now_s)
        except MyoloopError as error:  # says of which port
            self._lose(str(error), now_s)
        except OSError as error:
            self._lose(f"{self._path}: {error.strerror or error}", now_s)
        self._tell()

    # --- the line ------------------------------------------------------------------

    def _connect(self, now_s: float) -> None:
        self._next_try_s = now_s + TRY_S
        self._port = Port(self._path, self._kind.baud, *self._kind.line)
        self._port.read()  # what stood in its buffer is nobody's answer
        self._port.write(self._dialogue.greet())
        self._dialogue.heard_s = now_s
        self._why = f"{self._path}: no answer yet"

    def _lose(self, why: str, now_s: float) -> None:
        """The line is gone, or not worth having: let go, try again later."""
        if self._port is not None:
            with suppress(OSError):
                self._port.close()
        self._port, self._why = None, why
        self._next_try_s = now_s + TRY_S
        self._let_go(why)
        self._moving = False

    def _let_go(self, why: str) -> None:
        if self._moving or self._feed.trouble:
            self._feed.let_go(self._feed.trouble or why)

    def _talk(self, port: Port, command: Command, now_s: float) -> None:
        dialogue = self._dialogue
        dialogue.hear(port.read(), now_s)
        self._stream.push(dialogue.reports)
        dialogue.reports.clear()
        if now_s - dialogue.heard_s > SILENT_S:
            if self._moving:
                port.write(dialogue.stop(emergency=True))  # it may still hear
            self._lose(f"{self._path}: silent for {SILENT_S * 1e3:.0f} ms", now_s)
        elif not dialogue.identified:
            if dialogue.trouble:
                self._lose(f"{self._path}: {dialogue.trouble}", now_s)
        elif dialogue.trouble and self._moving:
            why = dialogue.trouble
            self._stop(port, emergency=True, now_s=now_s)
            self._feed.let_go(why)
        elif command.live:
            self._move(port, command, now_s)
        else:
            self._rest(port, command, now_s)

    def _move(self, port: Port, command: Command, now_s: float) -> None:
        assert command.record is not None  # it is live
        port.write(self._dialogue.move(command, now_s))
        if command.record["number"] != self._tick:
            self._tick, self._left_ns = int(command.record["number"]), time.monotonic_ns()
        self._moving = True

    def _rest(self, port: Port, command: Command, now_s: float) -> None:
        if (
            self._moving
            or not self._dialogue.stopped
            and now_s >= self._next_stop_s
            and self._stops < STOPS
        ):
            self._stop(port, command.emergency, now_s)
        if now_s >= self._next_ask_s:
            self._next_ask_s = now_s + ASK_S
            port.write(self._dialogue.ask())

    def _stop(self, port: Port, emergency: bool, now_s: float) -> None:
        self._stops = 1 if self._moving else self._stops + 1
        self._moving, self._next_stop_s = False, now_s + STOP_AGAIN_S
        self._next_ask_s = now_s + STOP_AGAIN_S / 2
        port.write(self._dialogue.stop(emergency))

    # --- how it is -----------------------------------------------------------------

    def _tell(self) -> None:
        state, why = FollowerState.READY, ""
        if self._port is None:
            state, why = FollowerState.FAULT, self._feed.trouble or self._why
        elif not self._dialogue.identified:
            state, why = FollowerState.STARTING, self._why
        elif self._feed.trouble:
            state, why = FollowerState.FAULT, self._feed.trouble
        elif not self._dialogue.stopped and not self._moving and self._stops >= STOPS:
            state, why = FollowerState.FAULT, f"{self._path}: its stop was not confirmed"
        self._follow.tell(state, why, self._tick, self._left_ns)

    def _end(self) -> None:
        """Stop the device, however the daemon ended, and hear that it did."""
        emergency = not self._follow.asked_to_end and not self._follow.board.closed
        deadline_s = time.monotonic() + STOPS * STOP_AGAIN_S
        rest = Command(False, self._feed.rest, None, "the daemon has ended", emergency)
        while self._port is not None and time.monotonic() < deadline_s:
            self._look(rest)
            if not self._moving and self._dialogue.stopped:
                break
            time.sleep(LOOK_S)
        if self._port is not None:
            self._port.close()
        if self._emulator is not None:
            self._emulator.terminate()
            self._emulator.wait()

    # --- the emulator --------------------------------------------------------------

    def _start_emulator(self) -> None:
        link = self._follow.job.context.cell(f"{self._follow.job.name}.port")
        self._emulator = start_emulator(self._kind.emulator(self._options), link)
        self._path = str(link)
        self._why = "its emulator starts"


def main() -> None:
    """Drive the device that the options name."""
    follow = Follow.from_arguments()
    options = dict(follow.job.options)
    kind = KINDS[options.pop("device")]
    chosen = convert(options, kind.options, follow.job.name)
    try:
        Driver(follow, kind, chosen, kind.dialogue(chosen)).run()
    except HostError as error:
        follow.tell(FollowerState.FAULT, str(error))
        sys.exit(f"myoloop: {follow.job.name}: {error}")


if __name__ == "__main__":
    main()
