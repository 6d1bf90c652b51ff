"""Batched hands as the environment that rsl-rl trains on; rewards live here."""

from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from rsl_rl.env import VecEnv
from tensordict import TensorDict

from bridges.myohand import to_excitation
from controller.messages import Array, Flags
from controller.names import MUSCLES
from controller.skills import baoding
from training.batch import Hands
from training.curriculum import Reward, Stage, Task
from training.episodes import Episodes, tracking

NEAR_M: Final = 0.020
CLOSE_M: Final = 0.008
REWARD_SCALE: Final = 0.1  # of a perfect step: with gamma 0.99 values stay near 10


def reward(weights: Reward, distance: Array, solved: Flags, effort: Array) -> Array:
    """Reward of a step, (n,), from distances (n, 2) [m], solved (n,), effort (n,)."""
    near = np.exp(-((distance / NEAR_M) ** 2)).sum(axis=-1)
    close = np.exp(-((distance / CLOSE_M) ** 2)).sum(axis=-1)
    total = weights.alive + weights.solved + 2 * (weights.near + weights.close)
    sum_: Array = (
        weights.alive
        + weights.solved * solved
        + weights.near * near
        + weights.close * close
        - weights.effort * effort
    )
    return REWARD_SCALE * sum_ / total


class HandEnv(VecEnv):
    """A stage of the curriculum on a batch of hands."""

    def __init__(self, hands: Hands, stage: Stage, mix: list[Task], seed: int) -> None:
        self.num_envs = hands.count
        self.num_actions = len(MUSCLES)
        self.max_episode_length = round(stage.episode_s / baoding.CONTROL_STEP_S)
        self.device = "cpu"
        self.cfg: dict[str, Any] = {}
        self.hands, self.stage = hands, stage
        rng = np.random.default_rng(seed)
        # each hand keeps its own for the stage
        hands.draw_balls(stage.balls, rng, stage.usual_balls)
        self.episodes = Episodes(hands, mix, stage.starts, rng)
        self.observation = baoding.observation(baoding.OWN_TERMS)
        self._obs = np.zeros((hands.count, self.observation.size), np.float32)
        self.broken, self.what_broke = 0, ""
        self.restart()

    def restart(self) -> None:
        """Start all hands anew, their first episodes of any length."""
        count = self.num_envs
        self._solved_steps = np.zeros(count)
        self.episodes.reset(np.arange(count))
        self.episodes.advance()
        # spread the ends of the first episodes, or all hands would reset at once for ever
        self._began = self.episodes.rng.integers(0, self.max_episode_length, count)
        self.episode_length_buf = torch.from_numpy(self._began.copy())

    def _end(self, ids: NDArray[np.intp]) -> None:
        whole = ids[self._began[ids] == 0]  # the first episodes are cut short
        self.episodes.ended(whole, self._solved_steps[whole] / self.max_episode_length)
        self._solved_steps[ids], self._began[ids] = 0.0, 0
        self.episodes.reset(ids)

    def get_observations(self) -> TensorDict:
        """Observation groups: ``policy`` (the contract's terms) and ``privileged``."""
        self.observation.observe(self.hands.feedback(), self.episodes.goal, self._obs)
        hidden = np.concatenate([self.hands.ball_spin(), self.episodes.rotation], axis=1)
        return TensorDict(
            {
                "policy": torch.from_numpy(self._obs.copy()),
                "privileged": torch.from_numpy(hidden.astype(np.float32)),
            },
            batch_size=[self.num_envs],
        )

    def step(
        self, actions: torch.Tensor
    ) -> tuple[TensorDict, torch.Tensor, torch.Tensor, dict[str, Any]]:
        """One control step of 25 ms; ended episodes start anew."""
        self.hands.step(to_excitation(actions.numpy().astype(np.float64)))
        distance, solved, lowest = tracking(self.hands, self.episodes.goal)
        effort = self.hands.feedback().activation.mean(axis=-1)
        broken = self.hands.broken()
        if broken.any():
            self.broken += int(broken.sum())
            self.what_broke = self.hands.what_broke
        gain = np.where(broken, 0.0, reward(self.stage.reward, distance, solved, effort))
        strayed = distance.max(axis=-1) > self.stage.stray_m
        drop = broken | strayed | (lowest < self.stage.drop_height_m)
        self._solved_steps += solved
        self.episode_length_buf += 1
        late = (self.episode_length_buf >= self.max_episode_length).numpy() & ~drop
        done = drop | late
        self._end(np.flatnonzero(done))
        self.episode_length_buf[torch.from_numpy(done)] = 0
        self.episodes.advance()
        extras = {
            "time_outs": torch.from_numpy(late),
            "solved": float(solved.mean()),
            "drops": int(drop.sum()),
            "error": float(np.median(distance)) * 1e3,  # mm, as a score's
        }
        return (
            self.get_observations(),
            torch.from_numpy(gain.astype(np.float32)),
            torch.from_numpy(done.astype(np.int64)),
            extras,
        )
