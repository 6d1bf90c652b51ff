"""From raw rows to windows of filtered EMG: the one way that calibration and decoder share."""

import numpy as np
from numpy.typing import NDArray

from bridges.emg.calibration import Cut
from bridges.emg.filters import SETTLE_S, Filter, design
from controller.messages import Array


class Windows:
    """The newest window of filtered EMG.

    Args:
        cut: channels, rate, filters and length.
    """

    def __init__(self, cut: Cut) -> None:
        rate_hz, channels = cut.electrodes.rate_hz, len(cut.electrodes.labels)
        self.size = round(cut.window_ms * 1e-3 * rate_hz)
        self._filter = Filter(design(rate_hz, cut.band_hz, cut.mains_hz))
        self._newest = np.zeros((self.size, channels))
        self._settled = self.size + round(SETTLE_S * rate_hz)
        self._taken = 0

    def reset(self) -> None:
        """After a gap: what was before says nothing of what comes."""
        self._filter.reset()
        self._taken = 0

    def take(self, rows: NDArray[np.floating]) -> None:
        """Filter the next rows [uV], (n, channels), all finite."""
        filtered = self._filter.apply(rows)[-self.size :]
        kept = self.size - len(filtered)
        self._newest = np.concatenate([self._newest[len(self._newest) - kept :], filtered])
        self._taken += len(rows)

    @property
    def ready(self) -> bool:
        """Whether the window is full of settled signal."""
        return self._taken >= self._settled

    @property
    def newest(self) -> Array:
        """The window [uV], (size, channels)."""
        return self._newest
