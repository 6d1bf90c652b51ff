"""The follower ``ability-hand``: a PSYONIC Ability Hand follows the twin's joint angles."""

from collections.abc import Mapping
from typing import Annotated, Any, Final

import msgspec
import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from bridges.between import FeedRate
from bridges.devices import hand_mapping
from bridges.devices.ability_hand_codec import (
    DEG_PER_COUNT,
    MOTORS,
    TOUCH_SENSORS,
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
from bridges.devices.hand_mapping import Smoother, motors_deg
from bridges.feed import Command
from bridges.follower_process import FollowerProcess
from controller.follower import FollowerContext, FollowerInfo
from controller.settings import convert

BAUD: Final = 460_800
BITS_OF_A_BYTE: Final = 10  # 8N1
OPEN: Final = (0, 0, 0, 0, 0, 0)
STILL_DEG: Final = 1.0  # between two readings after a stop
STRAY_DEG: Final = 30.0  # behind its set point for STRAY_S: blocked, or not the hand we think
STRAY_S: Final = 1.0
LONGEST_STEP_S: Final = 0.05
ASKED: Final = ReplyVariant.CURRENT_TOUCH


class AbilityHandOptions(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """How it is connected, and how fast it may go."""

    port: Annotated[str, Meta(min_length=1)]
    """Such as /dev/serial/by-id/usb-...; ``emulator`` starts one."""
    speed_deg_s: Annotated[float, Meta(gt=0.0, le=hand_mapping.SPEED_DEG_S)] = (
        hand_mapping.SPEED_DEG_S
    )
    """Of a finger at most."""
    feed_hz: FeedRate | None = None
    """How often it is told, between two ticks with values between allowed commands; else every
    tick, and every 10 ms."""
    report_session: Annotated[str, Meta(min_length=1)] = "default"
    """LSL session in which positions, currents and touch are streamed."""


def create(
    name: str, options: dict[str, Any], required: bool, context: FollowerContext, origin: str
) -> FollowerProcess:
    """Start the driver.

    Raises:
        SettingsError: an option is unknown or out of range.
    """
    convert(options, AbilityHandOptions, origin)
    info = FollowerInfo(name, required, loses=hand_mapping.LOSES)
    return FollowerProcess(
        "bridges.devices.driver", info, {"device": "ability-hand", **options}, context
    )


class AbilityHand:
    """The dialogue; see ``bridges.devices.dialogue.Dialogue``."""

    baud = BAUD
    channels = (
        *((f"{motor}_position", "deg") for motor in MOTORS),
        *((f"{motor}_current", "counts") for motor in MOTORS),
        *((f"touch_{index}", "counts") for index in range(TOUCH_SENSORS)),
    )

    delays_s: Mapping[str, float] = {
        "low_pass": 1.0 / (2.0 * np.pi * hand_mapping.CUTOFF_HZ),
        "line": BITS_OF_A_BYTE * len(encode_command(Motors(Mode.POSITION, ASKED, OPEN))) / BAUD,
    }

    def __init__(self, options: AbilityHandOptions) -> None:
        self._options = options
        self._forget()

    def _forget(self) -> None:
        self.identified, self.stopped, self.trouble = False, True, ""
        self.heard_s = -1.0
        self.reports: list[NDArray[np.float32]] = []
        self._unwrapper = Unwrapper()
        self._position: NDArray[np.float64] | None = None
        self._smoother: Smoother | None = None
        self._moved_s = self._strayed_s = 0.0

    def greet(self) -> bytes:
        """A reply with a right checksum is who it is: the protocol has no name."""
        self._forget()
        return self.ask()

    def ask(self) -> bytes:
        """Read positions, currents and touch."""
        return encode_command(Read(ASKED))

    def hear(self, data: bytes, now_s: float) -> None:
        """Positions, and whether it stands still after a stop."""
        for payload in self._unwrapper.feed(data):
            reply = decode_reply(payload)
            if reply is None or reply.variant is not ASKED:
                continue
            self.identified, self.heard_s = True, now_s
            self._take(reply)

    def _take(self, reply: Reply) -> None:
        now = np.array(reply.position_deg)
        if self._position is not None and self._smoother is None:
            self.stopped |= bool(np.abs(now - self._position).max() < STILL_DEG)
        self._position = now
        row = (*reply.position_deg, *(reply.current or ()), *(reply.touch or ()))
        self.reports.append(np.array(row, np.float32))

    def move(self, command: Command, now_s: float) -> bytes:
        """Set points towards the twin's hand, from where the motors are."""
        assert self._position is not None and command.record is not None  # identified, live
        if self._smoother is None:
            self._smoother = Smoother(self._position, self._options.speed_deg_s)
            self._moved_s = self._strayed_s = now_s
        step_s = min(LONGEST_STEP_S, now_s - self._moved_s)
        self._moved_s = now_s
        target = motors_deg(command.record["joint_pos"])
        wanted = self._smoother.step(target, step_s)
        if np.abs(wanted - self._position).max() < STRAY_DEG:
            self._strayed_s = now_s
        elif now_s - self._strayed_s > STRAY_S:
            motor = MOTORS[int(np.abs(wanted - self._position).argmax())]
            self.trouble = f"{motor} is {STRAY_DEG:g} degrees off for {STRAY_S:g} s: blocked?"
        counts = to_counts(tuple(wanted), DEG_PER_COUNT)
        return encode_command(Motors(Mode.POSITION, ASKED, counts))

    def stop(self, emergency: bool) -> bytes:
        """0x7C, planned or not: the hand has no other."""
        self.stopped, self._smoother, self.trouble = False, None, ""
        return encode_command(ExitApi())
