"""An official Baoding environment as a plant: its score under the very tick of the daemon."""

import os
from typing import Any, Final, Literal, cast

import gymnasium as gym
import mujoco
import numpy as np

from bridges.mujoco_hand import versions
from bridges.myohand import Layout, check_names
from controller.errors import SettingsError
from controller.messages import Excitation, Feedback
from controller.names import JOINTS, MUSCLES
from controller.ports import PlantInfo
from controller.skills import baoding

P1: Final = "myoChallengeBaodingP1-v1"
P2: Final = "myoChallengeBaodingP2-v1"
HORIZON: Final = 200
JOINT_NOISE_RAD: Final = 0.05  # standard deviation, of a perturbed start
BALL_NOISE_M: Final = 0.003  # uniform, x and y
PHASE_NOISE_RAD: Final = np.pi / 12  # uniform

Start = Literal["classic", "current"]


class OfficialEnv:
    """Steps the environment; success, drops and targets are the environment's own.

    Attributes:
        solved: one bool for each step of the episode so far, from its ``rwd_dict``.
        dropped: whether the environment ended the episode.
        seed: of the next ``reset``.
    """

    def __init__(self, env_id: str, start: Start, perturb: bool) -> None:
        if env_id not in (P1, P2):
            raise SettingsError(f"--env {env_id}: not known; allowed: {P1}, {P2}")
        if env_id == P2 and (start != "current" or perturb):
            raise SettingsError(f"--start classic and --perturb are for {P1}; {P2} draws its own")
        os.environ.setdefault("MUJOCO_GL", "egl")  # nothing is drawn; no window is needed
        import myosuite  # noqa: F401  (registers the environments)

        self._env = gym.make(env_id, normalize_act=False)
        self._task = cast(Any, self._env.unwrapped)  # BaodingEnv, which has no types
        check_names(self._task.model)
        self._layout = Layout(self._task.model)
        self._perturb = perturb
        if env_id == P1:
            angle = {
                "classic": baoding.START_ANGLE_CLASSIC_RAD,
                "current": baoding.START_ANGLE_CURRENT_RAD,
            }
            self._start_angle: float | None = angle[start]
        else:
            self._start_angle = None
        self.seed = 0
        self.solved: list[bool] = []
        self.dropped = False
        rate = 1.0 / baoding.CONTROL_STEP_S
        self.info = PlantInfo(env_id, MUSCLES, JOINTS, rate, versions())

    @property
    def over(self) -> bool:
        """Whether the episode has ended, by a drop or by time."""
        return self.dropped or len(self.solved) >= HORIZON

    @property
    def task_name(self) -> str:
        """``hold``, ``cw`` or ``ccw``."""
        return str(self._task.which_task.name).lower().removeprefix("baoding_")

    def reset(self) -> None:
        """Start the episode of ``seed``."""
        rng = np.random.default_rng(self.seed)
        if self._start_angle is not None:
            noise = rng.uniform(-PHASE_NOISE_RAD, PHASE_NOISE_RAD) if self._perturb else 0.0
            self._task.ball_1_starting_angle = self._start_angle + noise
            self._task.ball_2_starting_angle = self._start_angle + noise - np.pi
        self._env.reset(seed=self.seed)
        if self._perturb:
            self._shake(rng)
        self.solved, self.dropped = [], False

    def _shake(self, rng: np.random.Generator) -> None:
        model, data = self._task.model, self._task.data
        hand = len(JOINTS)
        joints = data.qpos[:hand] + rng.normal(0.0, JOINT_NOISE_RAD, hand)
        data.qpos[:hand] = np.clip(joints, *model.jnt_range[:hand].T)
        for address in self._layout.ball_qpos:
            data.qpos[address : address + 2] += rng.uniform(-BALL_NOISE_M, BALL_NOISE_M, 2)
        mujoco.mj_forward(model, data)

    def read(self) -> Feedback:
        """The newest feedback."""
        data = self._task.data
        return self._layout.feedback(
            np.array(data.time),
            data.qpos.copy(),
            data.qvel.copy(),
            data.act.copy(),
            data.xpos,
            data.xmat,
        )

    def write(self, excitation: Excitation) -> Excitation:
        """One official step; nothing after the episode's end."""
        if self.over:
            return excitation
        _, _, ended, _, info = self._env.step(excitation)
        self.solved.append(bool(info["rwd_dict"]["solved"]))
        self.dropped = bool(ended)
        return excitation

    def rotation(self) -> float:
        """The environment's own task as an intention: signed share of the fastest speed."""
        return self._rate() / baoding.FASTEST_RATE_RAD_S

    def _rate(self) -> float:
        return float(self._task.goal[1, 0] - self._task.goal[0, 0]) / baoding.CONTROL_STEP_S

    def begin(self, _feedback: Feedback) -> baoding.BaodingGoal:
        """The goal that is in step with the environment's own targets."""
        return baoding.begin_at(
            self._task.ball_1_starting_angle,
            self._rate(),
            (self._task.x_radius, self._task.y_radius),
        )

    def targets(self) -> np.ndarray:
        """The environment's target sites in the world [m], (2, 3)."""
        sites = [self._task.target1_sid, self._task.target2_sid]
        found: np.ndarray = self._task.data.site_xpos[sites].copy()
        return found

    def close(self) -> None:
        """Close the environment."""
        self._env.close()
