"""What is wrong with the raw signal, per channel: dead, saturated, mains hum, lifted, not finite.

Judged on a window of the raw signal, because the filters hide just what is looked for here.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from bridges.emg.filters import HARMONICS
from controller.messages import Array, Flags

WINDOW_S: Final = 0.25  # the shortest in which mains hum stands out from EMG
DEAD_UV: Final = 0.2  # rms: any amplifier's own noise is larger
RAIL_RUN: Final = 5  # samples in a row at the window's own extreme: a converter at its end
RAIL_UV: Final = 50.0  # a run at a smaller extreme is coarse steps near rest
HUM_SHARE: Final = 0.5  # of the power above 10 Hz
HUM_UV: Final = 15.0  # rms: less is what the notch is for
HUM_HALF_WIDTH_HZ: Final = 4.0  # most of a pure tone in a window of 0.25 s, little of a muscle
WANDER_BELOW_HZ: Final = 10.0
WANDER_UV: Final = 80.0  # rms: the half-cell potential of an electrode that lost the skin
WANDER_SHARE: Final = 0.4  # of the whole: a strong muscle has some slow signal, too


def troubles(rows: NDArray[np.floating], rate_hz: float, mains_hz: float) -> list[str]:
    """What each channel suffers from, "" for a good one, (channels,).

    Args:
        rows: raw EMG [uV], (n, channels), about WINDOW_S long.
        rate_hz: sampling rate.
        mains_hz: 50 or 60.
    """
    finite = np.isfinite(rows).all(axis=0)
    clean = np.where(finite, rows, 0.0).astype(np.float64)
    found = [""] * rows.shape[1]
    hum_uv, wander_uv, hum_share = _spectrum(clean, rate_hz, mains_hz)
    checks = {
        "mains hum": (hum_uv > HUM_UV) & (hum_share > HUM_SHARE),
        "lifted": (wander_uv > WANDER_UV) & (wander_uv > WANDER_SHARE * clean.std(axis=0)),
        "dead": clean.std(axis=0) < DEAD_UV,
        "saturated": _at_rail(clean),
        "not finite": ~finite,
    }
    for word, flags in checks.items():  # the later one is the cause of the earlier
        for channel in np.flatnonzero(flags):
            found[channel] = word
    return found


def _spectrum(rows: Array, rate_hz: float, mains_hz: float) -> tuple[Array, Array, Array]:
    """Per channel: hum [uV rms], slow wander [uV rms], hum's share of the power above 10 Hz."""
    window = np.hanning(len(rows))[:, None]
    spectrum = np.fft.rfft((rows - rows.mean(axis=0)) * window, axis=0)
    power = 2.0 * np.abs(spectrum) ** 2 / (window**2).sum() / len(rows)  # Parseval: mean square
    frequency = np.fft.rfftfreq(len(rows), 1.0 / rate_hz)
    hum = np.zeros(len(frequency), bool)
    for k in HARMONICS:
        hum |= np.abs(frequency - k * mains_hz) <= HUM_HALF_WIDTH_HZ
    slow = frequency < WANDER_BELOW_HZ
    humming, above = power[hum].sum(axis=0), power[~slow].sum(axis=0)
    share = humming / np.maximum(above, 1e-12)
    return np.sqrt(humming), np.sqrt(power[slow].sum(axis=0)), share


def _at_rail(rows: Array) -> Flags:
    """Whether a channel stays at its largest or smallest value for RAIL_RUN samples."""
    stuck = np.zeros(rows.shape[1], bool)
    for extreme in (rows.max(axis=0), rows.min(axis=0)):
        at = (rows == extreme).astype(np.int64)
        runs = np.lib.stride_tricks.sliding_window_view(at, RAIL_RUN, axis=0)
        stuck |= (runs.sum(axis=-1) == RAIL_RUN).any(axis=0) & (np.abs(extreme) > RAIL_UV)
    stuck &= np.ptp(rows, axis=0) > 0.0  # a channel that never moves is dead
    return stuck
