"""The frozen messages that travel round the loop. SI units inside.

Array fields may carry leading batch axes (``...``): training steps many hands
with the very code that runs one.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]
Excitation = NDArray[np.float32]  # (..., 39), 0-1, in the order of names.MUSCLES


@dataclass(frozen=True, slots=True)
class Intention:
    """What the person wants now, and how old that wish is.

    Attributes:
        values: (channels,) in the order of the skill's channels, each in its own range.
        engage: the dead-man, 0-1; below 0.5 means relax.
        age_s: seconds since the sample was made; infinite before the first sample.
        fault: why this sample can't be trusted, or "" when it can.
        raw_stamp_s: the sender's own time stamp [s], NaN before the first sample.
        correction_s: added to it gives the local LSL clock [s]; NaN while not measured.
        fresh: whether a new sample came in since the last read.
    """

    values: Array
    engage: float
    age_s: float
    fault: str = ""
    raw_stamp_s: float = float("nan")
    correction_s: float = float("nan")
    fresh: bool = False


@dataclass(frozen=True, slots=True)
class Feedback:
    """What the plant measures, derived quantities refreshed.

    Attributes:
        time_s: plant time [s], (...).
        joint_pos: [rad], (..., 23).
        joint_vel: [rad/s], (..., 23).
        activation: muscle activation 0-1, (..., 39).
        palm_pos: origin of the palm frame in the world [m], (..., 3).
        palm_rot: rotation matrix of the palm frame, (..., 3, 3).
        object_pos: object centres in the world [m], (..., n, 3).
        object_vel: linear velocities in the world [m/s], (..., n, 3).
        age_s: how old this is [s]; 0 for a hand in this process.
        fault: why it is late, in words, where that is known.
    """

    time_s: Array
    joint_pos: Array
    joint_vel: Array
    activation: Array
    palm_pos: Array
    palm_rot: Array
    object_pos: Array
    object_vel: Array
    age_s: float = 0.0
    fault: str = ""


@dataclass(frozen=True, slots=True)
class Goal:
    """What the skill asks for now; each skill adds its own fields."""


@dataclass(frozen=True, slots=True)
class MuscleCommand:
    """The gate's verdict: what may be sent, and why it differs from the wish.

    Attributes:
        excitation: (39,) 0-1, allowed to be sent.
        reasons: bit set of ``states.Reason``; 0 when the wish passed untouched.
        relaxed: whether the command is the relaxed hand, fully ramped down.
    """

    excitation: Excitation
    reasons: int
    relaxed: bool
