"""The serial protocol ScienceMode 3 and 4 of HASOMED's stimulators: bytes in, messages out, back.

Source: RehaMove3 ScienceMode description and protocol (2018-04-21), and the frames printed by
HASOMED's own library in tests/vectors/sciencemode.json. Both versions share the frame and these
commands; version 3 has four channels and asks for its state with another selection.
No port, no clock. Unverified on hardware.
"""

import binascii
import struct
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

START: Final = 0xF0
END: Final = 0x0F
ESCAPE: Final = 0x81
FLIP: Final = 0x55
CHANNELS: Final = 8
POINTS_MAX: Final = 16
WIDTH_MAX_US: Final = 4095
RAMP_MAX: Final = 15
NUMBERS: Final = 64  # a packet's number has six bits, and its answer the same one

HEADER: Final = 9  # start, then length and checksum as two escaped bytes each
SHORTEST: Final = HEADER + 2 + 1
LONGEST: Final = HEADER + 2 * (2 + 1 + CHANNELS * (3 + 4 * POINTS_MAX)) + 1  # every byte escaped


class Command(IntEnum):
    """The number of a command; its answer has the next one."""

    LL_INIT = 0
    LL_CHANNEL_CONFIG = 2
    LL_STOP = 4
    ML_INIT = 30
    ML_UPDATE = 32
    ML_STOP = 34
    ML_GET_CURRENT_DATA = 36
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
class Version:
    """Firmware, and the protocol that it speaks."""

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
Reply = Answer | ChannelAnswer | CurrentData | StimStatus | Version | DeviceId
Message = Request | Reply


@dataclass(frozen=True, slots=True)
class Packet:
    """What a frame carries: number (0-63), command (0-1023) and data, no escapes left."""

    number: int
    command: int
    data: bytes


# --- the frame round a packet --------------------------------------------------------


def escaped(value: int) -> bytes:
    """A byte that is always escaped."""
    return bytes([ESCAPE, value ^ FLIP])


def wrap(packet: Packet) -> bytes:
    """The bytes on the wire."""
    body = bytearray()
    for byte in struct.pack(">H", packet.number << 10 | packet.command) + packet.data:
        body += escaped(byte) if byte in (START, END, ESCAPE) else bytes([byte])
    length, crc = HEADER + len(body) + 1, binascii.crc_hqx(body, 0)  # CRC-16/XMODEM
    header = b"".join(map(escaped, struct.pack(">HH", length, crc)))
    return bytes([START]) + header + body + bytes([END])


class Unwrapper:
    """Packets out of a byte stream, however it is cut; wrong ones are dropped and counted.

    The escaped checksum may hold a bare start or end byte, so that a frame is measured by its
    length; after a wrong one the search goes on behind its start byte, and nothing is lost.

    Attributes:
        dropped: start bytes that began no right frame.
    """

    def __init__(self) -> None:
        self.dropped = 0
        self._bytes = bytearray()

    def feed(self, data: bytes) -> list[Packet]:
        """The packets that end in this piece."""
        found: list[Packet] = []
        for begin in range(0, len(data), LONGEST):  # so much is held at most, twice
            self._bytes += data[begin : begin + LONGEST]
            found += self._take()
        return found

    def _take(self) -> list[Packet]:
        found: list[Packet] = []
        while (at := self._bytes.find(START)) >= 0:
            del self._bytes[:at]
            size = _size(self._bytes)
            if size is None:  # not all of it is there
                return found
            packet = _packet(self._bytes[:size]) if size else None
            if packet is None:
                self.dropped += 1
                del self._bytes[:1]
            else:
                found.append(packet)
                del self._bytes[:size]
        self._bytes.clear()
        return found


