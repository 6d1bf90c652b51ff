"""The hand alone, without objects: the model of the official posture environments, as a plant.

It is composed by myosuite's own builder from the recipe ``hand_pose``, exactly as
``myoHandPose*-v0`` build it. Its names end in ``_r`` and two of its thumb joints come in
another order than in the Baoding scene: here is the only place that knows.
"""

import functools
import warnings
from typing import Any, Final

import mujoco
import numpy as np

from bridges.mujoco_hand import HandOptions, SimulatedHand
from controller.errors import ContractError
from controller.messages import Array, Feedback
from controller.names import JOINTS, MUSCLES
from controller.settings import convert

RECIPE: Final = "hand_pose"
SUFFIX: Final = "_r"  # of the right arm's names
PALM_BODY: Final = "trapezium_r"


@functools.cache
def _built() -> mujoco.MjModel:
    from myosuite.core.model_builder import build_from_recipe

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the builder's own, on empty prefixes
        return build_from_recipe(RECIPE)[0]


def load_pose_model() -> mujoco.MjModel:
    """A fresh copy of the official posture model, its names checked.

    Raises:
        ContractError: muscles or joints are not those of ``controller.names``.
    """
    import copy

    model = copy.copy(_built())
    check_pose_names(model)
    return model


def check_pose_names(model: mujoco.MjModel) -> None:
    """Refuse a model whose muscles or joints differ, and say which.

    Raises:
        ContractError: names the first that differs.
    """
    for index, name in enumerate(MUSCLES):
        found = model.actuator(index).name if index < model.nu else "missing"
        if found != name + SUFFIX:
            raise ContractError(f"muscle {index} of the model is {found!r}, not {name + SUFFIX!r}")
    joints = {model.joint(i).name for i in range(model.njnt)}
    for name in JOINTS:
        if name + SUFFIX not in joints:
            raise ContractError(f"the model has no joint {name + SUFFIX!r}")


class PoseLayout:
    """Where the hand's quantities live in the compiled model.

    Attributes:
        joints: place in qpos and qvel of each of ``names.JOINTS``, (23,).
    """

    def __init__(self, model: mujoco.MjModel) -> None:
        self.palm = model.body(PALM_BODY).id
        self.joints = np.array([model.joint(name + SUFFIX).qposadr[0] for name in JOINTS])

    def feedback(
        self, time_s: Array, qpos: Array, qvel: Array, act: Array, xpos: Array, xmat: Array
    ) -> Feedback:
        """Pick the feedback out of MuJoCo's arrays, with or without batch axes; copies."""
        shape = qpos.shape[:-1]
        return Feedback(
            time_s=time_s,
            joint_pos=qpos.take(self.joints, axis=-1),
            joint_vel=qvel.take(self.joints, axis=-1),
            activation=act.copy(),
            palm_pos=xpos[..., self.palm, :].copy(),
            palm_rot=xmat[..., self.palm, :].reshape(*shape, 3, 3).copy(),
            object_pos=np.zeros((*shape, 0, 3)),
            object_vel=np.zeros((*shape, 0, 3)),
        )


def create(options: dict[str, Any], rate_hz: float, origin: str) -> "PoseHand":
    """Make the plant ``pose-hand`` for a session.

    Raises:
        SettingsError: an option that it does not have.
        PlantError: the physics step does not divide the tick.
    """
    convert(options, HandOptions, origin)
    return PoseHand(rate_hz)


class PoseHand(SimulatedHand):
    """39 muscles, 23 joints, nothing to hold."""

    def __init__(self, rate_hz: float) -> None:
        model = load_pose_model()
        self.layout = PoseLayout(model)
        start_qpos = model.qpos0.copy()
        start_qpos[self.layout.joints] = 0.0
        super().__init__("pose-hand", model, self.layout, start_qpos, rate_hz)

    def start_at(self, joint_pos: Array) -> None:
        """Where the next reset puts the joints, (23,) [rad]."""
        self.start_qpos[self.layout.joints] = joint_pos
