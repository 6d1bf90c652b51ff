"""Start phases drawn where the policy still fails.

A policy soon holds the balls where the open hand cradles them and learns nothing more
there, while elsewhere they roll off within ten steps: uniform starts fill the batch
with what is known. The share of solved steps is remembered by how an episode begins: whether the
balls are on their targets or have to catch them, which way these turn, and where they are.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from controller.messages import Array

BINS: Final = 24
MEMORY: Final = 0.95  # of a bin's solved share, at each episode that started there
FLOOR: Final = 0.15  # weight of a phase that is always solved; one that never is has 1 more


class PhaseFocus:
    """Remembers how well episodes went by how they began.

    Attributes:
        solved: share of steps by whether the balls were placed on their targets, by the way that
            these turn (cw, none, ccw) and by their phase, (2, 3, 24).
    """

    def __init__(self) -> None:
        self.solved = np.full((2, 3, BINS), 0.5)

    def draw(
        self, placed: NDArray[np.bool_], rotation: Array, focus: float, rng: np.random.Generator
    ) -> Array:
        """Start phases [rad], (n,): a share ``focus`` by failure, the rest uniform.

        Args:
            placed: whether the balls will be on their targets, (n,).
            rotation: the intention, -1 to 1, (n,).
            focus: 0-1.
            rng: to draw with.
        """
        count = len(placed)
        known = self.solved[placed.astype(np.intp), _way(rotation)]
        reach = np.cumsum(FLOOR + 1.0 - known, axis=1)
        bins = (reach < rng.random((count, 1)) * reach[:, -1:]).sum(axis=1)
        focused = (bins + rng.random(count)) * (2 * np.pi / BINS)
        uniform = rng.uniform(0.0, 2 * np.pi, count)
        return np.where(rng.random(count) < focus, focused, uniform)

    def note(
        self, placed: NDArray[np.bool_], rotation: Array, phase_rad: Array, solved_share: Array
    ) -> None:
        """Enter ended episodes, (n,): how and where they started, share of their solved steps."""
        bins = (np.mod(phase_rad, 2 * np.pi) / (2 * np.pi) * BINS).astype(np.intp) % BINS
        entries = zip(placed.astype(int), _way(rotation), bins, solved_share, strict=True)
        for kind, way, bin_, share in entries:
            self.solved[kind, way, bin_] += (1.0 - MEMORY) * (share - self.solved[kind, way, bin_])


def _way(rotation: Array) -> NDArray[np.intp]:
    """Clockwise 0, none 1, counterclockwise 2."""
    return np.sign(rotation).astype(np.intp) + 1
