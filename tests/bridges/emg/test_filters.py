import numpy as np
import pytest

from bridges.emg.filters import Filter, design, group_delay_s

RATE_HZ = 1000.0


@pytest.fixture(scope="module")
def sections():
    return design(RATE_HZ, (20.0, 450.0), 50.0)


def gain(sections, hz: float) -> float:
    times = np.arange(4000) / RATE_HZ
    passed = Filter(sections).apply(np.sin(2 * np.pi * hz * times)[:, None])[2000:]
    return float(passed.std() * np.sqrt(2))


def test_it_passes_emg_and_stops_hum_and_drift(sections):
    assert gain(sections, 100.0) == pytest.approx(1.0, abs=0.05)
    assert gain(sections, 2.0) < 0.02
    for mains in (50.0, 150.0, 250.0):
        assert gain(sections, mains) < 0.01


def test_blocks_of_any_size_give_what_one_block_gives(sections):
    rows = np.random.default_rng(0).normal(size=(500, 3))
    whole, pieces = Filter(sections).apply(rows), Filter(sections)
    cut = [pieces.apply(part) for part in np.split(rows, [1, 1, 7, 300])]
    np.testing.assert_allclose(np.concatenate(cut), whole, atol=1e-12)


def test_it_starts_and_starts_again_without_a_step_from_an_offset(sections):
    offset = np.full((200, 1), 5000.0)
    one = Filter(sections)
    assert np.abs(one.apply(offset)).max() < 1e-6
    one.reset()
    assert np.abs(one.apply(-offset)).max() < 1e-6


def test_it_is_causal_and_its_delay_small(sections):
    impulse = np.zeros((100, 1))
    impulse[50] = 1.0
    assert not np.abs(Filter(sections).apply(impulse)[:50]).any()
    assert 0.0 < group_delay_s(sections, RATE_HZ, 100.0) < 0.01


@pytest.mark.parametrize("rate_hz", [200.0, 500.0, 10_000.0])
def test_any_rate_gives_a_stable_chain(rate_hz):
    noise = np.random.default_rng(0).normal(size=(5000, 1))
    passed = Filter(design(rate_hz, (20.0, 450.0), 60.0)).apply(noise)
    assert 0.05 < passed[1000:].std() < 1.0
