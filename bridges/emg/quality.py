"""What is wrong with the raw signal, per channel: dead, saturated, mains hum, lifted, not finite.

Judged on a window of the raw signal, because the filters hide just what is looked for here.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from bridges.emg.filters import HARMONICS
from controller.messages import Array, Flags

WINDOW_S: Final = 0.5  # the shortest in which hum stands out from a muscle that beats near it
RECENT_S: Final = 0.25  # of it: what a dead, saturated or broken channel is judged on
DEAD_UV: Final = 0.2  # rms: any amplifier's own noise is larger
RAIL_RUN_S: Final = 0.002  # in a row at the window's own extreme: a converter at its end
RAIL_RUN: Final = 5  # samples, at least
RAIL_UV: Final = 50.0  # a run at a smaller extreme is coarse steps near rest
HUM_SHARE: Final = 0.6  # of the power above 10 Hz; a strong muscle puts up to 0.55 there
HUM_UV: Final = 15.0  # rms: less is what the notch is for
HUM_HALF_WIDTH_HZ: Final = 3.0  # nearly all of a pure tone in such a window, little of a muscle
WANDER_BELOW_HZ: Final = 10.0
WANDER_UV: Final = 80.0  # rms: the half-cell potential of an electrode that lost the skin
WANDER_SHARE: Final = 0.4  # of the whole: a strong muscle has some slow signal, too
ENOUGH_HZ: Final = 1000.0  # EMG ends at 450 Hz: neighbours at a higher rate are taken together
PLAUSIBLE_UV: Final = (0.01, 5_000.0)  # rms of the middle channel: beyond, the unit is not as said

REMEDIES: Final = {
    "mains hum": "look after the reference electrode; keep mains leads away",
    "lifted": "press the electrode on the skin",
    "dead": "look after its plug and its electrode",
    "saturated": "less gain, or a better contact",
    "wrong unit?": "the stream's unit can't be what it says",
    "not finite": "the amplifier's program sends no numbers",
}
"""What can be wrong, and what helps."""


def troubles(rows: NDArray[np.floating], rate_hz: float, mains_hz: float) -> list[str]:
    """What each channel suffers from, "" for a good one, (channels,).

    Args:
        rows: raw EMG [uV], (n, channels), WINDOW_S long.
        rate_hz: sampling rate.
        mains_hz: 50 or 60.
    """
    finite = np.isfinite(rows)
    clean = np.where(finite, rows, 0.0).astype(np.float64)
    recent = clean[-round(RECENT_S * rate_hz) :]
    hum_uv, wander_uv, fast_uv = _spectrum(clean, rate_hz, mains_hz)
    checks = {
        "mains hum": (hum_uv > HUM_UV) & (hum_uv > np.sqrt(HUM_SHARE) * fast_uv),
        "lifted": (wander_uv > WANDER_UV) & (wander_uv > WANDER_SHARE * clean.std(axis=0)),
        "dead": recent.std(axis=0) < DEAD_UV,
        "saturated": _at_rail(recent, max(RAIL_RUN, round(RAIL_RUN_S * rate_hz))),
        "wrong unit?": np.full(rows.shape[1], _implausible(fast_uv)),
        "not finite": ~finite[-len(recent) :].all(axis=0),
    }
    found = [""] * rows.shape[1]
    for word, flags in checks.items():  # the later one is the cause of the earlier
        for channel in np.flatnonzero(flags):
            found[channel] = word
    return found


def _implausible(fast_uv: Array) -> bool:
    """Whether the middle channel is no skin's, in microvolts; at 0 it is only dead."""
    least, most = PLAUSIBLE_UV
    middle = float(np.median(fast_uv))
    return middle > most or 0.0 < middle < least


def _spectrum(rows: Array, rate_hz: float, mains_hz: float) -> tuple[Array, Array, Array]:
    """Per channel [uV rms]: mains hum, slow wander, and all that is faster."""
    together = max(1, int(rate_hz // ENOUGH_HZ))
    rows = rows[: len(rows) // together * together]
    rows = rows.reshape(-1, together, rows.shape[1]).mean(axis=1)
    window = np.hanning(len(rows))[:, None]
    spectrum = np.fft.rfft((rows - rows.mean(axis=0)) * window, axis=0)
    power = 2.0 * np.abs(spectrum) ** 2 / (window**2).sum() / len(rows)  # Parseval: mean square
    frequency = np.fft.rfftfreq(len(rows), together / rate_hz)
    hum = np.zeros(len(frequency), bool)
    for k in HARMONICS:
        hum |= np.abs(frequency - k * mains_hz) <= HUM_HALF_WIDTH_HZ
    slow = frequency < WANDER_BELOW_HZ
    parts = (hum, slow, ~slow)
    hum_uv, wander_uv, fast_uv = (np.sqrt(power[part].sum(axis=0)) for part in parts)
    return hum_uv, wander_uv, fast_uv


def _at_rail(rows: Array, run: int) -> Flags:
    """Whether a channel stays at its largest or smallest value for ``run`` samples."""
    stuck = np.zeros(rows.shape[1], bool)
    for extreme in (rows.max(axis=0), rows.min(axis=0)):
        reached = np.cumsum(rows == extreme, axis=0)
        reached[run:] -= reached[:-run].copy()  # how often in the last ``run`` samples
        stuck |= (reached == run).any(axis=0) & (np.abs(extreme) > RAIL_UV)
    stuck &= np.ptp(rows, axis=0) > 0.0  # a channel that never moves is dead
    return stuck
