import numpy as np
import pytest

from training.focus import BINS, FLOOR, PhaseFocus

TURN = 2 * np.pi
WIDTH = TURN / BINS


def shares(phases: np.ndarray) -> np.ndarray:
    assert (phases >= 0.0).all()
    assert (phases < TURN).all()
    return np.histogram(phases, bins=BINS, range=(0.0, TURN))[0] / phases.size


def draw(one: PhaseFocus, count: int, focus: float, seed: int = 0) -> np.ndarray:
    """Phases of balls that are placed on targets that rest."""
    placed, still = np.ones(count, bool), np.zeros(count)
    return one.draw(placed, still, focus, np.random.default_rng(seed))


def note(one: PhaseFocus, phases: np.ndarray, solved: np.ndarray) -> None:
    one.note(np.ones(len(phases), bool), np.zeros(len(phases)), phases, solved)


@pytest.mark.parametrize("focus", [0.0, 0.5, 1.0])
def test_without_experience_every_phase_is_drawn_alike(focus: float) -> None:
    assert np.allclose(shares(draw(PhaseFocus(), 20_000, focus)), 1 / BINS, atol=0.008)


@pytest.mark.parametrize("focus", [0.0, 0.6, 1.0])
def test_failures_are_drawn_more_often(focus: float) -> None:
    one = PhaseFocus()
    one.solved[:] = 1.0
    one.solved[1, 1, 3] = 0.0
    found = shares(draw(one, 20_000, focus))
    weight = (FLOOR + 1.0) / (BINS * FLOOR + 1.0)
    assert found[3] == pytest.approx(focus * weight + (1 - focus) / BINS, abs=0.015)
    assert found.min() > 0.0, "what is known must not be forgotten"


def test_each_way_to_begin_is_remembered_by_itself() -> None:
    """Balls placed on the targets or not; targets that turn cw, rest, or turn ccw."""
    one, ways = PhaseFocus(), []
    for placed in (False, True):
        for turn in (-0.3, 0.0, 1.0):
            phase = (len(ways) + 0.5) * WIDTH
            one.note(np.array([placed]), np.array([turn]), np.array([phase]), np.zeros(1))
            ways.append((placed, turn))
    assert (one.solved < 0.5).sum() == 6
    one.solved[one.solved < 0.5] = -1e6  # hardly anything else is drawn
    for at, (placed, turn) in enumerate(ways):
        which = np.full(50, placed), np.full(50, turn)
        drawn = one.draw(*which, 1.0, np.random.default_rng(0))
        assert (np.floor(drawn / WIDTH) == at).all()


def test_an_episode_counts_for_the_phase_it_started_at() -> None:
    one = PhaseFocus()
    phases = np.array([0.0, 3.5 * WIDTH, TURN - 1e-9, -0.5 * WIDTH, TURN + 5.5 * WIDTH])
    note(one, phases, np.ones(5))
    solved = one.solved[1, 1]
    assert np.flatnonzero(solved > 0.5).tolist() == [0, 3, 5, BINS - 1]
    twice = 0.5 + 0.05 * 0.5
    assert solved[BINS - 1] == pytest.approx(twice + 0.05 * (1 - twice))


def test_memory_follows_what_happens() -> None:
    one = PhaseFocus()
    bin_ = int(1.0 / WIDTH)
    for share in (0.9, 0.1):
        for _ in range(200):
            note(one, np.array([1.0]), np.array([share]))
        assert one.solved[1, 1, bin_] == pytest.approx(share, abs=1e-3)
    one.solved[1, 1, bin_] = 0.5
    assert (one.solved == 0.5).all()


def test_a_seed_repeats() -> None:
    first, again = (draw(PhaseFocus(), 50, 0.5, seed=1) for _ in range(2))
    assert np.array_equal(first, again)
