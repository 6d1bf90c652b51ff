import numpy as np
import pytest
from scipy import signal

from bridges.emg.quality import WINDOW_S, troubles
from bridges.emg.simulated import BAD, Forearm, activation

WINDOW = round(WINDOW_S * 1000)


def judged(fault: str, rotation: float, mains_hz: float = 50.0) -> list[list[str]]:
    rows = Forearm(4, fault).block(activation(rotation), 3000).rows[500:]
    return [
        troubles(rows[k : k + WINDOW], 1000.0, mains_hz)
        for k in range(0, len(rows) - WINDOW, WINDOW)
    ]


@pytest.mark.parametrize("rotation", [0.0, 0.1, -0.15])
def test_good_channels_are_left_in_peace(rotation):
    for fault in ("none", "cross-talk", "shift", "fatigue"):
        assert not any(any(found) for found in judged(fault, rotation)), fault


@pytest.mark.parametrize("rotation", [0.0, 0.15])
@pytest.mark.parametrize("fault", ["dead", "saturated", "not finite", "lifted"])
def test_a_bad_electrode_is_named_and_no_other(fault, rotation):
    windows = judged(fault, rotation)
    assert sum(found[BAD] == fault for found in windows) > 0.5 * len(windows)
    assert sum(found[BAD] != "" for found in windows) == len(windows)
    assert not any(word for found in windows for k, word in enumerate(found) if k != BAD)


@pytest.mark.parametrize("mains_hz", [50.0, 60.0])
def test_hum_is_told_from_muscles(mains_hz):
    times = np.arange(WINDOW) / 1000.0
    hum = 100.0 * np.sin(2 * np.pi * mains_hz * times)[:, None]
    muscle = Forearm(4).block(activation(0.1), 1000).rows[-WINDOW:]
    assert set(troubles(0.1 * muscle + hum, 1000.0, mains_hz)) == {"mains hum"}
    assert set(troubles(muscle, 1000.0, mains_hz)) == {""}


def test_a_muscle_that_beats_near_the_mains_is_no_hum():
    """As in recordings of strong muscles whose median frequency is low."""
    slow = signal.butter(2, (30.0, 70.0), "bandpass", fs=1000.0, output="sos")
    muscle = 200.0 * signal.sosfilt(slow, np.random.default_rng(0).normal(size=(60_000, 4)), axis=0)
    for k in range(1000, len(muscle) - WINDOW, 100):
        assert not any(troubles(muscle[k : k + WINDOW], 1000.0, 50.0))


@pytest.mark.parametrize("factor", [1e-6, 1e3])
def test_another_unit_than_is_said_is_named(factor):
    """Volts or millivolts that are announced as microvolts."""
    rows = factor * Forearm(4).block(activation(0.1), 1000).rows[-WINDOW:]
    assert set(troubles(rows, 1000.0, 50.0)) == {"wrong unit?"}


def test_peaks_of_a_coarse_converter_at_a_high_rate_are_not_saturated():
    times = np.arange(5000) / 10_000.0
    coarse = 10.0 * np.round(20.0 * np.sin(2 * np.pi * 80.0 * times))[:, None]
    assert troubles(coarse, 10_000.0, 50.0) == [""]
    assert troubles(np.clip(coarse, -150.0, 150.0), 10_000.0, 50.0) == ["saturated"]
