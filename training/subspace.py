"""Dimensions: principal components, projections onto them, linear decoding. Plain numpy."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from controller.messages import Array

RIDGE: Final = 0.1  # of the features' unit variance: keeps near-copies from cancelling
HELD_OUT: Final = 0.3  # of the groups, for scoring a decoder


@dataclass(frozen=True)
class Components:
    """Principal components of samples.

    Attributes:
        mean: of the samples, (n,).
        axes: unit vectors, one a row, the most variance first, (n, n).
        share: of the variance on each axis, (n,), summing to 1.
    """

    mean: Array
    axes: Array
    share: Array

    @classmethod
    def of(cls, samples: Array) -> "Components":
        """Of samples (steps, n), centred and not rescaled."""
        mean = samples.mean(axis=0)
        values, vectors = np.linalg.eigh(np.cov(samples, rowvar=False))
        order = np.argsort(values)[::-1]
        variance = np.maximum(values[order], 0.0)
        total = variance.sum()
        share = variance / total if total > 0 else np.full(variance.size, 1.0 / variance.size)
        return cls(mean, vectors.T[order], share)

    def count_for(self, share: float) -> int:
        """How many components hold this share of the variance."""
        return int(np.searchsorted(np.cumsum(self.share), share - 1e-12) + 1)

    def first(self, k: int) -> Array:
        """The projection onto the first ``k`` axes, (n, n)."""
        kept: Array = self.axes[:k].T @ self.axes[:k]
        return kept

    def last(self, k: int) -> Array:
        """The projection onto the last ``k`` axes, (n, n)."""
        kept: Array = self.axes[len(self.axes) - k :].T @ self.axes[len(self.axes) - k :]
        return kept

    def project(self, samples: Array, onto: Array) -> Array:
        """Samples (..., n) with all but a projection held at their mean."""
        moved: Array = self.mean + (samples - self.mean) @ onto
        return moved


def decode(
    features: Array, wanted: Array, groups: NDArray[np.intp], rng: np.random.Generator
) -> Array:
    """Predict ``wanted`` from ``features`` by ridge regression, on groups left out.

    Args:
        features: (samples, n).
        wanted: (samples, m).
        groups: which episode a sample is of, (samples,): no episode is on both sides.
        rng: draws the groups that are left out.

    Returns:
        Predictions and truth of the samples left out, (2, left out, m).
    """
    names = rng.permutation(np.unique(groups))
    out = np.isin(groups, names[: max(1, round(HELD_OUT * names.size))])
    mean, spread = features[~out].mean(axis=0), features[~out].std(axis=0) + 1e-9
    known, asked = (features[~out] - mean) / spread, (features[out] - mean) / spread
    centre = wanted[~out].mean(axis=0)
    gram = known.T @ known + RIDGE * len(known) * np.eye(known.shape[1])
    weights = np.linalg.solve(gram, known.T @ (wanted[~out] - centre))
    return np.stack([asked @ weights + centre, wanted[out]])


def accuracy(pair: Array) -> float:
    """Share of samples whose largest column is the right one; ``pair`` as of ``decode``."""
    predicted, truth = pair
    return float((predicted.argmax(axis=1) == truth.argmax(axis=1)).mean())


def r_squared(pair: Array) -> float:
    """Share of the variance that is explained, of one column; below 0 is worse than the mean."""
    predicted, truth = pair
    rest = ((truth - predicted) ** 2).sum()
    return float(1.0 - rest / ((truth - truth.mean(axis=0)) ** 2).sum())
