"""The simulated forearm against what is known of surface EMG."""

import numpy as np
import pytest
from scipy import signal, stats

from bridges.emg.simulated import BAD, FAULTS, Forearm, activation, gains


def steady(rotation: float, fault="none", seconds: float = 4.0, seed: int = 2) -> np.ndarray:
    return Forearm(seed, fault).block(activation(rotation), round(seconds * 1000)).rows[500:]


def median_hz(channel: np.ndarray) -> float:
    frequency, power = signal.welch(channel, 1000.0, nperseg=512)
    total = np.cumsum(power)
    return float(frequency[np.searchsorted(total, total[-1] / 2)])


def test_the_spectrum_is_that_of_surface_emg():
    rows = steady(0.15, seconds=10.0)
    assert 60.0 < median_hz(rows[:, 4]) < 120.0


def test_a_contraction_is_nearly_gaussian_noise():
    rows = steady(0.15, seconds=10.0)
    assert 3.0 < stats.kurtosis(rows[:, 4], fisher=False) < 4.0


def test_amplitude_grows_with_the_effort_and_tells_the_side():
    rest, left, faster, right = (steady(r).std(axis=0) for r in (0.0, 0.1, 0.15, -0.1))
    assert rest.max() < 10.0
    assert 1.2 < faster[4] / left[4] < 1.9
    assert left[4] > 3 * right[4]
    assert right[1] > 3 * left[1]


def test_neighbours_hear_the_same_muscle_and_far_ones_little():
    rows = steady(0.15)
    assert np.corrcoef(rows[:, 4], rows[:, 5])[0, 1] > 0.2
    assert rows[:, 0].std() < 0.3 * rows[:, 4].std()


def test_the_same_seed_gives_the_same_signal_in_any_blocks():
    one, other = Forearm(7), Forearm(7)
    first = one.block(activation(0.1), 50).rows
    np.testing.assert_array_equal(first, other.block(activation(0.1), 50).rows)


def test_a_tired_muscle_is_louder_and_lower():
    fresh, tired = steady(0.1, seconds=30.0)[-8000:, 4], steady(0.1, "fatigue", 30.0)[-8000:, 4]
    assert median_hz(tired) < 0.9 * median_hz(fresh)
    assert tired.std() > 1.15 * fresh.std()


def test_a_fault_begins_when_it_is_told_to():
    forearm = Forearm(1, "dead", fault_from_s=1.0)
    rows = forearm.block(activation(0.1), 2000).rows
    assert rows[:1000, BAD].std() > 10.0
    assert not rows[1000:, BAD].any()


def test_gaps_take_samples_away_and_keep_the_clock():
    block = Forearm(1, "gaps").block(activation(0.0), 6000)
    steps = np.diff(block.times_s)
    assert (steps > 0.2).sum() == 3 or (steps > 0.2).sum() == 2
    assert len(block.rows) == len(block.times_s) < 6000


@pytest.mark.parametrize("fault", FAULTS)
def test_every_fault_runs_at_every_rate(fault):
    for rate_hz in (200.0, 2000.0):
        block = Forearm(1, fault, rate_hz=rate_hz).block(activation(0.1), 400)
        assert block.rows.shape[1] == 8
        assert np.isfinite(block.rows).all() == (fault != "not finite")


def test_shift_and_cross_talk_change_what_the_electrodes_hear():
    assert not np.allclose(gains("none"), gains("shift"))
    assert gains("cross-talk").sum() > 1.3 * gains("none").sum()
