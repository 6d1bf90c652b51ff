"""The serial protocol of the PSYONIC Ability Hand: bytes in, typed frames out, and back.

Source: Ability Hand ICD, section 3 (UART with PPP stuffing), and the frames recorded in
tests/vectors/ability_hand.json. No port, no clock. Unverified on hardware.
"""

import struct
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Final

ADDRESS: Final = 0x50
FLAG: Final = 0x7E
ESCAPE: Final = 0x7D
FLIP: Final = 0x20
LONGEST: Final = 160  # a whole reply, every byte of it escaped

MOTORS: Final = ("index", "middle", "ring", "pinky", "thumb_flexor", "thumb_rotator")
"""The order of all motor values."""
DEG_PER_COUNT: Final = 150.0 / 32767.0
DEG_S_PER_COUNT: Final = 3000.0 / 32767.0
DUTY_COUNTS: Final = 3546  # of 100 %
GEAR: Final = (649.0, 649.0, 649.0, 649.0, 649.0, 162.45)
TOUCH_SENSORS: Final = 30

EXIT_API: Final = 0x7C
UPSAMPLING_ON: Final = 0xC2
UPSAMPLING_OFF: Final = 0xC3
GRIP: Final = 0x1D
READ_ONLY: Final = 0xA
Six = tuple[int, int, int, int, int, int]


class Mode(IntEnum):
    """What the six values of a motor command are; the high nibble of its header."""

    POSITION = 1
    VELOCITY = 2
    TORQUE = 3
    DUTY = 4


class ReplyVariant(IntEnum):
    """What is asked for in return; the low nibble of a header."""

    CURRENT_TOUCH = 0
    VELOCITY_TOUCH = 1
    CURRENT_VELOCITY = 2


@dataclass(frozen=True, slots=True)
class Motors:
    """Six values, one for each motor, in counts."""

    mode: Mode
    reply: ReplyVariant
    counts: Six


@dataclass(frozen=True, slots=True)
class Read:
    """A request for a reply that moves nothing."""

    reply: ReplyVariant


@dataclass(frozen=True, slots=True)
class ExitApi:
    """The planned stop: the hand leaves API mode."""


@dataclass(frozen=True, slots=True)
class Upsampling:
    """Whether the thumb rotator's set points are interpolated by the hand."""

    on: bool


@dataclass(frozen=True, slots=True)
class Grip:
    """One of the hand's own grips, by number, and its speed, 0-255."""

    grip: int
    speed: int


Command = Motors | Read | ExitApi | Upsampling | Grip


@dataclass(frozen=True, slots=True)
class Reply:
    """What the hand reports.

    Attributes:
        variant: which of the fields below it has.
        header: as sent by the hand.
        position: counts, six.
        current: counts, six; None in variant VELOCITY_TOUCH.
        velocity: rotor velocity in counts, six; None in variant CURRENT_TOUCH.
        touch: 30 raw pressures, 0-4095, None in variant CURRENT_VELOCITY.
        status: the hand's status byte.
    """

    variant: ReplyVariant
    header: int
    position: Six
    current: Six | None
    velocity: Six | None
    touch: tuple[int, ...] | None
    status: int

    @property
    def position_deg(self) -> tuple[float, ...]:
        """Motor angles [deg]."""
        return tuple(count * DEG_PER_COUNT for count in self.position)

    @property
    def velocity_rad_s(self) -> tuple[float, ...] | None:
        """Finger velocities [rad/s]: a rotor count is 1/4 rad/s."""
        if self.velocity is None:
            return None
        return tuple(v / 4.0 / gear for v, gear in zip(self.velocity, GEAR, strict=True))


def to_counts(values: tuple[float, ...], per_count: float) -> Six:
    """Values in counts, clipped to 16 bits as the vendor's wrapper does."""
    found = [max(-32767, min(32767, int(value / per_count))) for value in values]
    index, middle, ring, pinky, flexor, rotator = found
    return index, middle, ring, pinky, flexor, rotator


# --- the frame round a payload -------------------------------------------------------


def checksum(payload: bytes) -> int:
    """Minus the sum of all bytes, modulo 256."""
    return -sum(payload) & 0xFF


def wrap(payload: bytes) -> bytes:
    """Payload and checksum, stuffed, between two flags."""
    out = bytearray([FLAG])
    for byte in payload + bytes([checksum(payload)]):
        if byte in (FLAG, ESCAPE):
            out += bytes([ESCAPE, byte ^ FLIP])
        else:
            out.append(byte)
    out.append(FLAG)
    return bytes(out)


