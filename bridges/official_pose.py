"""An official hand posture environment as a plant: its score under the very tick of the daemon."""

import os
import warnings
from typing import Any, Final, cast

import gymnasium as gym
import mujoco
import numpy as np

from bridges.mujoco_hand import versions
from bridges.pose_hand import PoseLayout, check_pose_names
from controller.errors import SettingsError
from controller.messages import Array, Excitation, Feedback
from controller.names import JOINTS, MUSCLES
from controller.ports import PlantInfo
from controller.skills import posture

DIGITS: Final = tuple(f"myoHandPose{digit}Fixed-v0" for digit in range(10))
RANDOM: Final = "myoHandPoseRandom-v0"
HORIZON: Final = 100
JOINT_NOISE_RAD: Final = 0.1  # standard deviation, of a perturbed start


class OfficialPose:
    """Steps the environment; success and target are the environment's own.

    Attributes:
        solved: one bool for each step of the episode so far, from its ``rwd_dict``.
        seed: of the next ``reset``.
    """

    def __init__(self, env_id: str, perturb: bool) -> None:
        if env_id not in (*DIGITS, RANDOM):
            raise SettingsError(
                f"--env {env_id}: not known; allowed: {DIGITS[0]} ... {DIGITS[-1]}, {RANDOM}"
            )
        if env_id == RANDOM and perturb:
            raise SettingsError(f"--perturb is for the fixed digits; {RANDOM} draws its own start")
        os.environ.setdefault("MUJOCO_GL", "egl")  # nothing is drawn; no window is needed
        import myosuite  # noqa: F401  (registers the environments)

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the builder's own, on empty prefixes
            self._env = gym.make(env_id, normalize_act=False)
        self._task = cast(Any, self._env.unwrapped)  # PoseEnvV0, which has no types
        check_pose_names(self._task.model)
        self._layout = PoseLayout(self._task.model)
        self._perturb = perturb
        self.seed = 0
        self.solved: list[bool] = []
        rate = 1.0 / posture.CONTROL_STEP_S
        self.info = PlantInfo(env_id, MUSCLES, JOINTS, rate, versions())

    @property
    def over(self) -> bool:
        """Whether the episode has ended."""
        return len(self.solved) >= HORIZON

    @property
    def target_rad(self) -> Array:
        """The environment's target angles in the shared order [rad], (23,)."""
        target: Array = self._task.target_jnt_value[self._layout.joints]
        return target

    def reset(self) -> None:
        """Start the episode of ``seed``."""
        self._env.reset(seed=self.seed)
        if self._perturb:
            rng = np.random.default_rng(self.seed)
            model, data = self._task.model, self._task.data
            joints = data.qpos + rng.normal(0.0, JOINT_NOISE_RAD, len(JOINTS))
            data.qpos[:] = np.clip(joints, *model.jnt_range.T)
            mujoco.mj_forward(model, data)
        self.solved = []

    def read(self) -> Feedback:
        """The newest feedback."""
        data = self._task.data
        return self._layout.feedback(
            np.array(data.time), data.qpos, data.qvel, data.act, data.xpos, data.xmat
        )

    def write(self, excitation: Excitation) -> Excitation:
        """One official step; nothing after the episode's end."""
        if self.over:
            return excitation
        _, _, _, _, info = self._env.step(excitation)
        self.solved.append(bool(info["rwd_dict"]["solved"]))
        return excitation

    def close(self) -> None:
        """Close the environment."""
        self._env.close()
