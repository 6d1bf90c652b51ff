"""Where targets come from: digits, postures, blends of channels, measured and official ranges."""

import functools
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from controller.messages import Array
from controller.names import JOINT_RANGE_RAD, JOINTS
from controller.skills import posture

REACHABLE: Final = Path(__file__).with_name("reachable.csv")
DIGITS: Final = 10
SIDE_CHANNELS: Final = 0.3  # share of blends that move each channel besides the grip
MEMORY: Final = 0.97  # of a named target's success, at each episode that asked for it
FLOOR: Final = 0.15  # weight of a target that is always reached; one that never is has 1 more


@functools.cache
def named() -> Array:
    """All named postures, the digits first [rad], (n, 23)."""
    table = posture.table()
    return np.array([table.named(name) for name in table.postures])


@functools.cache
def reachable() -> Array:
    """Settled postures of steady excitations (training/posture/reachable.py) [rad], (n, 23)."""
    with REACHABLE.open(encoding="utf-8") as file:
        header = file.readline().strip().split(",")
        rows = np.loadtxt(file, delimiter=",", ndmin=2)
    return rows[:, [header.index(joint) for joint in JOINTS]]


def official_range() -> tuple[Array, Array]:
    """Least and most of each joint over the ten digits, as ``myoHandPoseRandom-v0`` draws."""
    digits = named()[:DIGITS]
    return digits.min(axis=0), digits.max(axis=0)


def joint_range() -> tuple[Array, Array]:
    """Least and most of each joint in the model [rad], (23,) each."""
    low, high = np.array([JOINT_RANGE_RAD[joint] for joint in JOINTS]).T
    return low, high


def intentions(count: int, rng: np.random.Generator) -> Array:
    """Random blends of the channels, (count, 8): grips, and some of everything else."""
    low = np.array([channel.low for channel in posture.CHANNELS])
    high = np.array([channel.high for channel in posture.CHANNELS])
    high[-1] = 0.0  # no named posture
    values = rng.uniform(low, high, (count, len(low)))
    values[rng.random(values.shape) > SIDE_CHANNELS] = 0.0
    grip = rng.uniform(0.0, 1.0, count)
    values[:, 0] = np.where(rng.random(count) < 0.25, np.rint(grip), grip)
    return values


class Focus:
    """Remembers how often each named posture was reached, to ask for what is missed."""

    def __init__(self) -> None:
        self.solved = np.full(len(named()), 0.5)

    def draw(self, count: int, of: int, focus: float, rng: np.random.Generator) -> NDArray[np.intp]:
        """Numbers of named postures below ``of``: a share ``focus`` by failure."""
        weight = FLOOR + 1.0 - self.solved[:of]
        focused = rng.choice(of, size=count, p=weight / weight.sum())
        return np.where(rng.random(count) < focus, focused, rng.integers(0, of, count))

    def note(self, which: NDArray[np.intp], solved: Array) -> None:
        """Enter ended targets by number, below 0 for one without a name."""
        for one, share in zip(which.tolist(), solved.tolist(), strict=True):
            if one >= 0:
                self.solved[one] += (1.0 - MEMORY) * (share - self.solved[one])
