"""An emulated stimulator, as the documents of ScienceMode 3 and 4 describe it.

Unverified against a real one. Where the documents leave a choice it does what is worse for a
driver: a pause is no stop, stimulation goes on with the next update, an error lasts until Ml_init.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import typer

from bridges.devices.sciencemode_codec import decode, encode
from bridges.devices.sciencemode_frame import Packet, Unwrapper
from bridges.devices.sciencemode_messages import (
    CHANNELS,
    EDITIONS,
    FOUR_CHANNELS,
    Answer,
    ChannelAnswer,
    Command,
    CurrentData,
    DeviceId,
    LlChannelConfig,
    LlInit,
    MainVersion,
    Message,
    MlGetCurrentData,
    MlInit,
    MlStop,
    MlUpdate,
    Plain,
    Point,
    Result,
    Status,
    StimStatus,
    Train,
    Version,
    check_outputs,
)
from hil.emulators.faults import ELECTRODE, Faults

SERIAL: Final = "EMULATOR01"
WATCHDOG_S: Final = 2.0
CURRENT_MAX_MA: Final = 130.0
NARROWEST_US: Final = 10
PERIOD_MS: Final = (0.5, 16383.0)
DETECTS_MA: Final = 15.0  # a lost electrode is noticed from this current on
HIGH_VOLTAGE: Final = 6
FIRMWARE: Final = (1, 0, 0)
CHECKED: Final = (Command.ML_INIT, Command.ML_UPDATE, Command.LL_INIT, Command.LL_STOP)


@dataclass
class Output:
    """A channel at work.

    Attributes:
        train: its pulses.
        since_s: when the first of them left.
        pulses: that have left.
    """

    train: Train
    since_s: float
    pulses: int = 0

    def advance(self, now_s: float) -> None:
        """Let the pulses leave that are due."""
        self.pulses = 1 + int((now_s - self.since_s) * 1e3 / self.train.period_ms)

    @property
    def current_ma(self) -> float:
        """Of the newest pulse; the first ones rise in a ramp."""
        highest = max(abs(point.current_ma) for point in self.train.points)
        return highest * min(1.0, self.pulses / (self.train.ramp + 1))

    def describe(self) -> str:
        """Such as 15mA/200us."""
        return f"{self.current_ma:g}mA/{self.train.points[0].width_us}us"


class StimulatorModel:
    """Eight channels, or four, that stimulate by themselves until they are told otherwise.

    Attributes:
        status: what it is ready for.
        paused: whether its watchdog holds the output back.
        stops: Ml_stop while it was ready or at work.
        silences: updates that named no channel while some were at work.
        pauses: of its watchdog.
        unbalanced: pulses asked for whose net charge is not 0; it does not refuse them.
        outputs: those at work, by index.
    """

    def __init__(self, faults: Faults, outputs: int = CHANNELS) -> None:
        self.status, self.paused = Status.IDLE, False
        self.stops = self.silences = self.pauses = self.unbalanced = 0
        self.outputs: dict[int, Output] = {}
        self._faults, self._channels, self._edition = faults, outputs, EDITIONS[outputs]
        self._unwrapper = Unwrapper()
        self._errors = [Result.OK] * CHANNELS
        self._stop_on_error = False
        self._heard_s = 0.0

    def hear(self, data: bytes, now_s: float) -> list[bytes]:
        """Carry out each packet, answer each; complain of bytes that are none."""
        dropped = self._unwrapper.dropped
        found = [self._answer(packet, now_s) for packet in self._unwrapper.feed(data)]
        if self._unwrapper.dropped > dropped:
            found.append(encode(0, Answer(Command.GENERAL_ERROR, Result.TRANSFER)))
        return found

    def _answer(self, packet: Packet, now_s: float) -> bytes:
        request = decode(packet)
        reply = self._obey(request, now_s) if request is not None else None
        if reply is None and packet.command in CHECKED:
            reply = Answer(Command(packet.command), Result.PARAMETER)
        elif reply is None:
            reply = Answer(Command.UNKNOWN_COMMAND, Result.UNKNOWN_COMMAND)
        return encode(packet.number, reply)

    def _obey(self, request: Message, now_s: float) -> Message | None:
        match request:
            case MlInit(stop_on_error):
                if stop_on_error and not self._edition.stops_on_error:
                    return Answer(Command.ML_INIT, Result.PARAMETER)
                self._end(Status.MID_LEVEL)
                self._stop_on_error, self._errors = stop_on_error, [Result.OK] * CHANNELS
                return Answer(Command.ML_INIT, Result.OK)
            case MlUpdate():
                return Answer(Command.ML_UPDATE, self._update(request, now_s))
            case MlStop():
                return Answer(Command.ML_STOP, self._ml_stop())
            case MlGetCurrentData(selection):
                return self._current_data(selection, now_s)
            case LlInit():
                self._end(Status.LOW_LEVEL)
                return Answer(Command.LL_INIT, Result.OK)
            case LlChannelConfig():
                return self._one_pulse(request)
            case Plain(command):
                return self._plain(command)
        return None

    def _plain(self, command: Command) -> Message | None:
        match command:
            case Command.GET_DEVICE_ID:
                return DeviceId(Result.OK, SERIAL)
            case Command.GET_VERSION_MAIN | Command.GET_EXTENDED_VERSION:
                return self._version(command)
            case Command.GET_STIM_STATUS:
                on = HIGH_VOLTAGE if self.status else 0
                return StimStatus(Result.OK, self.status, on)
            case Command.LL_STOP if self.status is not Status.LOW_LEVEL:
                return Answer(command, Result.NOT_INITIALISED)
            case Command.LL_STOP | Command.RESET:
                self._end(Status.IDLE)
                return Answer(command, Result.OK)
        return None

    def _version(self, asked: Command) -> Message | None:
        if asked is not self._edition.version_question:
            return None
        kind = Version if asked is Command.GET_EXTENDED_VERSION else MainVersion
        return kind(Result.OK, FIRMWARE, (self._edition.protocol, 0, 0))

    # --- the mid level -------------------------------------------------------------

    @property
    def _mid_level(self) -> bool:
        return self.status in (Status.MID_LEVEL, Status.RUNNING)

    def _end(self, status: Status) -> None:
        self.outputs.clear()
        self.status, self.paused = status, False

    def _ml_stop(self) -> Result:
        if not self._mid_level:
            return Result.NOT_INITIALISED
        self.stops += 1
        self._end(Status.IDLE)
        return Result.OK

    def _update(self, update: MlUpdate, now_s: float) -> Result:
        if not self._mid_level:
            return Result.NOT_INITIALISED
        if any(train and self._wrong(at, train) for at, train in enumerate(update.trains)):
            return Result.PARAMETER
        if sum(map(_busy, update.trains)) >= 1.0:
            return Result.PARAMETER
        self._heard_s = now_s
        if self._stop_on_error and self._worst != Result.OK:
            return self._worst
        if self.paused:
            self.outputs.clear()  # each begins with its ramp again
            self.paused = False
        self._carry_out(update, now_s)
        return Result.OK

    def _carry_out(self, update: MlUpdate, now_s: float) -> None:
        self.silences += bool(self.outputs) and not any(update.trains)
        for at, train in enumerate(update.trains):
            if train is None:
                self.outputs.pop(at, None)
                continue
            self.unbalanced += _net(train.points) != 0.0
            if at in self.outputs:
                self.outputs[at].train = train
            else:
                self.outputs[at] = Output(train, now_s)
        self.status = Status.RUNNING if self.outputs else Status.MID_LEVEL

    def _wrong(self, at: int, train: Train) -> bool:
        low, high = PERIOD_MS
        return (
            at >= self._channels
            or train.period_ms % self._edition.period_step_ms != 0.0
            or not low <= train.period_ms <= high
            or any(abs(point.current_ma) > CURRENT_MAX_MA for point in train.points)
            or any(0 < point.width_us < NARROWEST_US for point in train.points)
        )

    @property
    def _worst(self) -> Result:
        return max(self._errors)

    def _current_data(self, selection: int, now_s: float) -> Message | None:
        if selection != self._edition.selection:
            return None
        result = self._worst if self._mid_level else Result.NOT_INITIALISED
        self._heard_s = now_s
        on = [at in self.outputs and not self.paused for at in range(self._channels)]
        if selection == FOUR_CHANNELS:
            on = [any(on)] * self._channels
        return CurrentData(result, selection, tuple(on), tuple(self._errors[: self._channels]))

    # --- the low level -------------------------------------------------------------

    def _one_pulse(self, pulse: LlChannelConfig) -> Message:
        ready = self.status is Status.LOW_LEVEL
        self.unbalanced += ready and _net(pulse.points) != 0.0
        result = Result.OK if ready else Result.NOT_INITIALISED
        return ChannelAnswer(result, pulse.channel, pulse.connector)

    # --- time ----------------------------------------------------------------------

    def advance(self, now_s: float) -> list[bytes]:
        """Pulses leave; the watchdog and lost electrodes have their effect."""
        if self.outputs and not self.paused and now_s - self._heard_s > WATCHDOG_S:
            self.paused = True
            self.pauses += 1
        if self.paused:
            return []
        for at, output in list(self.outputs.items()):
            output.advance(now_s)
            if at + 1 == self._faults.electrode and output.current_ma >= DETECTS_MA:
                self._errors[at] = Result.ELECTRODE
                del self.outputs[at]
        if self._stop_on_error and self._worst != Result.OK and self.status is Status.RUNNING:
            self._end(Status.MID_LEVEL)
        return []

    def describe(self) -> str:
        """Status, counts, and what leaves each output."""
        status = "paused" if self.paused else self.status.name.lower()
        outputs = " ".join(
            f"{at + 1}:{output.describe()}" for at, output in sorted(self.outputs.items())
        )
        counts = f"stops {self.stops} silences {self.silences} pauses {self.pauses}"
        return f"{status} {counts} unbalanced {self.unbalanced} | {outputs or 'silent'}"


def _net(points: tuple[Point, ...]) -> float:
    return sum(point.width_us * point.current_ma for point in points)


def _busy(train: Train | None) -> float:
    """Share of its time that a channel needs the one source for."""
    if train is None:
        return 0.0
    return sum(point.width_us for point in train.points) / (train.period_ms * 1e3)


def sciencemode(
    link: Annotated[Path | None, typer.Option(help="Symbolic link to the pty.")] = None,
    fault: Annotated[str, typer.Option(help="Such as drop=0.1,delay=20,electrode=1.")] = "",
    log: Annotated[Path | None, typer.Option(help="Append what changes, with times.")] = None,
    outputs: Annotated[int, typer.Option(help="4 is a RehaMove3, 8 a P24.")] = CHANNELS,
) -> None:
    """Be a HASOMED stimulator: limits, ramps, errors, watchdog of 2 s."""
    from hil.emulators.line import serve

    faults = Faults.parse(fault, (ELECTRODE,))
    check_outputs(outputs)
    serve(StimulatorModel(faults, outputs), link, faults, log)
