"""Numbers what is said to a stimulator, and matches its answers. No port and no clock."""

from typing import Final

from bridges.devices.sciencemode_codec import decode, encode
from bridges.devices.sciencemode_frame import Unwrapper
from bridges.devices.sciencemode_messages import (
    ERRORS,
    NUMBERS,
    Answer,
    ChannelAnswer,
    Command,
    CurrentData,
    DeviceId,
    LlChannelConfig,
    LlInit,
    MainVersion,
    MlGetCurrentData,
    MlInit,
    MlStop,
    MlUpdate,
    Plain,
    Reply,
    Request,
    Result,
    StimStatus,
    Version,
)

ASKED_FOR: Final = {
    LlInit: Command.LL_INIT,
    LlChannelConfig: Command.LL_CHANNEL_CONFIG,
    MlInit: Command.ML_INIT,
    MlUpdate: Command.ML_UPDATE,
    MlStop: Command.ML_STOP,
    MlGetCurrentData: Command.ML_GET_CURRENT_DATA,
}
ANSWERS: Final = {
    ChannelAnswer: Command.LL_CHANNEL_CONFIG,
    CurrentData: Command.ML_GET_CURRENT_DATA,
    StimStatus: Command.GET_STIM_STATUS,
    MainVersion: Command.GET_VERSION_MAIN,
    Version: Command.GET_EXTENDED_VERSION,
    DeviceId: Command.GET_DEVICE_ID,
}


class Talk:
    """One side of a conversation.

    What was said before ``forget`` is answered no more, so that a late answer says nothing of
    what was asked since. It remembers at most one request for each of the 64 numbers.
    """

    def __init__(self) -> None:
        self._unwrapper = Unwrapper()
        self._asked: dict[int, Command] = {}
        self._number = 0

    def forget(self) -> None:
        """Expect no answer any more."""
        self._asked.clear()

    def say(self, request: Request) -> bytes:
        """The bytes that say it."""
        command = request.command if isinstance(request, Plain) else ASKED_FOR[type(request)]
        number, self._number = self._number, (self._number + 1) % NUMBERS
        self._asked[number] = command
        return encode(number, request)

    def hear(self, data: bytes) -> list[Reply]:
        """The answers to what was said, and complaints of the device."""
        found: list[Reply] = []
        for packet in self._unwrapper.feed(data):
            reply = decode(packet)
            if isinstance(reply, Answer) and reply.to in ERRORS:
                found.append(reply)
            elif isinstance(reply, Reply) and self._asked.get(packet.number) is answered(reply):
                del self._asked[packet.number]
                found.append(reply)
        return found


def answered(reply: Reply) -> Command:
    """The command that is answered."""
    return reply.to if isinstance(reply, Answer) else ANSWERS[type(reply)]


def in_words(result: int) -> str:
    """A device's result for a person."""
    known = result in tuple(Result)
    return Result(result).name.lower().replace("_", " ") if known else f"error {result}"
