"""The frame of ScienceMode 3 and 4: packets into bytes and back, however the stream is cut.

Source: RehaMove3 ScienceMode description and protocol (2018-04-21), section 2.2; both versions
have the same. No port, no clock. Unverified on hardware.
"""

import binascii
import struct
from dataclasses import dataclass
from typing import Final

from bridges.devices.sciencemode_messages import CHANNELS, POINTS_MAX

START: Final = 0xF0
END: Final = 0x0F
ESCAPE: Final = 0x81
FLIP: Final = 0x55

HEADER: Final = 9  # start, then length and checksum as two escaped bytes each
SHORTEST: Final = HEADER + 2 + 1
LONGEST: Final = HEADER + 2 * (2 + 1 + CHANNELS * (3 + 4 * POINTS_MAX)) + 1  # every byte escaped


@dataclass(frozen=True, slots=True)
class Packet:
    """What a frame carries: number (0-63), command (0-1023) and data, no escapes left."""

    number: int
    command: int
    data: bytes


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