def _size(data: bytearray) -> int | None:
    """Of the frame that starts ``data``: 0 if it is none, None while that is not known."""
    if any(byte != ESCAPE for byte in data[1:HEADER:2]):
        return 0
    if len(data) < 5:
        return None
    size = int(data[2] ^ FLIP) << 8 | data[4] ^ FLIP
    if not SHORTEST <= size <= LONGEST:
        return 0
    body = data[HEADER : size - 1]
    if START in body or END in body:
        return 0
    return size if len(data) >= size else None


def _packet(frame: bytearray) -> Packet | None:
    body = frame[HEADER:-1]
    crc = int(frame[6] ^ FLIP) << 8 | frame[8] ^ FLIP
    if frame[-1] != END or binascii.crc_hqx(body, 0) != crc:
        return None
    plain, flip = bytearray(), 0
    for byte in body:
        if byte == ESCAPE and not flip:
            flip = FLIP
        else:
            plain.append(byte ^ flip)
            flip = 0
    if flip or len(plain) < 2:
        return None
    prefix = int.from_bytes(plain[:2])
    return Packet(prefix >> 10, prefix & 0x3FF, bytes(plain[2:]))


# --- messages ------------------------------------------------------------------------

STATES: Final = (Result.OK, Result.ELECTRODE, Result.PULSE_TIMEOUT, Result.LOW_CURRENT)
"""What the four bits of a channel mean, in their order."""
FOUR_CHANNELS: Final = 2
ALL_ERRORS: Final = 4
PLAIN: Final = (
    Command.LL_STOP,
    Command.RESET,
    Command.GET_DEVICE_ID,
    Command.GET_STIM_STATUS,
    Command.GET_EXTENDED_VERSION,
)
ERRORS: Final = (Command.GENERAL_ERROR, Command.UNKNOWN_COMMAND)
ANSWERED: Final = (
    *(Command.LL_INIT, Command.LL_STOP, Command.ML_INIT, Command.ML_UPDATE),
    *(Command.ML_STOP, Command.RESET),
)
"""Commands whose answer is a result alone."""
NAME_SIZE: Final = 10


def encode(number: int, message: Message) -> bytes:
    """The bytes on the wire.

    Raises:
        ValueError: something does not fit into its bits; names it.
    """
    if not 0 <= number < NUMBERS:
        raise ValueError(f"packet number {number}; allowed: 0-{NUMBERS - 1}")
    command, data = _content(message)
    return wrap(Packet(number, command, data))


def _content(message: Message) -> tuple[int, bytes]:
    match message:
        case MlInit(stop_on_error):
            return Command.ML_INIT, bytes([stop_on_error])
        case MlUpdate(trains):
            return Command.ML_UPDATE, _pack_trains(trains)
        case MlStop():
            return Command.ML_STOP, b""
        case MlGetCurrentData(selection):
            return Command.ML_GET_CURRENT_DATA, bytes([selection])
        case LlInit(high_voltage, measurement):
            byte = (
                _bits(measurement, 3, "measurement") << 4 | _bits(high_voltage, 3, "voltage") << 1
            )
            return Command.LL_INIT, bytes([byte])
        case LlChannelConfig(execute, channel, connector, points):
            first = execute << 7 | _bits(channel, 2, "channel") << 5
            first |= _bits(connector, 1, "connector") << 4 | _count(points) - 1
            return Command.LL_CHANNEL_CONFIG, bytes([first]) + _pack_points(points)
        case Plain(command):
            return command, b""
        case Answer(to, result):
            return to if to in ERRORS else to + 1, bytes([result])
        case ChannelAnswer(result, channel, connector):
            place = _bits(connector, 4, "connector") << 4 | _bits(channel, 4, "channel")
            return Command.LL_CHANNEL_CONFIG + 1, bytes([result, place, 0])
        case CurrentData():
            return Command.ML_GET_CURRENT_DATA + 1, _pack_current_data(message)
        case StimStatus(result, status, high_voltage):
            return Command.GET_STIM_STATUS + 1, bytes([result, status, high_voltage])
        case Version(result, firmware, protocol, rest):
            data = bytes([result, *firmware, *protocol]) + rest
            return Command.GET_EXTENDED_VERSION + 1, data
        case DeviceId(result, name):
            data = bytes([result]) + name.encode("ascii").ljust(NAME_SIZE, b"\0")
            return Command.GET_DEVICE_ID + 1, data


