"""The serial protocol ScienceMode 3 and 4 of HASOMED's stimulators: bytes in, messages out, back.

Source: RehaMove3 ScienceMode description and protocol (2018-04-21), and the frames printed by
HASOMED's own library in tests/vectors/sciencemode.json. No port, no clock. Unverified on hardware.
"""

from typing import Final

from bridges.devices.sciencemode_frame import Packet, wrap
from bridges.devices.sciencemode_messages import NUMBERS, Message, Request
from bridges.devices.sciencemode_replies import REPLIES, pack_reply
from bridges.devices.sciencemode_requests import REQUESTS, pack_request

READERS: Final = REQUESTS | REPLIES


def encode(number: int, message: Message) -> bytes:
    """The bytes on the wire.

    Raises:
        ValueError: something does not fit into its bits; names it.
    """
    if not 0 <= number < NUMBERS:
        raise ValueError(f"packet number {number}; allowed: 0-{NUMBERS - 1}")
    if isinstance(message, Request):
        return wrap(Packet(number, *pack_request(message)))
    return wrap(Packet(number, *pack_reply(message)))


def decode(packet: Packet) -> Message | None:
    """The message of a packet; None for one that this codec does not know or that is wrong."""
    reader = READERS.get(packet.command)
    return None if reader is None else reader(packet.data)
