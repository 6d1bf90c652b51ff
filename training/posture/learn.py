"""Learns postures: PPO on the curriculum, beside it the imitation of the teacher."""

from pathlib import Path
from typing import Any

import torch
from rsl_rl.models import MLPModel
from torch import nn

from controller.names import MUSCLES
from training.explore import CorrelatedGaussian
from training.learn import OBS_GROUPS, Learner
from training.posture.env import PostureEnv
from training.posture.hands import PoseHands
from training.posture.plan import PostureCurriculum, PostureStage
from training.posture.score import score
from training.score import Score

GRADIENT: float = 1.0  # largest norm in imitation


def make_actor(observation: Any, hidden: int, sigma: float, correlation: float) -> MLPModel:
    """The untrained actor: the observation says everything, so it needs no memory."""
    return MLPModel(
        observation,
        {"actor": OBS_GROUPS["actor"]},
        "actor",
        len(MUSCLES),
        hidden_dims=[hidden, hidden],
        obs_normalization=True,
        distribution_cfg={
            "class_name": CorrelatedGaussian,
            "sigma": sigma,
            "correlation": correlation,
        },
    )


class PostureTrainer(Learner):
    """Learns the skill ``posture``."""

    curriculum: PostureCurriculum
    env: PostureEnv

    def __init__(self, curriculum: PostureCurriculum, folder: Path, threads: int = 2) -> None:
        super().__init__(curriculum, folder, threads)
        self._imitation: torch.optim.Adam | None = None

    def _make_hands(self, count: int, physics: str) -> PoseHands:
        return PoseHands(count, physics, self._threads)

    def _make_env(self, hands: PoseHands, index: int, seed: int) -> PostureEnv:
        return PostureEnv(hands, self.curriculum.stages[index], seed)

    def _make_actor(self) -> MLPModel:
        noise = self.curriculum.stages[0].noise
        return make_actor(self._obs, self.curriculum.hidden, noise.sigma, noise.correlation)

    def _score(self, hands: PoseHands, stage: PostureStage) -> list[Score]:
        return score(self.average, hands, stage)

    def _learn_more(self) -> dict[str, float]:
        """Pull the actor towards what the teacher would have done where the actor went."""
        teaching = self.env.stage.teacher
        if teaching is None:
            return {}
        if self._imitation is None:
            self._imitation = torch.optim.Adam(self.actor.parameters(), teaching.rate)
        rollout = self._ppo.storage.observations.flatten(0, 1)
        seen, taught = rollout.exclude("teacher"), rollout["teacher"]
        total, count = 0.0, 0
        for _ in range(teaching.epochs):
            for part in torch.randperm(len(taught)).chunk(teaching.minibatches):
                wanted = self.actor(seen[part])
                # silence is silence: how far below it the action lies does not matter
                silent = (taught[part] <= -0.599) & (wanted < taught[part])
                loss = torch.square(wanted - taught[part]).masked_fill(silent, 0.0).mean()
                self._imitation.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                nn.utils.clip_grad_norm_(self.actor.parameters(), GRADIENT)
                self._imitation.step()
                total, count = total + loss.item(), count + 1
        return {"imitation": total / count}