def _bits(value: int, bits: int, what: str) -> int:
    if not 0 <= value < 1 << bits:
        raise ValueError(f"{what} {value}; allowed: 0-{(1 << bits) - 1}")
    return value


def _count(points: tuple[Point, ...]) -> int:
    if not 1 <= len(points) <= POINTS_MAX:
        raise ValueError(f"{len(points)} points; allowed: 1-{POINTS_MAX}")
    return len(points)


def _pack_points(points: tuple[Point, ...]) -> bytes:
    out = bytearray()
    for point in points:
        steps = point.current_ma * 2.0 + 300.0
        if steps != int(steps):
            raise ValueError(f"current {point.current_ma} mA; allowed: steps of 0.5")
        width = _bits(point.width_us, 12, "width [us]")
        out += struct.pack(">I", width << 20 | _bits(int(steps), 10, "current in steps") << 10)
    return bytes(out)


def _pack_trains(trains: tuple[Train | None, ...]) -> bytes:
    if len(trains) != CHANNELS:
        raise ValueError(f"{len(trains)} channels; allowed: {CHANNELS}")
    mask, out = 0, bytearray()
    for channel, train in enumerate(trains):
        if train is None:
            continue
        mask |= 1 << channel
        fine = train.period_ms * 2.0 != int(train.period_ms * 2.0)
        raw = train.period_ms * (4.0 if fine else 2.0)
        if raw != int(raw):
            raise ValueError(f"period {train.period_ms} ms; allowed: steps of 0.25")
        out.append(_count(train.points) - 1 << 4 | _bits(train.ramp, 4, "ramp"))
        out += struct.pack(">H", _bits(int(raw), 15, "period in steps") << 1 | fine)
        out += _pack_points(train.points)
    return bytes([mask]) + out


