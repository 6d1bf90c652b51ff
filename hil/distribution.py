"""A measured distribution in the words of every report here: median, tail and maximum."""

from typing import Final

import numpy as np
from numpy.typing import ArrayLike

QUANTILES: Final = {"p50": 50.0, "p99": 99.0, "p999": 99.9}


def summary(values: ArrayLike) -> dict[str, float | None]:
    """p50, p99, p99.9 and the maximum, in the unit of the values; None without any."""
    array = np.asarray(values, np.float64)
    if not array.size:
        return dict.fromkeys((*QUANTILES, "max"))
    found = {name: float(np.percentile(array, q)) for name, q in QUANTILES.items()}
    return {name: round(one, 3) for name, one in {**found, "max": float(array.max())}.items()}


def ratio(above: float | None, below: float | None) -> float | None:
    """Their ratio; None where one was not measured."""
    return None if above is None or not below else round(above / below, 3)
