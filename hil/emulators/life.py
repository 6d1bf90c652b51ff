"""How an emulator lives: until it is asked to end, plugged in but when its cable is pulled."""

import signal
import time
from types import FrameType
from typing import Final

from hil.emulators.faults import UNPLUGGED_S, Faults

ENDS: Final = (signal.SIGTERM, signal.SIGINT)


class Life:
    """Listens to signals: SIGTERM and Ctrl-C end it, SIGUSR1 pulls the cable for two seconds.

    Attributes:
        ended: whether it was asked to end.
    """

    def __init__(self, faults: Faults) -> None:
        self.ended = False
        self._faults, self._began_s = faults, time.monotonic()
        self._pulled_s = float("-inf")
        signal.signal(signal.SIGUSR1, self._pull)
        for one in ENDS:
            signal.signal(one, self._end)

    def plugged(self, now_s: float) -> bool:
        """Whether the cable is in."""
        pulled = now_s - self._pulled_s < UNPLUGGED_S
        return not pulled and not self._faults.unplugged(now_s - self._began_s)

    def _end(self, _signal: int, _frame: FrameType | None) -> None:
        self.ended = True

    def _pull(self, _signal: int, _frame: FrameType | None) -> None:
        self._pulled_s = time.monotonic()
