"""Feeds a device faster than the loop ticks, with values between allowed commands.

A hand at 500 Hz and a policy at 40 Hz: between two ticks the device is told values on the way from
what it was told to the newest allowed command, which it reaches one period after that tick began.
Never beyond it: nothing is extrapolated, and a loop that falls silent is ``Feed``'s affair. An
excitation only rises this way; it falls at once, so that no muscle ever holds on for longer than
the supervisor allows, and every limit that the newest command keeps is kept all the way.
"""

from dataclasses import replace
from typing import Annotated

import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from bridges.feed import Command
from controller.messages import Array, Excitation

FeedRate = Annotated[float, Meta(ge=40.0, le=500.0)]
"""How often a follower may be told [Hz]."""


class Between:
    """Stands between ``Feed`` and a device.

    Args:
        rate_hz: of the loop.
    """

    def __init__(self, rate_hz: float) -> None:
        self._period_ns = 1e9 / rate_hz
        self._number = -1
        self._excitation: Excitation | None = None
        self._joints: Array | None = None
        self._from: tuple[Excitation, Array] | None = None

    def at(self, command: Command, now_ns: int) -> Command:
        """What the device is to be told now (CLOCK_MONOTONIC).

        Args:
            command: the newest allowed one; rest passes at once.
            now_ns: when.
        """
        if not command.live or command.record is None:
            self._excitation = self._joints = self._from = None
            return command
        record = command.record
        if self._excitation is None or self._joints is None:  # nothing to come from
            return self._tell(command, record["excitation"].copy(), record["joint_pos"].copy())
        if int(record["number"]) != self._number or self._from is None:
            self._from = self._excitation, self._joints
        share = min(1.0, max(0.0, (now_ns - int(record["time_ns"])) / self._period_ns))
        excitation, joints = self._from
        rising = excitation + np.float32(share) * (record["excitation"] - excitation)
        return self._tell(
            command,
            np.minimum(rising, record["excitation"]),
            (1.0 - share) * joints + share * record["joint_pos"],
        )

    def _tell(self, command: Command, excitation: Excitation, joints: Array) -> Command:
        record: NDArray[np.void] | None = command.record
        assert record is not None  # it is live
        self._number = int(record["number"])
        self._excitation, self._joints = excitation, joints
        told = record.copy()
        told["excitation"], told["joint_pos"] = excitation, joints
        return replace(command, excitation=excitation, record=told)
