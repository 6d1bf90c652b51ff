"""The hand alone, without objects: the model of the official posture environments, as a plant.

It is composed by myosuite's own builder from the recipe ``hand_pose``, exactly as
``myoHandPose*-v0`` build it. Its names end in ``_r`` and two of its thumb joints come in
another order than in the Baoding scene: here is the only place that knows.
"""

import functools
import warnings
from importlib.metadata import version
from typing import Any, Final

import msgspec
import mujoco
import numpy as np

from bridges.mujoco_hand import DIVERGED
from controller.errors import ContractError, PlantError
from controller.messages import Array, Excitation, Feedback
from controller.names import JOINTS, MUSCLES
from controller.ports import PlantInfo
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
            joint_pos=qpos[..., self.joints],
            joint_vel=qvel[..., self.joints],
            activation=act.copy(),
            palm_pos=xpos[..., self.palm, :].copy(),
            palm_rot=xmat[..., self.palm, :].reshape(*shape, 3, 3).copy(),
            object_pos=np.zeros((*shape, 0, 3)),
            object_vel=np.zeros((*shape, 0, 3)),
        )


class PoseHandOptions(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """The simulated hand has nothing to set."""


def create(options: dict[str, Any], rate_hz: float, origin: str) -> "PoseHand":
    """Make the plant ``pose-hand`` for a session.

    Raises:
        SettingsError: an option that it does not have.
        PlantError: the physics step does not divide the tick.
    """
    convert(options, PoseHandOptions, origin)
    return PoseHand(rate_hz)


class PoseHand:
    """39 muscles, 23 joints; paused until the first write after a reset."""

    def __init__(self, rate_hz: float) -> None:
        self.model = load_pose_model()
        steps = 1.0 / rate_hz / self.model.opt.timestep
        self._substeps = round(steps)
        if self._substeps < 1 or abs(steps - self._substeps) > 1e-6:
            raise PlantError(
                f"plant pose-hand: {rate_hz:g} Hz is {steps:.3f} physics steps of "
                f"{self.model.opt.timestep * 1e3:g} ms; it must be a whole number"
            )
        self.data = mujoco.MjData(self.model)
        self.layout = PoseLayout(self.model)
        self.start_rad: Array = np.zeros(len(JOINTS))
        versions = {name: version(name) for name in ("mujoco", "myosuite", "myo-sim")}
        self.info = PlantInfo("pose-hand", MUSCLES, JOINTS, rate_hz, versions)
        self.reset()

    def reset(self) -> None:
        """The start posture ``start_rad``, at rest."""
        mujoco.mj_resetData(self.model, self.data)
        self.data.qpos[self.layout.joints] = self.start_rad
        mujoco.mj_forward(self.model, self.data)

    def read(self) -> Feedback:
        """The newest feedback; copies, so that it stays as it was."""
        data = self.data
        qpos = data.qpos.copy()
        if any(data.warning[kind].number for kind in DIVERGED):
            qpos[:] = np.nan  # MuJoCo has put it back to a finite state: do not believe it
        return self.layout.feedback(
            np.array(data.time), qpos, data.qvel, data.act, data.xpos, data.xmat
        )

    def write(self, excitation: Excitation) -> Excitation:
        """Apply excitations, (39,), for one tick; then refresh what is derived."""
        self.data.ctrl[:] = excitation
        mujoco.mj_step(self.model, self.data, self._substeps)
        mujoco.mj_forward(self.model, self.data)
        return excitation

    def close(self) -> None:
        """Nothing to let go."""
