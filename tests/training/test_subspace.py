import numpy as np
import pytest

from training.subspace import Components, accuracy, decode, r_squared


def samples() -> np.ndarray:
    """Three dimensions with deviations 3, 1 and 0.1, turned by 0.3 rad in the first two."""
    rng = np.random.default_rng(0)
    raw = rng.normal(size=(4000, 3)) * (3.0, 1.0, 0.1)
    turn = np.array([[np.cos(0.3), np.sin(0.3), 0], [-np.sin(0.3), np.cos(0.3), 0], [0, 0, 1]])
    return raw @ turn + (1.0, 2.0, 3.0)


def test_components_are_ordered_and_turned_as_the_data() -> None:
    found = Components.of(samples())
    assert found.mean == pytest.approx([1.0, 2.0, 3.0], abs=0.2)
    assert abs(found.axes[0] @ [np.cos(0.3), np.sin(0.3), 0]) == pytest.approx(1.0, abs=1e-3)
    assert found.share.sum() == pytest.approx(1.0)
    assert found.share[0] == pytest.approx(9 / 10.01, abs=0.01)


def test_the_count_for_a_share() -> None:
    found = Components(np.zeros(4), np.eye(4), np.array([0.6, 0.25, 0.1, 0.05]))
    assert [found.count_for(share) for share in (0.5, 0.6, 0.85, 0.95, 1.0)] == [1, 1, 2, 3, 4]


def test_still_samples_have_components_too() -> None:
    assert Components.of(np.ones((5, 3))).share == pytest.approx([1 / 3] * 3)


def test_projections_keep_what_they_say() -> None:
    found, data = Components.of(samples()), samples()
    assert found.project(data, found.first(3)) == pytest.approx(data)
    assert found.project(data, found.first(0)) == pytest.approx(np.tile(found.mean, (4000, 1)))
    assert found.first(1) + found.last(2) == pytest.approx(np.eye(3))
    kept = Components.of(found.project(data, found.first(1)))
    assert kept.share[0] == pytest.approx(1.0)
    assert found.last(0) == pytest.approx(np.zeros((3, 3)))


def test_decoding_finds_what_is_there_and_not_what_is_not() -> None:
    rng = np.random.default_rng(1)
    groups = np.repeat(np.arange(60), 5)
    hidden, other = rng.normal(size=(2, 60, 1))
    features = np.hstack([hidden[groups], rng.normal(size=(300, 4))])
    seen = decode(features, 2 * hidden[groups] + 1, groups, np.random.default_rng(0))
    unseen = decode(features, other[groups], groups, np.random.default_rng(0))
    assert r_squared(seen) > 0.95
    assert r_squared(unseen) < 0.2
    assert seen.shape == (2, 18 * 5, 1)  # whole groups are left out


def test_accuracy_is_of_the_largest() -> None:
    predicted = np.array([[0.1, 0.2], [0.9, 0.3], [0.5, 0.4], [0.0, 1.0]])
    truth = np.array([[0.0, 1.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
    assert accuracy(np.stack([predicted, truth])) == 0.75
