"""Who engages: a pedal with a stream of its own, or both sides contracted at once."""

from typing import Final

import numpy as np
from scipy.optimize import nnls

from bridges.emg.calibration import CLASSES, Calibration
from bridges.emg.features import mean_absolute_value
from bridges.emg.settings import CoContraction
from controller.messages import Array, Intention
from controller.supervisor.judge import ENGAGED

STALE_S: Final = 0.2  # a pedal that says nothing is let go


def of_pedal(pedal: Intention) -> float:
    """What a pedal's newest sample means, 0-1: stale, broken or not finite is let go."""
    good = not pedal.fault and pedal.age_s <= STALE_S and 0.0 <= pedal.engage <= 1.0
    return pedal.engage if good else 0.0


class BothSides:
    """Co-contraction as a switch: held for a while it engages, held again it lets go.

    The signal is explained as so much of a left turn plus so much of a right one.

    Attributes:
        engaged: what the switch says.
        active: whether both sides are contracted now; no rotation is read meanwhile.
    """

    def __init__(self, calibration: Calibration, rule: CoContraction) -> None:
        self.engaged = self.active = False
        self._patterns = np.array([calibration.patterns[side] for side in CLASSES[1:]]).T
        self._rule = rule
        self._since_s: float | None = None
        self._switched = False

    def look(self, window: Array, now_s: float) -> None:
        """Take in a window of filtered EMG [uV], (size, channels)."""
        strengths, _ = nnls(self._patterns, mean_absolute_value(window))  # left, right
        self.active = bool(strengths.min() >= self._rule.strength)
        if not self.active:
            self._since_s, self._switched = None, False
            return
        self._since_s = now_s if self._since_s is None else self._since_s
        if not self._switched and now_s - self._since_s >= self._rule.hold_ms * 1e-3:
            self.engaged, self._switched = not self.engaged, True

    def let_go(self) -> None:
        """After trouble it has to be switched on again."""
        self.engaged, self._since_s = False, None


class Caution:
    """Trouble holds at once and relaxes when it lasts; then the dead-man has to be let go once.

    Args:
        relax_after_s: how long trouble may last.
    """

    def __init__(self, relax_after_s: float) -> None:
        self._relax_after_s = relax_after_s
        self._since_s: float | None = None
        self._must_let_go = False

    def engage(self, wanted: float, trouble: bool, now_s: float) -> float:
        """The dead-man that is passed on, 0-1."""
        if trouble:
            self._since_s = now_s if self._since_s is None else self._since_s
            if now_s - self._since_s >= self._relax_after_s:
                self._must_let_go = True
        else:
            self._since_s = None
            if wanted < ENGAGED:
                self._must_let_go = False
        return 0.0 if self._must_let_go else wanted
