"""A histogram in preallocated memory: percentiles within 2 %, the maximum exact."""

import math
from typing import Final

import numpy as np

GROWTH: Final = 1.02  # width of a bin: the relative error of a percentile
LOWEST: Final = 0.1
BINS: Final = 1200  # up to 2e9 units


class Histogram:
    """Counts of non-negative values in any one unit."""

    def __init__(self) -> None:
        self._counts = np.zeros(BINS, np.int64)
        self._scale = 1.0 / math.log(GROWTH)
        self.count = 0
        self.max = 0.0

    def add(self, value: float) -> None:
        """Count one value; a value that is not finite counts as the largest."""
        value = float(value)  # a numpy scalar can not be written as JSON
        if not math.isfinite(value):
            index, value = BINS - 1, LOWEST * GROWTH**BINS
        elif value <= LOWEST:
            index = 0
        else:
            index = min(BINS - 1, 1 + int(math.log(value / LOWEST) * self._scale))
        self._counts[index] += 1
        self.count += 1
        self.max = max(self.max, value)

    def percentile(self, q: float) -> float:
        """The value that ``q`` per cent of the counts do not exceed; NaN when empty."""
        if not self.count:
            return math.nan
        rank = math.ceil(q * self.count / 100 - 1e-9)  # 99.9 % of 1000 is the 999th
        index = int(np.searchsorted(np.cumsum(self._counts), max(1, rank)))
        return min(self.max, LOWEST * GROWTH**index)

    def summary(self) -> dict[str, float | None]:
        """p50, p99, p999 and max; None before the first value."""
        if not self.count:
            return dict.fromkeys(("p50", "p99", "p999", "max"))
        quantiles = {"p50": 50.0, "p99": 99.0, "p999": 99.9}
        found = {name: round(self.percentile(q), 3) for name, q in quantiles.items()}
        return {**found, "max": round(self.max, 3)}
