"""What a ScienceMode 3 or 4 stimulator is told, and what it answers."""

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from controller.errors import SettingsError

CHANNELS: Final = 8
POINTS_MAX: Final = 16
NUMBERS: Final = 64  # a packet's number has six bits, and its answer the same one


class Command(IntEnum):
    """The number of a command; its answer has the next one."""

    LL_INIT = 0
    LL_CHANNEL_CONFIG = 2
    LL_STOP = 4
    ML_INIT = 30
    ML_UPDATE = 32
    ML_STOP = 34
    ML_GET_CURRENT_DATA = 36
    GET_VERSION_MAIN = 50
    GET_DEVICE_ID = 52
    RESET = 58
    GET_STIM_STATUS = 62
    GENERAL_ERROR = 66  # said by the device alone
    UNKNOWN_COMMAND = 67  # said by the device alone
    GET_EXTENDED_VERSION = 68


class Result(IntEnum):
    """What a device answers, as far as the documents name it."""

    OK = 0
    TRANSFER = 1
    PARAMETER = 2
    NOT_INITIALISED = 7
    ELECTRODE = 10
    UNKNOWN_COMMAND = 11
    PULSE_TIMEOUT = 16
    LOW_CURRENT = 28


class Status(IntEnum):
    """What a device is ready for."""

    IDLE = 0
    LOW_LEVEL = 1
    MID_LEVEL = 2
    RUNNING = 3


@dataclass(frozen=True, slots=True)
class Edition:
    """What differs between the devices.

    Attributes:
        name: of the device.
        protocol: version of ScienceMode that it speaks.
        version_question: that it answers; the other one knows another.
        selection: of ``MlGetCurrentData`` for the errors of all its channels.
        stops_on_error: whether ``MlInit`` can ask for the stop of all channels on any error; else
            its byte is reserved and has to be 0.
        period_step_ms: of a train's period; a finer one sets a reserved bit [ms].
    """

    name: str
    protocol: int
    version_question: Command
    selection: int
    stops_on_error: bool
    period_step_ms: float


FOUR_CHANNELS: Final = 2
ALL_ERRORS: Final = 4
EDITIONS: Final = {
    4: Edition(
        name="RehaMove3",
        protocol=3,
        version_question=Command.GET_VERSION_MAIN,
        selection=FOUR_CHANNELS,
        stops_on_error=False,
        period_step_ms=0.5,
    ),
    8: Edition(
        name="P24",
        protocol=4,
        version_question=Command.GET_EXTENDED_VERSION,
        selection=ALL_ERRORS,
        stops_on_error=True,
        period_step_ms=0.25,
    ),
}
"""By the number of outputs."""


def check_outputs(outputs: int) -> None:
    """Refuse a number of outputs that no device has.

    Raises:
        SettingsError: names it and what is allowed.
    """
    if outputs not in EDITIONS:
        raise SettingsError(f"--outputs {outputs}; allowed: {', '.join(map(str, EDITIONS))}")


# --- what is said --------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Point:
    """A stretch of a pulse.

    Attributes:
        width_us: 0-4095 [us].
        current_ma: -150-361.5 in steps of 0.5 as the wire can carry it [mA].
    """

    width_us: int
    current_ma: float


@dataclass(frozen=True, slots=True)
class Train:
    """The pulses of a channel, repeated by the device itself.

    Attributes:
        period_ms: between two pulses, in steps of 0.25, below 16384 [ms].
        ramp: pulses until the full current, 0-15.
        points: 1-16 of them make a pulse.
    """

    period_ms: float
    ramp: int
    points: tuple[Point, ...]


@dataclass(frozen=True, slots=True)
class MlInit:
    """Make the mid level ready."""

    stop_on_error: bool


@dataclass(frozen=True, slots=True)
class MlUpdate:
    """The trains of all eight channels; None is silence. Any of them starts at once."""

    trains: tuple[Train | None, ...]


@dataclass(frozen=True, slots=True)
class MlStop:
    """The end of all stimulation on the mid level."""


@dataclass(frozen=True, slots=True)
class MlGetCurrentData:
    """Ask how the channels are, which also keeps the stimulation alive.

    Attributes:
        selection: 4 for all errors of all channels, 2 for version 3.
    """

    selection: int


@dataclass(frozen=True, slots=True)
class LlInit:
    """Make the low level ready, on which the computer asks for each pulse.

    Attributes:
        high_voltage: the source's level, 0 is the device's choice, 0-7.
        measurement: what is measured, 0 is nothing, 0-7.
    """

    high_voltage: int
    measurement: int


@dataclass(frozen=True, slots=True)
class LlChannelConfig:
    """One pulse.

    Attributes:
        channel: 0-3, red, blue, black, white.
        connector: 0 yellow, 1 green.
    """

    execute: bool
    channel: int
    connector: int
    points: tuple[Point, ...]


@dataclass(frozen=True, slots=True)
class Plain:
    """A command without data: LL_STOP, RESET, or one of the questions."""

    command: Command


# --- what is answered ----------------------------------------------------------------

ERRORS: Final = (Command.GENERAL_ERROR, Command.UNKNOWN_COMMAND)


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer, or a GENERAL_ERROR or UNKNOWN_COMMAND, that is a result and nothing else.

    Attributes:
        to: the command; the two errors stand for themselves.
        result: see ``Result``; others are possible.
    """

    to: Command
    result: int


@dataclass(frozen=True, slots=True)
class ChannelAnswer:
    """To LL_CHANNEL_CONFIG, without a measurement."""

    result: int
    channel: int
    connector: int


@dataclass(frozen=True, slots=True)
class CurrentData:
    """How the channels are.

    Attributes:
        selection: as asked.
        active: of each channel; with selection 2 all four the same.
        errors: of each channel: 0, or OK, ELECTRODE, PULSE_TIMEOUT, LOW_CURRENT of ``Result``.
    """

    result: int
    selection: int
    active: tuple[bool, ...]
    errors: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class StimStatus:
    """What the device is ready for.

    Attributes:
        status: see ``Status``.
        high_voltage: level of its source.
    """

    result: int
    status: int
    high_voltage: int


@dataclass(frozen=True, slots=True)
class MainVersion:
    """Firmware, and the protocol that it speaks: the one such answer of version 3."""

    result: int
    firmware: tuple[int, int, int]
    protocol: tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Version:
    """Firmware, and the protocol that it speaks, of version 4."""

    result: int
    firmware: tuple[int, int, int]
    protocol: tuple[int, int, int]
    rest: bytes = bytes(6)
    """Hash of the firmware (4 bytes), its kind, whether it is valid."""


@dataclass(frozen=True, slots=True)
class DeviceId:
    """The device's serial number, ten characters."""

    result: int
    name: str


Request = MlInit | MlUpdate | MlStop | MlGetCurrentData | LlInit | LlChannelConfig | Plain
Reply = Answer | ChannelAnswer | CurrentData | StimStatus | MainVersion | Version | DeviceId
Message = Request | Reply


def fits(value: int, bits: int, what: str) -> int:
    """The value, which has to fit into so many bits on the wire.

    Raises:
        ValueError: it does not; says what it is.
    """
    if not 0 <= value < 1 << bits:
        raise ValueError(f"{what} {value}; allowed: 0-{(1 << bits) - 1}")
    return value
