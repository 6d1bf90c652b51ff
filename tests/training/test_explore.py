from collections.abc import Iterator

import numpy as np
import pytest
import torch

from training.explore import CorrelatedGaussian

HANDS, MUSCLES, STEPS, SIGMA = 8, 39, 600, 0.15


@pytest.fixture(autouse=True)
def seeded() -> Iterator[None]:
    state = torch.get_rng_state()
    torch.manual_seed(0)
    yield
    torch.set_rng_state(state)


def noise(correlation: float, mean: float = 0.3) -> np.ndarray:
    """Standardised samples of a rollout, (STEPS, HANDS, MUSCLES)."""
    one = CorrelatedGaussian(MUSCLES, SIGMA, correlation)
    out = []
    for _ in range(STEPS):
        one.update(torch.full((HANDS, MUSCLES), mean))
        out.append((one.sample() - mean) / SIGMA)
    return torch.stack(out).numpy()


def lagged(samples: np.ndarray, lag: int) -> float:
    return float((samples[lag:] * samples[:-lag]).mean())


@pytest.mark.parametrize("correlation", [0.0, 0.5, 0.85])
def test_samples_keep_mean_and_deviation_and_have_the_correlation(correlation: float) -> None:
    samples = noise(correlation)
    assert samples.mean() == pytest.approx(0.0, abs=0.02)
    assert samples.std() == pytest.approx(1.0, abs=0.02)
    assert lagged(samples, 1) == pytest.approx(correlation, abs=0.02)
    assert lagged(samples, 3) == pytest.approx(correlation**3, abs=0.02)


def test_the_first_sample_has_the_full_deviation() -> None:
    firsts = []
    for _ in range(50):
        one = CorrelatedGaussian(MUSCLES, SIGMA, 0.9)
        one.update(torch.zeros(HANDS, MUSCLES))
        firsts.append(one.sample())
    assert torch.stack(firsts).std() == pytest.approx(SIGMA, rel=0.03)


def test_hands_and_muscles_are_independent_of_each_other() -> None:
    samples = noise(0.5).reshape(STEPS, -1)
    correlations = np.corrcoef(samples.T)
    np.fill_diagonal(correlations, 0.0)
    assert np.abs(correlations).max() < 0.35
    assert np.abs(correlations).mean() < 0.05


def test_the_mean_of_each_hand_and_muscle_is_the_networks() -> None:
    one = CorrelatedGaussian(MUSCLES, 1e-6, 0.7)
    mean = torch.linspace(-1, 1, HANDS * MUSCLES).reshape(HANDS, MUSCLES)
    one.update(mean)
    assert torch.allclose(one.sample(), mean, atol=1e-4)


def test_samples_of_an_update_are_white() -> None:
    one = CorrelatedGaussian(MUSCLES, SIGMA, 0.95)
    one.update(torch.zeros(STEPS, HANDS, MUSCLES))
    samples = (one.sample() / SIGMA).numpy()
    assert samples.std() == pytest.approx(1.0, abs=0.02)
    assert lagged(samples, 1) == pytest.approx(0.0, abs=0.02)


def test_an_update_between_leaves_the_memory_alone() -> None:
    one = CorrelatedGaussian(MUSCLES, SIGMA, 0.999)
    one.update(torch.zeros(HANDS, MUSCLES))
    before = one.sample()
    one.update(torch.zeros(STEPS, HANDS, MUSCLES))
    one.sample()
    one.update(torch.zeros(HANDS, MUSCLES))
    after = one.sample()
    assert np.corrcoef(before.ravel(), after.ravel())[0, 1] > 0.98


def test_tune_sets_both() -> None:
    one = CorrelatedGaussian(MUSCLES, SIGMA, 0.5)
    one.tune(0.05, 0.0)
    one.update(torch.zeros(HANDS, MUSCLES))
    assert torch.allclose(one.std, torch.tensor(0.05))
    assert one.correlation == 0.0


def test_the_deviation_is_not_learned() -> None:
    one = CorrelatedGaussian(MUSCLES, SIGMA, 0.5)
    assert not any(parameter.requires_grad for parameter in one.parameters())


def test_the_log_probability_is_that_of_an_independent_gaussian() -> None:
    one = CorrelatedGaussian(MUSCLES, SIGMA, 0.9)
    one.update(torch.zeros(HANDS, MUSCLES))
    one.sample()
    action = one.sample()
    expected = torch.distributions.Normal(0.0, SIGMA).log_prob(action).sum(-1)
    assert torch.allclose(one.log_prob(action), expected, atol=1e-4)


def test_another_number_of_hands_starts_a_memory_of_its_own() -> None:
    one = CorrelatedGaussian(MUSCLES, SIGMA, 0.9)
    one.update(torch.zeros(HANDS, MUSCLES))
    one.sample()
    one.update(torch.zeros(2, MUSCLES))
    assert one.sample().shape == (2, MUSCLES)


def test_a_seed_repeats() -> None:
    torch.manual_seed(4)
    first = noise(0.6)
    torch.manual_seed(4)
    assert np.array_equal(first, noise(0.6))
