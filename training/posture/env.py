"""Batched hands as the environment that rsl-rl trains on; the rewards of postures live here."""

from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from rsl_rl.env import VecEnv
from tensordict import TensorDict

from bridges.myohand import to_excitation
from controller.messages import Array, Feedback
from controller.names import MUSCLES
from controller.skills import posture
from training.posture.episodes import PostureEpisodes
from training.posture.hands import PoseHands
from training.posture.plan import PostureReward, PostureStage
from training.posture.teacher import Teacher

NEAR_RAD: Final = 1.0
CLOSE_RAD: Final = 0.35
REWARD_SCALE: Final = 0.1
CALM_RAD_S: Final = 4.0  # mean squared velocities count up to this, squared
LEAST_ACTION: Final = -0.6  # excitation 0.004: what is less is silence for an imitator


def reward(weights: PostureReward, feedback: Feedback, goal: posture.PostureGoal) -> Array:
    """Reward of a step, (n,)."""
    distance = posture.distance_rad(feedback, goal)
    calm = np.clip(np.square(feedback.joint_vel).mean(axis=-1), 0.0, CALM_RAD_S**2)
    still = np.abs(goal.wanted_rad - goal.target_rad).max(axis=-1) < 1e-3
    total = weights.solved + weights.near + weights.close
    sum_: Array = (
        weights.solved * (distance < posture.SOLVED_RAD)
        + weights.near * np.exp(-distance / NEAR_RAD)
        + weights.close * np.exp(-np.square(distance / CLOSE_RAD))
        - weights.effort * 10.0 * feedback.activation.mean(axis=-1)
        - weights.restless * calm * still
    )
    return REWARD_SCALE * sum_ / total


def to_action(excitation: Array) -> Array:
    """The action of -1-1 whose excitation this is, as far as it is worth imitating."""
    lowest, highest = to_excitation(np.array([LEAST_ACTION, 1.0]))
    clipped = np.clip(excitation, lowest, highest)
    action: Array = 0.5 + np.log(clipped / (1.0 - clipped)) / 5.0
    return action


class PostureEnv(VecEnv):
    """A stage of the curriculum on a batch of hands."""

    def __init__(self, hands: PoseHands, stage: PostureStage, seed: int) -> None:
        self.num_envs = hands.count
        self.num_actions = len(MUSCLES)
        self.max_episode_length = round(stage.episode_s / posture.CONTROL_STEP_S)
        self.device = "cpu"
        self.cfg: dict[str, Any] = {}
        self.hands, self.stage = hands, stage
        rng = np.random.default_rng(seed)
        self.episodes = PostureEpisodes(hands, stage.tasks, stage.starts, rng)
        self.observation = posture.observation(posture.OWN_TERMS)
        self._obs = np.zeros((hands.count, self.observation.size), np.float32)
        self._teacher = Teacher(hands) if stage.teacher else None
        self.broken, self.what_broke = 0, ""
        self.restart()

    def restart(self) -> None:
        """Start all hands anew, their first episodes of any length."""
        self.episodes.reset(np.arange(self.num_envs))
        self.episodes.advance()
        # spread the ends of the first episodes, or all hands would reset at once for ever
        began = self.episodes.rng.integers(0, self.max_episode_length, self.num_envs)
        self.episode_length_buf = torch.from_numpy(began)

    def get_observations(self) -> TensorDict:
        """Groups: ``policy``, what only the critic sees, and what the ``teacher`` would do."""
        goal, feedback = self.episodes.goal, self.hands.feedback()
        self.observation.observe(feedback, goal, self._obs)
        since = np.minimum(self.episodes.since_s, 2.0)[:, None]
        hidden = np.concatenate([goal.wanted_rad, since, self.episodes.moving[:, None]], axis=1)
        groups = {
            "policy": torch.from_numpy(self._obs.copy()),
            "privileged": torch.from_numpy(hidden.astype(np.float32)),
        }
        if self._teacher is not None:
            taught = to_action(self._teacher.excite(goal.target_rad))
            groups["teacher"] = torch.from_numpy(taught.astype(np.float32))
        return TensorDict(groups, batch_size=[self.num_envs])

    def step(
        self, actions: torch.Tensor
    ) -> tuple[TensorDict, torch.Tensor, torch.Tensor, dict[str, Any]]:
        """One control step of 20 ms; ended episodes start anew."""
        self.hands.step(to_excitation(actions.numpy().astype(np.float64)))
        feedback, goal = self.hands.feedback(), self.episodes.goal
        broken = self.hands.broken()
        if broken.any():
            self.broken += int(broken.sum())
            self.what_broke = self.hands.what_broke
        gain = np.where(broken, 0.0, reward(self.stage.reward, feedback, goal))
        self.episode_length_buf += 1
        late = (self.episode_length_buf >= self.max_episode_length).numpy() & ~broken
        done = broken | late
        distance = posture.distance_rad(feedback, goal)
        self._end(np.flatnonzero(done))
        self.episode_length_buf[torch.from_numpy(done)] = 0
        self.episodes.advance()
        extras = {
            "time_outs": torch.from_numpy(late),
            "solved": float((distance < posture.SOLVED_RAD).mean()),
            "drops": 0,
            "error": float(np.median(distance)) * 1e3,  # mrad, as a score's
        }
        return (
            self.get_observations(),
            torch.from_numpy(gain.astype(np.float32)),
            torch.from_numpy(done.astype(np.int64)),
            extras,
        )

    def _end(self, ids: NDArray[np.intp]) -> None:
        self.episodes.ended(ids)
        self.episodes.reset(ids)
