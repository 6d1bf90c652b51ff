"""The plant ``echo``: no physics and no mujoco; the muscles are at once what they are told.

For benches of everything round the hand. Its joints go where they are told (``pose``), and only
there. The palm and two balls are where the Baoding task
begins, and stay there.
"""

from typing import Any, Final

import msgspec
import numpy as np

from controller.messages import Array, Excitation, Feedback
from controller.names import JOINTS, MUSCLES
from controller.ports import PlantInfo
from controller.settings import convert

PALM_UP_RAD: Final = -1.57
PALM_POS_M: Final = (-0.2411773068760898, -0.46083322808153754, 1.4184287025116002)
PALM_ROT: Final = (
    (-0.9947987386836885, 0.10074986901480329, -0.01499778006381643),
    (0.10185420338076279, 0.9854772608791825, -0.13586864812654215),
    (0.0010912227145907, -0.13668954672382194, -0.9906133337732859),
)
BALLS_M: Final = ((-0.227, -0.511, 1.452), (-0.256, -0.552, 1.442))
"""Start of the official task: tests/hil/test_echo_plant.py holds these against the model."""


class EchoOptions(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """The echo has nothing to set."""


def create(options: dict[str, Any], rate_hz: float, origin: str) -> "EchoHand":
    """Make the plant ``echo`` for a session, at any rate.

    Raises:
        SettingsError: an option that it does not have.
    """
    convert(options, EchoOptions, origin)
    return EchoHand(rate_hz)


class EchoHand:
    """Gives back as activation what it was told as excitation."""

    def __init__(self, rate_hz: float) -> None:
        self.info = PlantInfo("echo", MUSCLES, JOINTS, rate_hz, {})
        self._period_s = 1.0 / rate_hz
        self._palm_pos, self._palm_rot = np.array(PALM_POS_M), np.array(PALM_ROT)
        self._balls = np.array(BALLS_M)
        self._balls_vel = np.zeros_like(self._balls)
        self.reset()

    def reset(self) -> None:
        """Back to the start, time included."""
        self._steps = 0
        self._activation: Array = np.zeros(len(MUSCLES))
        self._joints: Array = np.zeros(len(JOINTS))
        self._joints[0] = PALM_UP_RAD
        self._wanted, self._speed = self._joints, np.zeros(len(JOINTS))

    def read(self) -> Feedback:
        """The newest feedback; what it holds is never changed afterwards."""
        return Feedback(
            time_s=np.array(self._steps * self._period_s),
            joint_pos=self._joints,
            joint_vel=self._speed,
            activation=self._activation,
            palm_pos=self._palm_pos,
            palm_rot=self._palm_rot,
            object_pos=self._balls,
            object_vel=self._balls_vel,
        )

    def pose(self, joint_pos: Array) -> None:
        """Where the joints are to be after the next write [rad], (23,)."""
        self._wanted = joint_pos

    def write(self, excitation: Excitation) -> Excitation:
        """Take excitations, (39,), as activations; one tick goes by."""
        self._activation = excitation.astype(np.float64)
        self._speed = (self._wanted - self._joints) / self._period_s
        self._joints = self._wanted
        self._steps += 1
        return excitation

    def close(self) -> None:
        """Nothing to let go."""
