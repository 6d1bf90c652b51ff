"""Small disturbances of hands and balls, each hand's of a size of its own."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from controller.names import JOINTS, MUSCLES
from training.batch import Disturbance

TOUCHED: Final = 0.5  # share of their joints and muscles that are
SIZES: Final = (-1.5, 0.3)  # natural logarithm of a disturbance's size, least and most
ANGLE_RAD, SPEED_RAD_S, ACTIVATION = 0.02, 0.3, 0.03  # at size 1
PLACE_M, VELOCITY_M_S, SPIN_RAD_S = 0.0005, 0.02, 1.0


def disturbance(count: int, rng: np.random.Generator) -> Disturbance:
    """Drawn for so many hands, each of a size of its own."""
    size = np.exp(rng.uniform(*SIZES, (count, 1)))

    def some(spread: float, of: int) -> NDArray[np.float64]:
        return rng.normal(0.0, spread, (count, of)) * size * (rng.random((count, of)) < TOUCHED)

    def ball(spread: float) -> NDArray[np.float64]:
        return rng.normal(0.0, spread, (count, 2, 3)) * size[..., None]

    return Disturbance(
        angle=some(ANGLE_RAD, len(JOINTS)),
        speed=some(SPEED_RAD_S, len(JOINTS)),
        activation=some(ACTIVATION, len(MUSCLES)),
        place=ball(PLACE_M),
        velocity=ball(VELOCITY_M_S),
        spin=ball(SPIN_RAD_S),
    )
