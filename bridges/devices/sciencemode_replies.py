"""The data of what a stimulator answers: read, and packed by an emulated one."""

from collections.abc import Callable
from typing import Final

from bridges.devices.sciencemode_messages import (
    ALL_ERRORS,
    CHANNELS,
    ERRORS,
    FOUR_CHANNELS,
    Answer,
    ChannelAnswer,
    Command,
    CurrentData,
    DeviceId,
    MainVersion,
    Reply,
    Result,
    StimStatus,
    Version,
    fits,
)

STATES: Final = (Result.OK, Result.ELECTRODE, Result.PULSE_TIMEOUT, Result.LOW_CURRENT)
"""What the four bits of a channel mean, in their order."""
ANSWERED: Final = (
    *(Command.LL_INIT, Command.LL_STOP, Command.ML_INIT, Command.ML_UPDATE),
    *(Command.ML_STOP, Command.RESET),
)
"""Commands whose answer is a result alone."""
NAME_SIZE: Final = 10


def pack_reply(reply: Reply) -> tuple[int, bytes]:
    """Command and data.

    Raises:
        ValueError: something does not fit into its bits; names it.
    """
    match reply:
        case Answer(to, result):
            return to if to in ERRORS else to + 1, bytes([result])
        case ChannelAnswer(result, channel, connector):
            place = fits(connector, 4, "connector") << 4 | fits(channel, 4, "channel")
            return Command.LL_CHANNEL_CONFIG + 1, bytes([result, place, 0])
        case CurrentData():
            return Command.ML_GET_CURRENT_DATA + 1, _pack_current_data(reply)
        case StimStatus(result, status, high_voltage):
            return Command.GET_STIM_STATUS + 1, bytes([result, status, high_voltage])
        case MainVersion(result, firmware, protocol):
            return Command.GET_VERSION_MAIN + 1, bytes([result, *firmware, *protocol])
        case Version(result, firmware, protocol, rest):
            data = bytes([result, *firmware, *protocol]) + rest
            return Command.GET_EXTENDED_VERSION + 1, data
        case DeviceId(result, name):
            data = bytes([result]) + name.encode("ascii").ljust(NAME_SIZE, b"\0")
            return Command.GET_DEVICE_ID + 1, data


def _pack_current_data(found: CurrentData) -> bytes:
    head = bytes([found.result, found.selection])
    states = [STATES.index(Result(error)) for error in found.errors]
    if found.selection == FOUR_CHANNELS:
        wrong = sum((state > 0) << channel for channel, state in enumerate(states))
        return head + bytes([any(found.active) << 4 | wrong])
    active = sum(on << channel for channel, on in enumerate(found.active))
    nibbles = sum(state << 4 * channel for channel, state in enumerate(states))
    return head + bytes([active]) + nibbles.to_bytes(CHANNELS // 2, "little")


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


def _main_version(data: bytes) -> MainVersion | None:
    if len(data) != 7:
        return None
    return MainVersion(data[0], (data[1], data[2], data[3]), (data[4], data[5], data[6]))


def _version(data: bytes) -> Version | None:
    if len(data) != 13:
        return None
    return Version(data[0], (data[1], data[2], data[3]), (data[4], data[5], data[6]), data[7:])


def _device_id(data: bytes) -> DeviceId | None:
    if len(data) != 1 + NAME_SIZE or not data[1:].isascii():
        return None
    return DeviceId(data[0], data[1:].decode("ascii").rstrip("\0"))


def _answer(to: Command) -> Callable[[bytes], Reply | None]:
    return lambda data: Answer(to, data[0]) if len(data) == 1 else None


REPLIES: Final[dict[int, Callable[[bytes], Reply | None]]] = {
    **{command: _answer(command) for command in ERRORS},
    **{command + 1: _answer(command) for command in ANSWERED},
    Command.LL_CHANNEL_CONFIG + 1: _channel_answer,
    Command.ML_GET_CURRENT_DATA + 1: _current_data,
    Command.GET_STIM_STATUS + 1: _stim_status,
    Command.GET_VERSION_MAIN + 1: _main_version,
    Command.GET_EXTENDED_VERSION + 1: _version,
    Command.GET_DEVICE_ID + 1: _device_id,
}
"""By command, what reads its data; None for data that are wrong."""
