import numpy as np
import pytest

from bridges.emg.quality import troubles
from bridges.emg.simulated import BAD, Forearm, activation

WINDOW = 250


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
