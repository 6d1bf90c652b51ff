"""An Ability Hand at the end of a line, spoken to directly: no daemon, no driver."""

import time
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bridges.devices.ability_hand import BAUD
from bridges.devices.ability_hand_codec import (
    DEG_PER_COUNT,
    Command,
    ExitApi,
    Mode,
    Motors,
    Read,
    Reply,
    ReplyVariant,
    Unwrapper,
    decode_reply,
    encode_command,
    to_counts,
)
from bridges.devices.port import Port
from controller.closing import Closing
from controller.errors import MyoloopError

Array = NDArray[np.float64]
VARIANT: Final = ReplyVariant.CURRENT_TOUCH
ANSWER_S: Final = 0.25
LOOK_S: Final = 0.0002
VELOCITY_DEG_S: Final = 3000.0  # of the largest count: ICD


class Wire(Closing):
    """One hand on one port.

    Attributes:
        asked: frames that want a reply.
        heard: valid replies.
    """

    def __init__(self, path: str) -> None:
        self._port = Port(path, BAUD)
        self._unwrapper = Unwrapper()
        self.asked = self.heard = 0

    def say(self, command: Command) -> None:
        """Send a frame."""
        self._port.write(encode_command(command))
        self.asked += not isinstance(command, ExitApi)

    def hear(self, wait_s: float = ANSWER_S) -> Reply | None:
        """The next valid reply, None when none comes in time."""
        deadline = time.monotonic() + wait_s
        while time.monotonic() < deadline:
            for payload in self._unwrapper.feed(self._port.read()):
                reply = decode_reply(payload)
                if reply is not None:
                    self.heard += 1
                    return reply
            time.sleep(LOOK_S)
        return None

    def ask(self) -> Reply:
        """Read, and wait.

        Raises:
            MyoloopError: no reply.
        """
        return self._answered(Read(VARIANT))

    def position_deg(self) -> Array:
        """Where the motors are, (6,) [deg]."""
        return np.array(self.ask().position_deg)

    def go(self, deg: Array) -> Array:
        """Ask for positions, (6,) [deg]; where the motors were when it answered."""
        counts = to_counts(tuple(deg), DEG_PER_COUNT)
        return np.array(self._answered(Motors(Mode.POSITION, VARIANT, counts)).position_deg)

    def turn(self, deg_s: Array) -> None:
        """Ask for velocities, (6,) [deg/s]."""
        counts = to_counts(tuple(deg_s), VELOCITY_DEG_S / 32767.0)
        self._answered(Motors(Mode.VELOCITY, VARIANT, counts))

    def go_until_there(self, deg: Array, wait_s: float = 2.0, near_deg: float = 1.5) -> None:
        """Ask for positions until the motors are there.

        Raises:
            MyoloopError: they do not come there.
        """
        deadline = time.monotonic() + wait_s
        while np.abs(self.go(deg) - deg).max() > near_deg:
            if time.monotonic() > deadline:
                raise MyoloopError(f"the motors do not come to {np.round(deg)} deg")

    def stop(self) -> None:
        """The planned stop, 0x7C."""
        self.say(ExitApi())

    def _answered(self, command: Command) -> Reply:
        self.say(command)
        reply = self.hear()
        if reply is None:
            raise MyoloopError(f"no reply within {ANSWER_S * 1e3:.0f} ms")
        return reply

    def close(self) -> None:
        """Give the port back."""
        self._port.close()
