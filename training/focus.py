"""Start phases drawn where the policy still fails.

A policy soon holds the balls where the open hand cradles them and learns nothing more
there, while elsewhere they roll off within ten steps: uniform starts fill the batch
with what is known. The share of solved steps is remembered by start phase.
"""

from typing import Final

import numpy as np

from controller.messages import Array

BINS: Final = 24
MEMORY: Final = 0.95  # of a bin's solved share, at each episode that started there
FLOOR: Final = 0.15  # weight of a phase that is always solved; one that never is has 1 more


class PhaseFocus:
    """Remembers how well episodes went by the phase that they started at."""

    def __init__(self) -> None:
        self.solved = np.full(BINS, 0.5)

    def draw(self, count: int, focus: float, rng: np.random.Generator) -> Array:
        """Start phases [rad], (count,): a share ``focus`` by failure, the rest uniform."""
        weight = FLOOR + 1.0 - self.solved
        bins = rng.choice(BINS, size=count, p=weight / weight.sum())
        focused = (bins + rng.random(count)) * (2 * np.pi / BINS)
        uniform = rng.uniform(0.0, 2 * np.pi, count)
        return np.where(rng.random(count) < focus, focused, uniform)

    def note(self, phase_rad: Array, solved_share: Array) -> None:
        """Enter ended episodes: where they started, and their share of solved steps."""
        bins = (np.mod(phase_rad, 2 * np.pi) / (2 * np.pi) * BINS).astype(np.intp) % BINS
        for one, share in zip(bins.tolist(), solved_share.tolist(), strict=True):
            self.solved[one] += (1.0 - MEMORY) * (share - self.solved[one])
