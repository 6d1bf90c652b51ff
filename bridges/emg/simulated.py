"""Simulated surface EMG of a forearm: eight electrodes round it, four muscle groups below.

Surface EMG of a steady contraction is close to Gaussian noise whose standard deviation grows
with the effort and whose spectrum is that of many motor unit action potentials (Shwedyk,
Balasubramanian and Scott 1977: P(f) ~ f^2 / ((f^2 + a^2)(f^2 + b^2)^2)). Each electrode hears
every muscle, the nearer the louder. Amplitudes are those of forearm recordings: some 500 uV rms
in a full contraction, 4 uV of amplifier noise. It is a model, no recording of anybody.
"""

from dataclasses import dataclass
from typing import Final, Literal, get_args

import numpy as np
from scipy import signal

from controller.messages import Array, Flags

Fault = Literal[
    "none",
    "cross-talk",
    "fatigue",
    "shift",
    "hum",
    "lifted",
    "dead",
    "saturated",
    "gaps",
    "not finite",
]
FAULTS: Final[tuple[Fault, ...]] = get_args(Fault)

CHANNELS: Final = 8
RATE_HZ: Final = 1000.0
LABELS: Final = tuple(f"emg{k + 1}" for k in range(CHANNELS))
MUSCLES_DEG: Final = {"FCR": 60.0, "FCU": 15.0, "ECR": 195.0, "ECU": 250.0}  # round the forearm
LEFT: Final = np.array([0.0, 0.0, 1.0, 0.7])  # share of each muscle: wrist extension
RIGHT: Final = np.array([1.0, 0.8, 0.0, 0.0])  # wrist flexion
ANTAGONIST: Final = 0.15  # of the effort: nobody relaxes the other side altogether
TONE: Final = 0.004  # share of a full contraction at rest

FULL_UV: Final = 500.0  # rms, of a full contraction, right above the muscle
NOISE_UV: Final = 4.0  # rms, of amplifier and skin
CORNERS_HZ: Final = (40.0, 110.0)  # a and b above: median frequency about 85 Hz
WIDTH_DEG: Final = 42.0  # standard deviation of a muscle's reach round the forearm
FLOOR_SHARE: Final = 0.03  # of a muscle's signal that is heard everywhere
RISE_S: Final = 0.06  # time constant of recruitment
TREMOR_SHARE: Final = 0.12  # standard deviation of an effort that is meant to be steady
TREMOR_S: Final = 0.3  # how long such a deviation lasts
STYLE: Final = 0.35  # of the logarithm: nobody contracts the same muscles alike a second time

CROSS_TALK_DEG: Final = 60.0
SHIFT_DEG: Final = 22.5  # half the distance between two electrodes
FATIGUE_S: Final = 20.0  # until tired
FATIGUE_CORNERS: Final = 0.7  # of the frequencies, when tired
FATIGUE_UV: Final = 1.3  # of the amplitude: more units work for the same force
MAINS_HZ: Final = 50.0
HUM_UV: Final = 2.0
LOUD_HUM_UV: Final = 250.0
WANDER_UV: Final = 600.0
WANDER_S: Final = 0.25
RAIL_UV: Final = 2000.0  # the end of the converter
BAD: Final = 5  # the electrode that a fault takes: between the extensors
GAP_EVERY_S: Final = 2.0
GAP_S: Final = 0.25


@dataclass(frozen=True, slots=True)
class Block:
    """What an amplifier sent.

    Attributes:
        times_s: since the start [s], (n,); a gap is a jump.
        rows: raw EMG [uV], (n, channels).
    """

    times_s: Array
    rows: Array


def effort_of(rotation: float) -> float:
    """How hard this subject works for a wished rotation, share of a full contraction."""
    return 2.5 * abs(rotation)


def activation(rotation: float, both: float = 0.0) -> Array:
    """What each muscle is asked for, share of a full contraction, (muscles,).

    Args:
        rotation: wished: + is left, - is right.
        both: effort of a co-contraction on top.
    """
    side, other = (LEFT, RIGHT) if rotation > 0 else (RIGHT, LEFT)
    pattern = side + ANTAGONIST * other
    wanted: Array = effort_of(rotation) * pattern + both * (LEFT + RIGHT) + TONE
    return np.minimum(wanted, 1.0)


