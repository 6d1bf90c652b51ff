"""What a device may be told now: the rules that every driver shares.

The newest command, while the supervisor lets the hand work and the tick is younger than its
time to live; else rest. A device that let go, because the loop fell silent or for a reason of
its own, stays at rest until the supervisor was disarmed: motion never resumes by itself.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from controller.messages import Excitation
from controller.names import MUSCLES
from controller.supervisor.states import State

MOVING: Final = (State.ACTIVE, State.HOLD, State.RELAXING)


@dataclass(frozen=True, slots=True)
class Command:
    """What a driver has to carry out.

    Attributes:
        live: whether the device may act; False asks for its stop.
        excitation: (39,), zeros while not live.
        record: the tick that it came with; None before the first.
        reason: why it is not live, "" while it is.
        emergency: whether the stop is an emergency and no planned rest.
    """

    live: bool
    excitation: Excitation
    record: NDArray[np.void] | None
    reason: str = ""
    emergency: bool = False


class Feed:
    """Turns ticks into what a device may do.

    Attributes:
        trouble: why the device let go; "" while it did not.
        rest: (39,) zeros.
    """

    def __init__(self) -> None:
        self.trouble = ""
        self.rest = np.zeros(len(MUSCLES), np.float32)
        self._was_live = False

    def let_go(self, reason: str) -> None:
        """Stay at rest, for a reason of the device's own, until the supervisor is disarmed.

        From there only a fresh arming leads on.
        """
        self.trouble, self._was_live = reason, False

    def judge(self, record: NDArray[np.void] | None, now_ns: int) -> Command:
        """What may be done at ``now_ns`` (CLOCK_MONOTONIC) with the newest tick."""
        if record is None:
            return self._stop(record, "the loop has not ticked yet")
        age_ns = now_ns - int(record["time_ns"])
        if age_ns > int(record["ttl_ns"]):
            if self._was_live:
                self.let_go(f"the loop was silent for {age_ns / 1e6:.0f} ms")
            return self._stop(record, self.trouble or "the loop is silent", emergency=True)
        state = State(int(record["state"]))
        if state is State.DISARMED:
            self.trouble = ""
        if self.trouble:
            return self._stop(record, self.trouble, emergency=True)
        self._was_live = state in MOVING
        if self._was_live:
            return Command(True, record["excitation"], record)
        return self._stop(record, state.name.lower(), state is State.FAULT)

    def _stop(
        self, record: NDArray[np.void] | None, reason: str, emergency: bool = False
    ) -> Command:
        return Command(False, self.rest, record, reason, emergency)