class Unwrapper:
    """Payloads out of a byte stream, however it is cut; wrong ones are dropped and counted.

    Attributes:
        dropped: frames with a wrong checksum or an escape that leads nowhere, or too long.
    """

    def __init__(self) -> None:
        self.dropped = 0
        self._frame = bytearray()
        self._lost = True  # until the first flag

    def feed(self, data: bytes) -> list[bytes]:
        """The payloads that end in this piece, checksums taken off."""
        found = []
        for byte in data:
            if byte == FLAG:
                payload = self._end()
                if payload is not None:
                    found.append(payload)
            elif len(self._frame) >= LONGEST:
                self._lose()
            elif not self._lost:
                self._frame.append(byte)
        return found

    def _lose(self) -> None:
        self.dropped += not self._lost
        self._lost = True
        self._frame.clear()

    def _end(self) -> bytes | None:
        stuffed, self._frame, was_lost = self._frame, bytearray(), self._lost
        self._lost = False
        if was_lost or not stuffed:  # two flags in a row are one border
            return None
        payload = _unstuffed(stuffed)
        if payload is None or len(payload) < 2 or checksum(payload[:-1]) != payload[-1]:
            self.dropped += 1
            return None
        return payload[:-1]


def _unstuffed(stuffed: bytearray) -> bytes | None:
    out, flip = bytearray(), 0
    for byte in stuffed:
        if byte == ESCAPE:
            if flip:
                return None
            flip = FLIP
        else:
            out.append(byte ^ flip)
            flip = 0
    return None if flip else bytes(out)


# --- commands: this side to the hand -------------------------------------------------


def encode_command(command: Command) -> bytes:
    """The bytes on the wire."""
    match command:
        case Motors(mode, reply, counts):
            body = bytes([mode << 4 | reply]) + struct.pack("<6h", *counts)
        case Read(reply):
            body = bytes([READ_ONLY << 4 | reply])
        case ExitApi():
            body = bytes([EXIT_API])
        case Upsampling(on):
            body = bytes([UPSAMPLING_ON if on else UPSAMPLING_OFF])
        case Grip(grip, speed):
            body = bytes([GRIP, grip, speed])
    return wrap(bytes([ADDRESS]) + body)


def decode_command(payload: bytes) -> Command | None:
    """The command of a payload; None for one that this codec does not know."""
    if len(payload) < 2 or payload[0] != ADDRESS:
        return None
    header, rest = payload[1], payload[2:]
    plain: dict[int, Command] = {
        EXIT_API: ExitApi(),
        UPSAMPLING_ON: Upsampling(True),
        UPSAMPLING_OFF: Upsampling(False),
    }
    if header in plain:
        return None if rest else plain[header]
    if header == GRIP:
        return Grip(*rest) if len(rest) == 2 else None
    kind, reply = header >> 4, header & 0xF
    if reply > max(ReplyVariant):
        return None
    if kind == READ_ONLY:
        return None if rest else Read(ReplyVariant(reply))
    if kind in tuple(Mode) and len(rest) == 12:
        return Motors(Mode(kind), ReplyVariant(reply), struct.unpack("<6h", rest))
    return None


# --- replies: the hand to this side --------------------------------------------------

PAIRS: Final = struct.Struct("<12h")
SIX: Final = struct.Struct("<6h")
TOUCH_BYTES: Final = 45
LONG: Final = 1 + PAIRS.size + TOUCH_BYTES + 1
SHORT: Final = 1 + PAIRS.size + SIX.size + 1


def encode_reply(reply: Reply) -> bytes:
    """The payload that the hand sends, checksum not yet on it."""
    second = reply.velocity if reply.variant is ReplyVariant.VELOCITY_TOUCH else reply.current
    assert second is not None  # the variant has it
    pairs = [value for pair in zip(reply.position, second, strict=True) for value in pair]
    if reply.variant is ReplyVariant.CURRENT_VELOCITY:
        assert reply.velocity is not None  # the variant has it
        tail = SIX.pack(*reply.velocity)
    else:
        tail = _pack_touch(reply.touch or (0,) * TOUCH_SENSORS)
    return bytes([reply.header]) + PAIRS.pack(*pairs) + tail + bytes([reply.status])


def decode_reply(payload: bytes) -> Reply | None:
    """The reply of a payload; None when it is none.

    Length and header have to agree: the variant stands in the header's low nibble.
    """
    if len(payload) not in (LONG, SHORT) or payload[0] & 0xF > max(ReplyVariant):
        return None
    variant = ReplyVariant(payload[0] & 0xF)
    if (variant is ReplyVariant.CURRENT_VELOCITY) != (len(payload) == SHORT):
        return None
    pairs = PAIRS.unpack_from(payload, 1)
    position, second = pairs[::2], pairs[1::2]
    found = Reply(variant, payload[0], position, second, None, None, payload[-1])
    if variant is ReplyVariant.CURRENT_VELOCITY:
        return replace(found, velocity=SIX.unpack_from(payload, 1 + PAIRS.size))
    touch = _unpack_touch(payload[1 + PAIRS.size : -1])
    if variant is ReplyVariant.VELOCITY_TOUCH:
        return replace(found, current=None, velocity=found.current, touch=touch)
    return replace(found, touch=touch)


def _pack_touch(touch: tuple[int, ...]) -> bytes:
    """30 values of 12 bits, least significant nibble first."""
    whole = sum(value << (12 * index) for index, value in enumerate(touch))
    return whole.to_bytes(TOUCH_BYTES, "little")


def _unpack_touch(data: bytes) -> tuple[int, ...]:
    whole = int.from_bytes(data, "little")
    return tuple(whole >> (12 * index) & 0xFFF for index in range(TOUCH_SENSORS))