class Forearm:
    """A subject with electrodes on; the same seed gives the same signal.

    Args:
        seed: of everything random.
        fault: what is wrong, from ``fault_from_s`` on.
        rate_hz: sampling rate.
    """

    def __init__(
        self,
        seed: int,
        fault: Fault = "none",
        fault_from_s: float = 0.0,
        rate_hz: float = RATE_HZ,
    ) -> None:
        self.rate_hz, self._fault, self._from_s = rate_hz, fault, fault_from_s
        self._random = np.random.default_rng(seed)
        self._count = 0
        self._fresh = _Shaper(CORNERS_HZ, rate_hz)
        self._tired = _Shaper(tuple(FATIGUE_CORNERS * corner for corner in CORNERS_HZ), rate_hz)
        self._drive = np.full(len(MUSCLES_DEG), TONE)
        self._tremor = np.zeros(len(MUSCLES_DEG))
        self._wanted, self._style = self._drive, np.ones(len(MUSCLES_DEG))
        self._wander = 0.0
        self._phases = self._random.uniform(0.0, 2 * np.pi, CHANNELS)

    def block(self, wanted: Array, count: int) -> Block:
        """The next ``count`` samples while the muscles are asked for something.

        Args:
            wanted: share of a full contraction, (muscles,).
            count: 1 at least.
        """
        times_s = (self._count + np.arange(count)) / self.rate_hz
        self._count += count
        broken = times_s >= self._from_s
        heard = self._muscles(wanted, times_s)  # (n, muscles)
        rows = heard @ gains("none").T
        if self._fault in ("cross-talk", "shift"):
            rows[broken] = heard[broken] @ gains(self._fault).T
        rows += self._random.normal(0.0, NOISE_UV, rows.shape)
        rows += HUM_UV * np.sin(2 * np.pi * MAINS_HZ * times_s[:, None] + self._phases)
        return self._broken(times_s, rows, broken)

    def _muscles(self, wanted: Array, times_s: Array) -> Array:
        """The signal of each muscle [uV], (n, muscles)."""
        if not np.array_equal(wanted, self._wanted):  # a new contraction
            self._wanted = wanted
            self._style = np.exp(self._random.normal(0.0, STYLE, len(wanted)))
        wanted = np.minimum(wanted * self._style, 1.0)
        shape = (len(times_s), len(wanted))
        kept, held = np.exp(-1.0 / (self.rate_hz * np.array([RISE_S, TREMOR_S])))
        pushes = self._random.normal(0.0, TREMOR_SHARE * np.sqrt(1 - held**2), shape)
        drive = _recur(kept, (1 - kept) * np.broadcast_to(wanted, shape), self._drive)
        tremor = _recur(held, pushes, self._tremor)
        self._drive, self._tremor = drive[-1], tremor[-1]
        strength = drive * np.maximum(1.0 + tremor, 0.0) * FULL_UV
        white = self._random.normal(size=strength.shape)
        tired = self._tiredness(times_s)[:, None]
        mixed = np.sqrt(1 - tired) * self._fresh(white) + np.sqrt(tired) * self._tired(white)
        louder = 1.0 + (FATIGUE_UV - 1.0) * tired
        signals: Array = strength * louder * mixed
        return signals

    def _tiredness(self, times_s: Array) -> Array:
        if self._fault != "fatigue":
            return np.zeros(len(times_s))
        return np.clip((times_s - self._from_s) / FATIGUE_S, 0.0, 1.0)

    def _broken(self, times_s: Array, rows: Array, broken: Flags) -> Block:
        """What the fault of an electrode or of the transport makes of it."""
        if self._fault == "hum":
            tone = np.sin(2 * np.pi * MAINS_HZ * times_s[:, None] + self._phases)
            rows[broken] += LOUD_HUM_UV * (tone + 0.2 * np.sin(3 * np.arcsin(tone)))[broken]
        elif self._fault == "lifted":
            rows[broken, BAD] = self._loose(times_s)[broken]
        elif self._fault == "dead":
            rows[broken, BAD] = 0.0
        elif self._fault == "saturated":
            rows[broken, BAD] = rows[broken, BAD] * 20.0 + RAIL_UV
        elif self._fault == "not finite":
            rows[broken, BAD] = np.nan
        rows = np.clip(rows, -RAIL_UV, RAIL_UV)
        if self._fault == "gaps":
            since = times_s - self._from_s
            kept = ~(broken & (since % GAP_EVERY_S > GAP_EVERY_S - GAP_S))
            return Block(times_s[kept], rows[kept])
        return Block(times_s, rows)

    def _loose(self, times_s: Array) -> Array:
        """An electrode in the air: an antenna for the mains, its potential wanders."""
        held = np.exp(-1.0 / (self.rate_hz * WANDER_S))
        pushes = self._random.normal(0.0, WANDER_UV * np.sqrt(1 - held**2), len(times_s))
        wander = _recur(held, pushes[:, None], np.array([self._wander]))[:, 0]
        self._wander = float(wander[-1])
        hum = LOUD_HUM_UV * np.sin(2 * np.pi * MAINS_HZ * times_s)
        loose: Array = wander + hum
        return loose


def _recur(share: float, pushes: Array, before: Array) -> Array:
    """y[k] = share y[k-1] + pushes[k], (n, channels), from ``before``, (channels,)."""
    found, _ = signal.lfilter([1.0], [1.0, -share], pushes, axis=0, zi=share * before[None])
    path: Array = found
    return path


class _Shaper:
    """Colours white noise like surface EMG, at a standard deviation of 1."""

    def __init__(self, corners_hz: tuple[float, ...], rate_hz: float) -> None:
        low, high = (2 * np.pi * corner for corner in corners_hz)
        zeros, poles, gain = signal.bilinear_zpk([0.0], [-low, -high, -high], 1.0, rate_hz)
        sections = signal.zpk2sos(zeros, poles, gain)
        _, response = signal.freqz_sos(sections, 4096)
        sections[0, :3] /= np.sqrt(np.mean(np.abs(response) ** 2))
        self._sections = sections
        self._state = np.zeros((len(sections), 2, len(MUSCLES_DEG)))

    def __call__(self, white: Array) -> Array:
        coloured, self._state = signal.sosfilt(self._sections, white, axis=0, zi=self._state)
        shaped: Array = coloured
        return shaped


def gains(fault: Fault) -> Array:
    """How loud each electrode hears each muscle, (channels, muscles)."""
    electrodes = np.arange(CHANNELS) * 360.0 / CHANNELS + (SHIFT_DEG if fault == "shift" else 0.0)
    width = CROSS_TALK_DEG if fault == "cross-talk" else WIDTH_DEG
    apart = electrodes[:, None] - np.array(list(MUSCLES_DEG.values()))
    apart = (apart + 180.0) % 360.0 - 180.0
    reach: Array = np.exp(-0.5 * (apart / width) ** 2)
    return np.maximum(reach, FLOOR_SHARE)
