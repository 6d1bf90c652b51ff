"""An emulated Ability Hand, as its ICD describes it. Unverified against a real one."""

from pathlib import Path
from typing import Annotated, Final

import numpy as np
import typer

from bridges.devices.ability_hand_codec import (
    DEG_PER_COUNT,
    DUTY_COUNTS,
    GEAR,
    TOUCH_SENSORS,
    Command,
    ExitApi,
    Mode,
    Motors,
    Read,
    Reply,
    ReplyVariant,
    Unwrapper,
    decode_command,
    encode_reply,
    to_counts,
    wrap,
)
from hil.emulators.faults import SLOW, STUCK, Faults

SPEED_DEG_S: Final = float(np.degrees(8.07))
WATCHDOG_S: Final = 0.3
LOW_DEG: Final = np.array([0.0, 0.0, 0.0, 0.0, 0.0, -100.0])
HIGH_DEG: Final = np.array([100.0, 100.0, 100.0, 100.0, 100.0, 0.0])
REST_DEG: Final = np.array([10.0, 10.0, 10.0, 10.0, 10.0, -10.0])
MOVING_CURRENT: Final = 150  # counts while a motor turns
BLOCKED_CURRENT: Final = 600
TOUCHING_DEG: Final = 60.0  # a finger that is bent further touches the palm
VOLTAGE_STATUS: Final = 0


class Hand:
    """Six motors at real speed; out of API mode they stay where they are.

    Attributes:
        position_deg: (6,) [deg].
        in_api: whether commands are carried out.
        exits: planned stops heard.
        timeouts: times that the watchdog ended API mode.
    """

    def __init__(self, faults: Faults) -> None:
        self.position_deg = REST_DEG.copy()
        self.in_api = False
        self.exits = self.timeouts = 0
        self._faults = faults
        self._unwrapper = Unwrapper()
        self._target, self._speed = REST_DEG.copy(), np.full(6, SPEED_DEG_S)
        self._velocity = np.zeros(6)
        self._heard_s = self._now_s = -1.0

    def hear(self, data: bytes, now_s: float) -> list[bytes]:
        """Carry out each valid frame."""
        found = []
        for payload in self._unwrapper.feed(data):
            command = decode_command(payload)
            if command is not None:
                found += self._obey(command, now_s)
        return found

    def _obey(self, command: Command, now_s: float) -> list[bytes]:
        if isinstance(command, ExitApi):
            self.exits += self.in_api
            self.in_api, self._target = False, self.position_deg.copy()
            return []
        self._heard_s = now_s
        if isinstance(command, Read):
            return [self._reply(command.reply, 0xA0 | command.reply)]
        if isinstance(command, Motors):
            self.in_api = True
            self._aim(command)
            return [self._reply(command.reply, command.mode << 4 | command.reply)]
        return []

    def _aim(self, command: Motors) -> None:
        counts = np.array(command.counts, float)
        self._speed = np.full(6, SPEED_DEG_S)
        if command.mode is Mode.POSITION:
            self._target = np.clip(counts * DEG_PER_COUNT, LOW_DEG, HIGH_DEG)
            return
        share = counts / (32767.0 if command.mode is not Mode.DUTY else DUTY_COUNTS)
        speed = share * (3000.0 if command.mode is Mode.VELOCITY else SPEED_DEG_S)
        self._speed = np.minimum(np.abs(speed), SPEED_DEG_S)
        self._target = np.where(
            speed > 0, HIGH_DEG, np.where(speed < 0, LOW_DEG, self.position_deg)
        )

    def advance(self, now_s: float) -> list[bytes]:
        """Turn the motors; the watchdog ends API mode."""
        step_s = 0.0 if self._now_s < 0 else now_s - self._now_s
        self._now_s = now_s
        if self.in_api and now_s - self._heard_s > WATCHDOG_S:
            self.in_api, self._target = False, self.position_deg.copy()
            self.timeouts += 1
        most = self._speed * step_s * (0.1 if SLOW in self._faults.plain else 1.0)
        before = self.position_deg.copy()
        self.position_deg = before + np.clip(self._target - before, -most, most)
        if STUCK in self._faults.plain:
            self.position_deg[0] = before[0]
        self._velocity = (self.position_deg - before) / step_s if step_s else np.zeros(6)
        return []

    def _reply(self, variant: ReplyVariant, header: int) -> bytes:
        position = to_counts(tuple(self.position_deg), DEG_PER_COUNT)
        blocked = np.abs(self._target - self.position_deg) > 1.0
        turning = np.abs(self._velocity) > 1.0
        current = np.where(turning, MOVING_CURRENT, np.where(blocked, BLOCKED_CURRENT, 0))
        rotor = np.radians(self._velocity) * np.array(GEAR) * 4.0
        touch = np.repeat(np.clip((self.position_deg[:5] - TOUCHING_DEG) * 40.0, 0, 4095), 6)
        return wrap(
            encode_reply(
                Reply(
                    variant=variant,
                    header=header,
                    position=position,
                    current=to_counts(tuple(current), 1.0),
                    velocity=to_counts(tuple(rotor), 1.0),
                    touch=tuple(int(t) for t in touch[:TOUCH_SENSORS]),
                    status=VOLTAGE_STATUS,
                )
            )
        )

    def describe(self) -> str:
        """Mode, counts of its stops, and where the motors are."""
        angles = " ".join(f"{angle:.0f}" for angle in self.position_deg)
        mode = "api" if self.in_api else "idle"
        return f"{mode} exits {self.exits} timeouts {self.timeouts} deg {angles}"


def ability_hand(
    link: Annotated[Path | None, typer.Option(help="Symbolic link to the pty.")] = None,
    fault: Annotated[str, typer.Option(help="Such as drop=0.1,delay=20,stuck.")] = "",
    log: Annotated[Path | None, typer.Option(help="Append what changes, with times.")] = None,
) -> None:
    """Be a PSYONIC Ability Hand: six motors at real speed, watchdog of 300 ms."""
    from hil.emulators.line import serve

    faults = Faults.parse(fault, (STUCK, SLOW))
    serve(Hand(faults), link, faults, log)
