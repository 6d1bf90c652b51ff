"""Features of a window of filtered EMG, each (window, channels) -> (channels,).

The time-domain set of Hudgins, Parker and Scott (1993), whose amplitudes are taken as
logarithms for the classifiers: EMG is noise whose strength carries the message, and a change
of strength by a factor then has one size at every effort.
"""

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np

from controller.errors import ContractError
from controller.messages import Array

NOISE_UV: Final = 10.0  # a crossing or a turn smaller than this is the amplifier's noise
FLOOR_UV: Final = 0.1  # a logarithm has to start somewhere; far below any amplifier's noise


def mean_absolute_value(window: Array) -> Array:
    """Mean of the rectified signal [uV]."""
    mean: Array = np.abs(window).mean(axis=0)
    return mean


def log_mean_absolute_value(window: Array) -> Array:
    """Its natural logarithm."""
    logarithm: Array = np.log(np.maximum(mean_absolute_value(window), FLOOR_UV))
    return logarithm


def log_waveform_length(window: Array) -> Array:
    """Logarithm of the mean step from sample to sample [uV]."""
    steps = np.abs(np.diff(window, axis=0)).mean(axis=0)
    logarithm: Array = np.log(np.maximum(steps, FLOOR_UV))
    return logarithm


def zero_crossings(window: Array) -> Array:
    """Share of the steps that change sign, by more than the noise."""
    before, after = window[:-1], window[1:]
    crossed: Array = ((before * after < 0) & (np.abs(after - before) > NOISE_UV)).mean(axis=0)
    return crossed


def slope_sign_changes(window: Array) -> Array:
    """Share of the samples that are a turn, by more than the noise."""
    steps = np.diff(window, axis=0)
    turned = (steps[:-1] * steps[1:] < 0) & (
        np.maximum(np.abs(steps[:-1]), np.abs(steps[1:])) > NOISE_UV
    )
    share: Array = turned.mean(axis=0)
    return share


FEATURES: Final[dict[str, Callable[[Array], Array]]] = {
    "mav": mean_absolute_value,
    "log_mav": log_mean_absolute_value,
    "log_wl": log_waveform_length,
    "zc": zero_crossings,
    "ssc": slope_sign_changes,
}
"""By the names that stand in a calibration file."""

SHAPE: Final = ("log_mav", "log_wl", "zc", "ssc")
"""What the classifiers look at."""
STRENGTH: Final = ("mav",)
"""What the regression looks at: effort is about proportional to it."""


def extract(window: Array, names: Sequence[str]) -> Array:
    """The named features side by side, (names x channels,).

    Raises:
        ContractError: a name is unknown.
    """
    for name in names:
        if name not in FEATURES:
            raise ContractError(f"feature {name!r} is unknown; known: {', '.join(FEATURES)}")
    return np.concatenate([FEATURES[name](window) for name in names])


def level_uv(window: Array) -> float:
    """How hard the muscles work, all channels together: mean rectified EMG [uV]."""
    return float(np.abs(window).mean())