def _pack_current_data(found: CurrentData) -> bytes:
    head = bytes([found.result, found.selection])
    states = [STATES.index(Result(error)) for error in found.errors]
    if found.selection == FOUR_CHANNELS:
        wrong = sum((state > 0) << channel for channel, state in enumerate(states))
        return head + bytes([any(found.active) << 4 | wrong])
    active = sum(on << channel for channel, on in enumerate(found.active))
    nibbles = sum(state << 4 * channel for channel, state in enumerate(states))
    return head + bytes([active]) + nibbles.to_bytes(CHANNELS // 2, "little")


def decode(packet: Packet) -> Message | None:
    """The message of a packet; None for one that this codec does not know or that is wrong."""
    reader = READERS.get(packet.command)
    return None if reader is None else reader(packet.data)


def _flag(data: bytes) -> MlInit | None:
    return MlInit(bool(data[0])) if len(data) == 1 and data[0] <= 1 else None


def _selection(data: bytes) -> MlGetCurrentData | None:
    return MlGetCurrentData(data[0]) if len(data) == 1 else None


def _ll_init(data: bytes) -> LlInit | None:
    if len(data) != 1 or data[0] & 0x81:
        return None
    return LlInit(high_voltage=data[0] >> 1 & 7, measurement=data[0] >> 4)


def _ll_channel_config(data: bytes) -> LlChannelConfig | None:
    if not data or len(data) != 1 + 4 * ((data[0] & 0xF) + 1):
        return None
    points = _points(data[1:])
    if points is None:
        return None
    return LlChannelConfig(bool(data[0] & 0x80), data[0] >> 5 & 3, data[0] >> 4 & 1, points)


def _points(data: bytes) -> tuple[Point, ...] | None:
    """Points of a pulse; the ten bits that nobody uses have to be 0."""
    found = []
    for (word,) in struct.iter_unpack(">I", data):
        if word & 0x3FF:
            return None
        found.append(Point(word >> 20, ((word >> 10 & 0x3FF) - 300) / 2.0))
    return tuple(found)


def _ml_update(data: bytes) -> MlUpdate | None:
    if not data:
        return None
    trains: list[Train | None] = []
    at = 1
    for channel in range(CHANNELS):
        if not data[0] >> channel & 1:
            trains.append(None)
            continue
        if len(data) < at + 3:
            return None
        count, ramp = (data[at] >> 4) + 1, data[at] & 0xF
        period = int.from_bytes(data[at + 1 : at + 3])
        points = data[at + 3 : at + 3 + 4 * count]
        at += 3 + 4 * count
        found = _points(points) if len(points) == 4 * count else None
        if found is None:
            return None
        trains.append(Train((period >> 1) / (4.0 if period & 1 else 2.0), ramp, found))
    return MlUpdate(tuple(trains)) if at == len(data) else None


def _channel_answer(data: bytes) -> ChannelAnswer | None:
    if len(data) != 3 or data[2]:  # a measurement, which is never asked for
        return None
    return ChannelAnswer(data[0], data[1] & 0xF, data[1] >> 4)


def _current_data(data: bytes) -> CurrentData | None:
    if len(data) == 3 and data[1] == FOUR_CHANNELS and data[2] < 0x20:
        wrong = tuple(Result.ELECTRODE * (data[2] >> channel & 1) for channel in range(4))
        return CurrentData(data[0], data[1], (bool(data[2] & 0x10),) * 4, wrong)
    if len(data) != 3 + CHANNELS // 2 or data[1] != ALL_ERRORS:
        return None
    states = [
        int.from_bytes(data[3:], "little") >> 4 * channel & 0xF for channel in range(CHANNELS)
    ]
    if max(states) >= len(STATES):
        return None
    active = tuple(bool(data[2] >> channel & 1) for channel in range(CHANNELS))
    return CurrentData(data[0], data[1], active, tuple(STATES[state] for state in states))


def _stim_status(data: bytes) -> StimStatus | None:
    return StimStatus(*data) if len(data) == 3 else None


def _version(data: bytes) -> Version | None:
    if len(data) != 13:
        return None
    return Version(data[0], (data[1], data[2], data[3]), (data[4], data[5], data[6]), data[7:])


def _device_id(data: bytes) -> DeviceId | None:
    if len(data) != 1 + NAME_SIZE or not data[1:].isascii():
        return None
    return DeviceId(data[0], data[1:].decode("ascii").rstrip("\0"))


def _plain(message: Message) -> Callable[[bytes], Message | None]:
    return lambda data: None if data else message


def _answer(to: Command) -> Callable[[bytes], Message | None]:
    return lambda data: Answer(to, data[0]) if len(data) == 1 else None


READERS: Final[dict[int, Callable[[bytes], Message | None]]] = {
    Command.ML_INIT: _flag,
    Command.ML_UPDATE: _ml_update,
    Command.ML_STOP: _plain(MlStop()),
    Command.ML_GET_CURRENT_DATA: _selection,
    Command.LL_INIT: _ll_init,
    Command.LL_CHANNEL_CONFIG: _ll_channel_config,
    **{command: _plain(Plain(command)) for command in PLAIN},
    **{command: _answer(command) for command in ERRORS},
    **{command + 1: _answer(command) for command in ANSWERED},
    Command.LL_CHANNEL_CONFIG + 1: _channel_answer,
    Command.ML_GET_CURRENT_DATA + 1: _current_data,
    Command.GET_STIM_STATUS + 1: _stim_status,
    Command.GET_EXTENDED_VERSION + 1: _version,
    Command.GET_DEVICE_ID + 1: _device_id,
}
