"""The intention, read from Lab Streaming Layer; nothing on the loop's side can block."""

import math
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from bridges import lsl_api
from bridges.lsl_link import LOST, Link, LinkKeeper
from controller.messages import Intention

FORMATS: Final = {lsl_api.FLOAT32: np.float32, "double64": np.float64}
FUTURE_S: Final = 0.010  # more than any error of the clock correction on a local network


class LslIntention:
    """The newest sample of an intention stream, and its age.

    Values are passed on as they are, NaN and out of range included: the gate judges them.

    Args:
        keeper: holds the connection.
        channels: of the skill, without ``engage``.
        rate_hz: of the stream.
        format: of its samples, a key of FORMATS.
    """

    def __init__(
        self,
        keeper: LinkKeeper,
        channels: int,
        rate_hz: float,
        format: str = lsl_api.FLOAT32,
    ) -> None:
        self._keeper = keeper
        # room for more than the second that liblsl buffers: one pull reaches the newest
        shape = (2 * math.ceil(rate_hz) + 1, channels + 1)
        self._rows: NDArray[Any] = np.empty(shape, FORMATS[format])
        self._clock_offset_s = lsl_api.clock_offset_s()
        self._link_number = 0
        self._values = np.zeros(channels)
        self._engage = 0.0
        self._fault = ""
        self._stamp_s = self._correction_s = math.nan
        self._newest_stamp_s = -math.inf  # on the present link
        self._made_s = self._arrived_s = -math.inf  # monotonic

    def read(self, now_s: float) -> Intention:
        """The newest intention; a fault stays until a good sample arrives.

        Args:
            now_s: CLOCK_MONOTONIC [s], read just before: an older one makes stamps
                seem to lie in the future.
        """
        fresh = self._take(now_s)
        return Intention(
            values=self._values,
            engage=self._engage,
            age_s=max(now_s - self._arrived_s, now_s - self._made_s),
            fault=self._fault,
            raw_stamp_s=self._stamp_s,
            correction_s=self._correction_s,
            fresh=fresh,
        )

    def close(self) -> None:
        """Let the stream go."""
        self._keeper.close()

    def _take(self, now_s: float) -> bool:
        """Take in what has arrived; whether it brought a good new sample."""
        link = self._keeper.link
        if link is None:
            self._fault = self._keeper.trouble
            return False
        if link.number != self._link_number:
            self._link_number, self._newest_stamp_s = link.number, -math.inf
        stamps = self._pull(link)
        self._keeper.look(link, now_s)
        if not len(stamps):
            return False
        link.heard_s = now_s
        newest = len(stamps) - 1
        return self._judge(newest, float(stamps[newest]), link.correction_s, now_s)

    def _pull(self, link: Link) -> lsl_api.Stamps:
        if link.lost:
            return lsl_api.NO_STAMPS
        try:
            return link.inlet.pull(self._rows)
        except RuntimeError:
            link.lost = True
            self._fault = LOST
            return lsl_api.NO_STAMPS

    def _judge(self, row: int, stamp_s: float, correction_s: float, now_s: float) -> bool:
        """Accept a sample unless its stamp is in the future or not newer than the last."""
        made_s = stamp_s + correction_s - self._clock_offset_s
        ahead_s = made_s - now_s
        if not ahead_s <= FUTURE_S:  # NaN is refused as well
            self._fault = f"stamp {ahead_s:.3f} s in the future"
            return False
        if stamp_s <= self._newest_stamp_s:
            return False
        self._newest_stamp_s = self._stamp_s = stamp_s
        self._correction_s = correction_s
        self._made_s, self._arrived_s = made_s, now_s
        self._values = self._rows[row, :-1].astype(np.float64)  # (channels,), a new array
        self._engage = float(self._rows[row, -1])
        self._fault = ""
        return True
