"""The follower ``sciencemode``: a HASOMED stimulator works the muscles that the policy excites."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import msgspec
import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from bridges.devices.emulator_process import EMULATOR
from bridges.devices.sciencemode_messages import (
    CHANNELS,
    EDITIONS,
    Answer,
    Command,
    CurrentData,
    DeviceId,
    MainVersion,
    MlGetCurrentData,
    MlInit,
    MlStop,
    MlUpdate,
    Plain,
    Reply,
    Result,
    Status,
    StimStatus,
    Version,
)
from bridges.devices.sciencemode_talk import Talk, in_words
from bridges.devices.stimulation_calibration import Calibration, load_calibration
from bridges.devices.stimulation_limits import StimulationLimits
from bridges.devices.stimulation_mapping import StimulationMapping, loses
from bridges.feed import Command as Live
from bridges.follower_process import FollowerProcess
from bridges.simulated_person import NAME as SIMULATED
from controller import data
from controller.errors import SettingsError
from controller.follower import FollowerContext, FollowerInfo
from controller.settings import convert

BAUD: Final = 3_000_000
ANSWER_S: Final = 0.2  # the device has to be ready in this time
AGAIN_S: Final = 0.1  # until it is asked again to be ready, for a lost answer: one takes 40 ms
ASK_S: Final = 0.1  # between two questions how the channels are, while it stimulates
SILENCE: Final = MlUpdate((None,) * CHANNELS)


class ScienceModeOptions(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """How it is connected, to whom, and how much it may give."""

    port: Annotated[str, Meta(min_length=1)]
    """Such as /dev/serial/by-id/usb-...; ``emulator`` starts one."""
    calibration: Annotated[str, Meta(min_length=1)]
    """File of ``myoloop calibrate``; a relative path is looked up beside the session file."""
    outputs: Literal[4, 8] = 8
    """Of the device: 4 for a RehaMove3, 8 for a P24."""
    limits: StimulationLimits = StimulationLimits()
    """Tighter caps than those built in."""
    report_session: Annotated[str, Meta(min_length=1)] = "default"
    """LSL session in which widths and errors are streamed."""


def create(
    name: str, options: dict[str, Any], required: bool, context: FollowerContext, origin: str
) -> FollowerProcess:
    """Start the driver.

    Raises:
        SettingsError: an option or the calibration is wrong or beyond the caps, or nobody real
            holds the dead-man of a real device.
    """
    chosen = convert(options, ScienceModeOptions, origin)
    if chosen.port != EMULATOR and context.about["settings"]["source"]["use"] == SIMULATED:
        raise SettingsError(
            f"{origin}.port: {chosen.port} stimulates a person, whose dead-man the source "
            f"{SIMULATED!r} does not have; name your own stream"
        )
    beside = Path(context.about["session"]["file"]).parent
    path = data.find(chosen.calibration, beside).absolute()
    calibration = load_calibration(path, chosen.limits, chosen.outputs)
    info = FollowerInfo(name, required, loses=loses(calibration, chosen.outputs))
    found = {**options, "calibration": str(path), "device": "sciencemode"}
    return FollowerProcess("bridges.devices.driver", info, found, context)


class Stimulator:
    """Talks with the device, whoever decides on the pulses; a pulse passes the limits or is none.

    Args:
        device: serial number that it must have, None for any.
        outputs: that it must have.
        limits: of every pulse.

    Attributes:
        name: its serial number, None before it said it.
        identified: whether it is the device of the calibration.
        heard_s: when it last answered [s].
        trouble: why it must not be driven.
        stopped: whether it said that it stimulates no more.
        data: what it reported of its channels since they were last taken away.
    """

    def __init__(self, device: str | None, outputs: int, limits: StimulationLimits) -> None:
        self._device, self._limits = device, limits
        self._outputs, self._edition = outputs, EDITIONS[outputs]
        self.reset()

    def reset(self) -> None:
        """Forget all that is known."""
        self.identified, self.stopped, self.trouble, self.heard_s = False, False, "", -1.0
        self.data: list[CurrentData] = []
        self._talk = Talk()
        self.name: str | None = None
        self._protocol: int | None = None
        self._began_s: float | None = None
        self._ready = False
        self._init_s = self._asked_s = 0.0

    def greet(self) -> bytes:
        """Stop whatever a driver before left behind, then ask who it is."""
        self.reset()
        version = self._edition.version_question
        questions = (Command.GET_DEVICE_ID, version, Command.GET_STIM_STATUS)
        said = [self._talk.say(MlStop()), *(self._talk.say(Plain(one)) for one in questions)]
        return b"".join(said)

    def ask(self) -> bytes:
        """Whether it stimulates: keeps nothing alive."""
        return self._talk.say(Plain(Command.GET_STIM_STATUS))

    def stop(self, emergency: bool) -> bytes:
        """Ml_stop; in an emergency silence on every channel before it, in a packet of its own."""
        self.stopped, self.trouble, self._began_s, self._ready = False, "", None, False
        self._talk.forget()
        first = self._talk.say(SILENCE) if emergency else b""
        return first + self._talk.say(MlStop())

    # --- driving -------------------------------------------------------------------

    def ready(self, now_s: float) -> bytes | None:
        """What has to be said before the first pulse; None once it is ready for pulses."""
        if self._ready:
            return None
        if self._began_s is None:
            self._began_s, self._init_s = now_s, float("-inf")
        if now_s - self._began_s > ANSWER_S:
            self.trouble = f"it was not ready within {ANSWER_S * 1e3:.0f} ms"
        elif now_s - self._init_s >= AGAIN_S:
            self._init_s = now_s
            return self._talk.say(MlInit(self._edition.stops_on_error))
        return b""

    def pulse(self, update: MlUpdate, areas_cm2: tuple[float, ...], now_s: float) -> bytes:
        """The update, and at times a question how the channels are.

        Only this keeps the stimulation alive, and only a live command leads here.
        """
        why = self._limits.refuse(update, areas_cm2)
        if why:
            self.trouble = f"refused to send a pulse: {why}"
            return b""
        said = self._talk.say(update)
        if now_s - self._asked_s >= ASK_S:
            self._asked_s = now_s
            said += self._talk.say(MlGetCurrentData(self._edition.selection))
        return said

    # --- hearing -------------------------------------------------------------------

    def hear(self, data: bytes, now_s: float) -> None:
        """Take in what it answered."""
        for reply in self._talk.hear(data):
            self.heard_s = now_s
            self._take(reply)

    def _take(self, reply: Reply) -> None:
        match reply:
            case DeviceId(_, name):
                self.name = name
                self._identify()
            case Version(protocol=version) | MainVersion(protocol=version):
                self._protocol = version[0]
                self._identify()
            case Answer(to=Command.UNKNOWN_COMMAND) if not self.identified:
                asked = self._edition.version_question.name.lower()
                self.trouble = f"it does not know {asked}: {self._no_such_device}"
            case StimStatus(status=status):
                self.stopped = status != Status.RUNNING or self._began_s is not None
            case Answer(to, result) if to is Command.ML_STOP:
                self.stopped |= result in (Result.OK, Result.NOT_INITIALISED)
            case Answer(to, result) if self._began_s is not None:
                self._ready |= to is Command.ML_INIT and result == Result.OK
                if result != Result.OK:
                    self.trouble = f"{to.name.lower()} was answered with: {in_words(result)}"
            case CurrentData(selection=selection) if selection == self._edition.selection:
                self._look_at(reply)

    def _identify(self) -> None:
        if self.name is None or self._protocol is None:
            return
        if self._device not in (None, self.name):
            self.trouble = f"the calibration is of {self._device}, this is {self.name}"
        elif self._protocol != self._edition.protocol:
            self.trouble = f"it speaks ScienceMode {self._protocol}: {self._no_such_device}"
        else:
            self.identified = True

    @property
    def _no_such_device(self) -> str:
        return f"it is no {self._edition.name}, so are there {self._outputs} outputs?"

    def _look_at(self, found: CurrentData) -> None:
        self.data.append(found)
        if self._began_s is None:
            return
        for output, error in enumerate(found.errors):
            if error != Result.OK:
                self.trouble = f"output {output + 1}: {in_words(error)}"
                return
        if found.result != Result.OK:
            self.trouble = f"the device reports: {in_words(found.result)}"


class ScienceMode:
    """The dialogue; see ``bridges.devices.dialogue.Dialogue``."""

    def __init__(self, options: ScienceModeOptions) -> None:
        path = Path(options.calibration)
        self._calibration: Calibration = load_calibration(path, options.limits, options.outputs)
        self._mapping = StimulationMapping(self._calibration, options.limits, options.outputs)
        self._device = Stimulator(self._calibration.device, options.outputs, options.limits)
        periods_s = [one.period_ms / 1e3 for one in self._calibration.channels.values()]
        self._shortest_s = min(periods_s)
        # at most: a width comes with the next pulse
        self.delays_s: Mapping[str, float] = {"next_pulse": max(periods_s)}
        self._tick, self._sent_s, self._resting = -1, 0.0, True
        self.reports: list[NDArray[np.float32]] = []
        self.channels = tuple(
            (f"{name}_{what}", unit)
            for name in self._calibration.channels
            for what, unit in (("width", "us"), ("active", "flag"), ("error", "code"))
        )

    @property
    def identified(self) -> bool:
        """Whether it is the device of the calibration."""
        return self._device.identified

    @property
    def stopped(self) -> bool:
        """Whether the device said that it stimulates no more."""
        return self._device.stopped

    @property
    def trouble(self) -> str:
        """Why it must not be driven."""
        return self._device.trouble

    @property
    def heard_s(self) -> float:
        """When it last answered [s]."""
        return self._device.heard_s

    @heard_s.setter
    def heard_s(self, value: float) -> None:
        self._device.heard_s = value

    def greet(self) -> bytes:
        """Stop it, and ask who it is."""
        self._rest()
        return self._device.greet()

    def _rest(self) -> None:
        self._mapping.rest()
        self._resting = True

    def hear(self, data: bytes, now_s: float) -> None:
        """Widths as told, activity and errors as reported."""
        self._device.hear(data, now_s)
        for found in self._device.data:
            row: list[float] = []
            for name, channel in self._calibration.channels.items():
                at = channel.output - 1
                row += [self._mapping.widths_us[name], found.active[at], found.errors[at]]
            self.reports.append(np.array(row, np.float32))
        self._device.data.clear()

    def ask(self) -> bytes:
        """Whether it stimulates."""
        return self._device.ask()

    def move(self, command: Live, now_s: float) -> bytes:
        """Pulses for the newest tick, and once a pulse while a width still rises."""
        assert command.record is not None  # it is live
        first = self._device.ready(now_s)
        if first is not None:
            return first
        if not np.isfinite(command.excitation).all():
            self._device.trouble = "an excitation is no number"
            return b""
        tick = int(command.record["number"])
        if self._resting:
            self._resting, self._sent_s = False, now_s
        elif tick == self._tick and now_s - self._sent_s < self._shortest_s:
            return b""
        self._tick, step_s, self._sent_s = tick, now_s - self._sent_s, now_s
        update = self._mapping.step(command.excitation.astype(np.float64), step_s)
        return self._device.pulse(update, self._calibration.areas_cm2, now_s)

    def stop(self, emergency: bool) -> bytes:
        """Ml_stop, in an emergency behind silence."""
        self._rest()
        return self._device.stop(emergency)
