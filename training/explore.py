"""Exploration noise with memory: small, lasting movements are what has to be found."""

import torch
from rsl_rl.modules.distribution import GaussianDistribution


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

    def tune(self, sigma: float, correlation: float) -> None:
        """Set the standard deviation and the correlation of the noise."""
        self.std_param.data.fill_(sigma)
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
