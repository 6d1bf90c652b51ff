"""The causal filters of EMG: notches for mains hum and a band-pass, with memory."""

from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import signal

from controller.messages import Array

ORDER: Final = 2  # of each edge of the band-pass: 12 dB an octave
NOTCH_Q: Final = 30.0  # 50 Hz: 1.7 Hz wide
HARMONICS: Final = (1, 3, 5)  # mains hum is odd: rectifiers and lamps
NYQUIST_SHARE: Final = 0.9  # of half the sampling rate: above it an edge can't be designed well
SETTLE_S: Final = 0.1  # two periods of the lower edge after which a restart is no longer seen


def design(rate_hz: float, band_hz: tuple[float, float], mains_hz: float) -> Array:
    """Second-order sections of the whole chain, (sections, 6).

    Args:
        rate_hz: sampling rate.
        band_hz: edges of the band-pass; the upper one gives way to a low sampling rate.
        mains_hz: of the country, 50 or 60.
    """
    top_hz = rate_hz / 2 * NYQUIST_SHARE
    band = signal.butter(
        ORDER, (band_hz[0], min(band_hz[1], top_hz)), "bandpass", fs=rate_hz, output="sos"
    )
    notches = [
        signal.tf2sos(*signal.iirnotch(k * mains_hz, NOTCH_Q, fs=rate_hz))
        for k in HARMONICS
        if k * mains_hz < top_hz
    ]
    return np.concatenate([*notches, band])


def group_delay_s(sections: Array, rate_hz: float, at_hz: float) -> float:
    """How late the chain passes on what happens at a frequency [s]."""
    numerator, denominator = signal.sos2tf(sections)
    _, delay = signal.group_delay((numerator, denominator), [at_hz], fs=rate_hz)
    return float(delay[0]) / rate_hz


class Filter:
    """The chain with its memory; what goes in has to be finite, one NaN would stay for ever."""

    def __init__(self, sections: Array) -> None:
        self._sections = sections
        self._rest = signal.sosfilt_zi(sections)  # (sections, 2), for a steady input of 1
        self._state: Array | None = None

    def reset(self) -> None:
        """Forget; the next sample counts as if it had been there for ever."""
        self._state = None

    def apply(self, rows: NDArray[np.floating]) -> Array:
        """Filter the next samples, (n, channels)."""
        if not len(rows):
            return np.empty_like(rows, dtype=np.float64)
        if self._state is None:
            self._state = self._rest[:, :, None] * rows[0]
        passed, self._state = signal.sosfilt(self._sections, rows, axis=0, zi=self._state)
        filtered: Array = passed
        return filtered
