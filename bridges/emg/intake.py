"""What comes from the amplifier: gaps, bad numbers and bad electrodes are found before anything.

One NaN would silence a filter for good, and a filter that runs over a gap invents a signal: so
the window is filled afresh after both.
"""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from bridges.emg import quality
from bridges.emg.calibration import Cut, microvolts
from bridges.emg.windows import Windows
from controller.messages import Array

GAP_SAMPLES: Final = 3.0  # at a low rate
SILENT_S: Final = 0.1  # since anything arrived: the daemon holds at this age, too
LATE_S: Final = 0.3  # age of what arrives: the daemon relaxes at this one
AHEAD_S: Final = 0.05  # of the present: more than any error of the clock correction
OFF_RATE: Final = 0.05  # share of a second's samples that may be missing, or too many
JUDGE_S: Final = 0.05
REMEMBER_S: Final = 0.3  # a bad electrode that looks good for an instant is still bad


class Intake:
    """Takes raw rows in, keeps the window, says what is wrong.

    Args:
        cut: of the stream.
        gap_s: between the stamps of two samples: others were lost.

    Attributes:
        windows: the newest window of filtered EMG.
        gaps: how many there were.
        bad: what each channel suffers from, "" for a good one, (channels,).
    """

    def __init__(self, cut: Cut, gap_s: float = 0.02) -> None:
        electrodes = cut.electrodes
        self.windows, self.gaps = Windows(cut), 0
        self.bad = [""] * len(electrodes.labels)
        self._electrodes, self._mains_hz = electrodes, cut.mains_hz
        self._scale = np.array(microvolts(electrodes))
        self._gap_s = max(gap_s, GAP_SAMPLES / electrodes.rate_hz)
        self._raw = np.empty((0, len(electrodes.labels)))
        self._size = round(quality.WINDOW_S * electrodes.rate_hz)
        self._newest_s = -np.inf
        self._heard_s: float | None = None
        self._late_s = 0.0
        self._judged_s = -np.inf
        self._found: list[tuple[float, str]] = [(-np.inf, "")] * len(electrodes.labels)
        self._tally = _Tally(electrodes.rate_hz)

    @property
    def judged(self) -> bool:
        """Whether there is signal enough, since the start or a gap, to judge the electrodes."""
        return len(self._raw) >= self._size

    def reset(self) -> None:
        """The stream was lost and found again."""
        self.gaps += 1
        self._start_afresh()
        self._newest_s = -np.inf

    def take(self, rows: NDArray[Any], stamps_s: Array, now_s: float) -> None:
        """Take in what arrived: rows in the stream's units, (n, channels), and their stamps [s]."""
        if len(rows):
            self._heard_s, self._late_s = now_s, now_s - float(stamps_s[-1])
            start = self._after_gap(stamps_s)
            self._tally.add(stamps_s[start:])
            self._keep(rows[start:] * self._scale)
        if now_s - self._judged_s >= JUDGE_S and len(self._raw):
            self._judged_s = now_s
            self._judge(now_s)

    def _after_gap(self, stamps_s: Array) -> int:
        """Where the rows go on without a gap; a gap makes the window start afresh."""
        steps = np.diff(np.concatenate([[self._newest_s], stamps_s]))
        self._newest_s = float(stamps_s[-1])
        torn = np.flatnonzero(np.isfinite(steps) & (np.abs(steps) > self._gap_s))
        if not len(torn):
            return 0
        self.gaps += len(torn)
        self._start_afresh()
        return int(torn[-1])

    def _start_afresh(self) -> None:
        self.windows.reset()
        self._raw = self._raw[:0]
        self._tally = _Tally(self._electrodes.rate_hz)

    def _keep(self, rows: Array) -> None:
        self._raw = np.concatenate([self._raw, rows])[-self._size :]
        broken = np.flatnonzero(~np.isfinite(rows).all(axis=1))
        if len(broken):
            self.windows.reset()
            rows = rows[broken[-1] + 1 :]
        self.windows.take(rows)

    def _judge(self, now_s: float) -> None:
        if not self.judged:
            return
        found = quality.troubles(self._raw, self._electrodes.rate_hz, self._mains_hz)
        for channel, word in enumerate(found):
            if word:
                self._found[channel] = (now_s, word)
        self.bad = [word if now_s - at < REMEMBER_S else "" for at, word in self._found]

    def trouble(self, now_s: float, silent_s: float = SILENT_S) -> str:
        """What is wrong now, in words; "" when all is well.

        Args:
            now_s: monotonic [s].
            silent_s: how long nothing may arrive, and how late something.
        """
        if self._heard_s is None:
            return "no EMG yet"
        if now_s - self._heard_s > silent_s:
            return "no EMG arrives"
        if self._late_s > max(LATE_S, silent_s):
            return "EMG comes late, or is not stamped by LSL's clock"
        if self._late_s < -AHEAD_S:
            return "EMG stamps lie in the future: not LSL's clock"
        if self._tally.trouble:
            return self._tally.trouble
        words = [
            f"{label} {word}"
            for label, word in zip(self._electrodes.labels, self.bad, strict=True)
            if word
        ]
        return ", ".join(words)


class _Tally:
    """Counts the samples of each second by their stamps.

    Attributes:
        trouble: what is wrong with the count of the last second, "" if nothing is.
    """

    def __init__(self, rate_hz: float) -> None:
        self.trouble = ""
        self._rate_hz = rate_hz
        self._start_s: float | None = None
        self._count = 0

    def add(self, stamps_s: Array) -> None:
        """Take in the stamps [s] of the next samples, at least one."""
        if self._start_s is None:
            self._start_s, self._count = float(stamps_s[0]), -1
        self._count += len(stamps_s)
        span_s = float(stamps_s[-1]) - self._start_s
        if span_s >= 1.0 or span_s < 0.0:
            self.trouble = self._judge(self._count / (span_s * self._rate_hz))
            self._start_s, self._count = float(stamps_s[-1]), 0

    def _judge(self, share: float) -> str:
        if share < 1.0 - OFF_RATE:
            return "EMG samples are missing"
        if share > 1.0 + OFF_RATE:
            return "more EMG samples come than its rate says"
        return ""
