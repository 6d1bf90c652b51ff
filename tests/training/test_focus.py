import numpy as np
import pytest

from training.focus import BINS, FLOOR, PhaseFocus

TURN = 2 * np.pi
WIDTH = TURN / BINS


def shares(phases: np.ndarray) -> np.ndarray:
    assert (phases >= 0.0).all()
    assert (phases < TURN).all()
    return np.histogram(phases, bins=BINS, range=(0.0, TURN))[0] / phases.size


@pytest.mark.parametrize("focus", [0.0, 0.5, 1.0])
def test_without_experience_every_phase_is_drawn_alike(focus: float) -> None:
    found = shares(PhaseFocus().draw(20_000, focus, np.random.default_rng(0)))
    assert np.allclose(found, 1 / BINS, atol=0.008)


@pytest.mark.parametrize("focus", [0.0, 0.6, 1.0])
def test_failures_are_drawn_more_often(focus: float) -> None:
    one = PhaseFocus()
    one.solved[:] = 1.0
    one.solved[3] = 0.0
    found = shares(one.draw(20_000, focus, np.random.default_rng(0)))
    weight = (FLOOR + 1.0) / (BINS * FLOOR + 1.0)
    assert found[3] == pytest.approx(focus * weight + (1 - focus) / BINS, abs=0.015)
    assert found.min() > 0.0, "what is known must not be forgotten"


def test_an_episode_counts_for_the_phase_it_started_at() -> None:
    one = PhaseFocus()
    phases = np.array([0.0, 3.5 * WIDTH, TURN - 1e-9, -0.5 * WIDTH, TURN + 5.5 * WIDTH])
    one.note(phases, np.ones(5))
    assert np.flatnonzero(one.solved > 0.5).tolist() == [0, 3, 5, BINS - 1]
    twice = 0.5 + 0.05 * 0.5
    assert one.solved[BINS - 1] == pytest.approx(twice + 0.05 * (1 - twice))


def test_memory_follows_what_happens() -> None:
    one = PhaseFocus()
    for _ in range(200):
        one.note(np.array([1.0]), np.array([0.9]))
    bin_ = int(1.0 / WIDTH)
    assert one.solved[bin_] == pytest.approx(0.9, abs=1e-3)
    for _ in range(200):
        one.note(np.array([1.0]), np.array([0.1]))
    assert one.solved[bin_] == pytest.approx(0.1, abs=1e-3)
    assert (np.delete(one.solved, bin_) == 0.5).all()


def test_a_seed_repeats() -> None:
    first, again = (PhaseFocus().draw(50, 0.5, np.random.default_rng(1)) for _ in range(2))
    assert np.array_equal(first, again)
