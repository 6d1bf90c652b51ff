"""Exploration noise with memory: small, lasting movements are what has to be found."""

from typing import Final

import torch
from rsl_rl.modules.distribution import GaussianDistribution

MOST: Final = 5.0  # times the noise of a stage, for the most silent muscle


def even_sigma(sigma: float, excitation: float, action: torch.Tensor) -> torch.Tensor:
    """Noise of each muscle's action, (n,), that moves its excitation by ``excitation``.

    The sigmoid from action to excitation is flat where muscles rest: at an action of -0.5
    noise of 0.04 moves the excitation by a thousandth, and nothing is learned of a muscle
    that never moves. Between ``sigma`` and ``MOST`` times it.

    Args:
        sigma: the least standard deviation of an action.
        excitation: the standard deviation of excitation that is wanted.
        action: each muscle's mean action, (n,).
    """
    level = torch.sigmoid(5.0 * (action - 0.5))
    return (excitation / (5.0 * level * (1.0 - level))).clamp(sigma, MOST * sigma)


class CorrelatedGaussian(GaussianDistribution):
    """A Gaussian whose samples are correlated from step to step.

    ``e <- rho e + sqrt(1 - rho^2) x`` with white x: every sample still has the
    distribution's own mean and standard deviation, and the log-probability is
    taken as if samples were independent. White noise at 40 Hz on 39 muscles
    averages out before a finger has moved; this does not.
    """

    def __init__(self, output_dim: int, sigma: float, correlation: float) -> None:
        """Start with a fixed ``sigma``; the curriculum sets both through ``tune``."""
        super().__init__(output_dim, init_std=sigma, learn_std=False)
        self.correlation = correlation
        self._memory: torch.Tensor | None = None

    def tune(self, sigma: float | torch.Tensor, correlation: float) -> None:
        """Set the standard deviation, one for all or each muscle's own, and the correlation."""
        self.std_param.data[:] = sigma
        self.correlation = correlation

    def sample(self) -> torch.Tensor:
        """One sample for each hand; in an update (time, hands, n) plain white noise."""
        if self.mean.dim() != 2:
            white: torch.Tensor = super().sample()
            return white
        fresh = torch.randn_like(self.mean)
        if self._memory is None or self._memory.shape != fresh.shape:
            self._memory = fresh
        else:
            rho = self.correlation
            self._memory = rho * self._memory + (1.0 - rho * rho) ** 0.5 * fresh
        sample: torch.Tensor = self.mean + self.std * self._memory
        return sample
