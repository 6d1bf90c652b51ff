"""The MyoHand model with two Baoding balls, and where its quantities live.

The scene ships with myosuite only (``myohand_baoding.xml``), so it is built by
myosuite's own builder, exactly as the official environments build it.
"""

import functools
from dataclasses import dataclass
from typing import Final

import mujoco
import numpy as np
from numpy.typing import NDArray

from controller.errors import ContractError
from controller.messages import Array, Feedback
from controller.names import JOINTS, MUSCLES

PALM_BODY: Final = "trapezium"  # the body that carries the official target sites
BALLS: Final = ("ball1", "ball2")
PALM_UP_RAD: Final = -1.57  # official start: pro_sup turned so that the palm looks up
FREE_DOFS: Final = 6  # of a free joint: 3 linear, then 3 angular
FREE_QPOS: Final = 7


@functools.cache
def _built() -> tuple[mujoco.MjModel, mujoco.MjSpec]:
    from importlib.resources import as_file, files

    from myosuite.core.model_builder import ModelBuilder

    scene = files("myosuite") / "envs/myo/assets/hand/myohand_baoding.xml"
    with as_file(scene) as path:
        model, spec = ModelBuilder.from_xml_file(str(path)).build()
    return model, spec


def load_model() -> mujoco.MjModel:
    """A fresh copy of the official Baoding model, its names checked.

    Raises:
        ContractError: muscles or joints are not those of ``controller.names``.
    """
    import copy

    model = copy.copy(_built()[0])
    check_names(model)
    return model


def check_names(model: mujoco.MjModel) -> None:
    """Refuse a model whose muscles or joints differ, and say which.

    Raises:
        ContractError: names the first that differs.
    """
    muscles = [model.actuator(i).name for i in range(model.nu)]
    joints = [model.joint(i).name for i in range(min(model.njnt, len(JOINTS)))]
    for kind, found, wanted in (("muscle", muscles, MUSCLES), ("joint", joints, JOINTS)):
        if len(found) != len(wanted):
            raise ContractError(f"the model has {len(found)} {kind}s, myoloop has {len(wanted)}")
        for index, (name, expected) in enumerate(zip(found, wanted, strict=True)):
            if name != expected:
                raise ContractError(f"{kind} {index} of the model is {name!r}, not {expected!r}")


@dataclass(frozen=True)
class Start:
    """The official start of an episode: open hand, palm up, balls just above it."""

    qpos: Array

    @classmethod
    def of(cls, model: mujoco.MjModel) -> "Start":
        """Read it from the model's default configuration."""
        qpos = model.qpos0.copy()
        qpos[: len(JOINTS)] = 0.0
        qpos[0] = PALM_UP_RAD
        return cls(qpos)


class Layout:
    """Indices of the hand's and the balls' quantities in a compiled model."""

    def __init__(self, model: mujoco.MjModel) -> None:
        self.palm = model.body(PALM_BODY).id
        self.balls = np.array([model.body(name).id for name in BALLS])
        self.ball_geoms = np.array([model.geom(name).id for name in BALLS])
        self.ball_bvh = model.body_bvhadr[self.balls]
        joints = [model.body(name).jntadr[0] for name in BALLS]
        self.ball_qpos = np.array([model.jnt_qposadr[j] for j in joints])
        self.ball_dof = np.array([model.jnt_dofadr[j] for j in joints])
        self.ball_linear = self.ball_dof[:, None] + np.arange(3)  # (2, 3)
        self.ball_angular = self.ball_linear + 3  # (2, 3)

    def feedback(
        self,
        time_s: Array,
        qpos: Array,
        qvel: Array,
        act: Array,
        xpos: Array,
        xmat: Array,
    ) -> Feedback:
        """Pick the feedback out of MuJoCo's arrays, with or without batch axes.

        What comes from ``xpos`` and ``xmat`` is copied; the others are as they are given.
        """
        hand = len(JOINTS)
        return Feedback(
            time_s=time_s,
            joint_pos=qpos[..., :hand],
            joint_vel=qvel[..., :hand],
            activation=act,
            palm_pos=xpos[..., self.palm, :].copy(),
            palm_rot=xmat[..., self.palm, :].reshape(*xmat.shape[:-2], 3, 3).copy(),
            object_pos=xpos.take(self.balls, axis=-2),
            object_vel=qvel.take(self.ball_linear, axis=-1),
        )


def to_excitation(action: NDArray[np.float64]) -> NDArray[np.float64]:
    """The official map from an action of -1-1 to muscle excitation (myosuite base_action)."""
    excitation: NDArray[np.float64] = 1.0 / (1.0 + np.exp(-5.0 * (np.clip(action, -1, 1) - 0.5)))
    return excitation
