"""Climbs the gradient of the policy's own reward, through MuJoCo's states and a model's slopes.

A policy gradient has to find out by noise what 39 muscles do to two balls, and the noise alone
drops them. Here the gradient of a stretch reaches back to its first excitations: training/balls/
practice.py takes it, what is left here is what turns with it. The model is fitted again now and
then, because its slopes hold where the policy goes; the critic follows at every update.
"""

import copy
import time
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from tensordict import TensorDict
from torch import nn

from controller.skills import baoding
from training.balls.collect import collect
from training.balls.crew import Crew
from training.balls.critic import follow
from training.balls.features import Features
from training.balls.fit import Fitted, Pool, fit, pool_of
from training.balls.model import Model
from training.balls.muon import Muon
from training.balls.plan import BallsCurriculum, BallsStage
from training.balls.practice import Practice, Stretch
from training.balls.widen import widened
from training.balls.world import World
from training.batch import Hands, Physics
from training.curriculum import Noise
from training.descent import step_against
from training.graph import PolicyGraph
from training.learn import Learner, Progress, Report, hands_broke
from training.ppo import make_actor, make_critic
from training.score import Score, score

UNSEEN: Final = 13  # numbers that only the critic is told: spin, intention, how balls are made
WARM_UP: Final = 60  # control steps of a stage before anything is learned of it
CRITIC_FIRST: Final = 30  # stretches of a stage that only the critic learns from
EXPLORATION: Final = Noise(sigma=0.035, correlation=0.85)  # of the actor; nothing explores here


class BallsTrainer(Learner):
    """Learns the skill ``baoding`` on from a policy that keeps the balls for a while.

    Attributes:
        actor: the network that learns; its normaliser stays as it came.
        critic: tells what comes after a stretch.
        model: a control step, for its slopes.
    """

    curriculum: BallsCurriculum

    def __init__(self, curriculum: BallsCurriculum, folder: Path, threads: int = 2) -> None:
        super().__init__(curriculum, folder, threads)
        size = baoding.observation(baoding.OWN_TERMS).size
        parts = {"policy": torch.zeros(1, size), "privileged": torch.zeros(1, UNSEEN)}
        told = TensorDict(parts, batch_size=[1])
        self.actor = make_actor(told, curriculum.hidden, EXPLORATION).eval()
        self.critic = make_critic(told, curriculum.critic).eval().requires_grad_(False)
        self.average = copy.deepcopy(self.actor)
        self.model = Model(curriculum.model.hidden).requires_grad_(False)
        self._features = Features(Physics.named(self._stage.physics).substeps)
        self._learning = {
            name: weights
            for name, weights in self.actor.named_parameters()
            if name.startswith(("mlp.", "rnn."))
        }
        self._climber = Muon(self._learning.values(), self._stage.ascent.rate)
        self._critic_climber = torch.optim.Adam(
            self.critic.mlp.parameters(), curriculum.critic_fit.rate
        )
        self._pool: Pool | None = None  # not in a checkpoint: it is large and soon collected
        self._since_fit = -1  # updates; -1 until the model was fitted at all
        self._enter_stage()

    def _make_hands(self, count: int, physics: str) -> Hands:
        return Hands(count, Physics.named(physics), self._threads)

    def _enter_stage(self) -> None:
        physics = Physics.named(self._stage.physics)
        shares = np.array_split(np.arange(self.curriculum.hands), self._threads)
        parts = [
            self._part(Hands(len(share), physics, threads=1), [self._seed, part])
            for part, share in enumerate(shares)
            if len(share)
        ]
        self._crew = Crew(parts, self._learning.values())
        self._features.substeps = physics.substeps
        self._warm = False

    def _part(self, hands: Hands, seed: list[int]) -> Practice:
        world = World(hands, self._stage, np.random.default_rng(seed))
        return Practice(world, PolicyGraph(self.actor), self.critic)

    def _retune(self) -> None:
        for group in self._climber.param_groups:
            group["lr"] = self._stage.ascent.rate_at(self.progress.stage_steps)

    def _score(self, hands: Hands, stage: BallsStage) -> list[Score]:
        return score(self.average, hands, stage, stage.tasks)

    def _settings(self) -> dict[str, float]:
        return {"learning_rate": self._climber.param_groups[0]["lr"]}

    # --- learning ------------------------------------------------------------------

    def _update(self) -> Report:
        began, hands = time.monotonic(), self.curriculum.hands
        steps, problem = 0, ""
        losses: dict[str, float] = {}
        if not 0 <= self._since_fit < self.curriculum.model.every:
            steps, problem, losses = self._fit_model()
            self._crew.restart()  # with other balls
            self._warm = False
        stretch = Stretch()
        if self._since_fit >= 0:  # else it was lost: there are no slopes yet
            if not self._warm:
                warmed, wrong = self._warm_up()
                steps, problem, self._warm = steps + warmed * hands, problem + wrong, True
            stretch = self._crew.go(self._stage.ascent.steps, self._slopes)
            steps += self._stage.ascent.steps * hands
            self._since_fit += 1
            if stretch.broken:
                problem += hands_broke(stretch.broken, stretch.what_broke)
            climbed = self._climb(stretch.total)
            losses["objective"] = stretch.total.item()
            problem += climbed or self._follow_with_critic(stretch, losses)
            self._follow(self.actor)
        rate = self._count(steps, time.monotonic() - began)
        return Report(
            self.progress,
            rate,
            stretch.solved,
            stretch.drops,
            stretch.error,
            losses,
            problem=problem,
        )

    def _warm_up(self) -> tuple[int, str]:
        """Spread the hands over what they do, and let the critic see a new stage first.

        What a state is worth may be another matter there, and the policy would climb what was.

        Returns:
            Control steps, and what was wrong.
        """
        self._crew.go(WARM_UP, None)
        if self.progress.stage_steps:
            return WARM_UP, ""
        steps, problem = self._stage.ascent.steps, ""
        for _ in range(CRITIC_FIRST):
            stretch = self._crew.go(steps, None)
            if stretch.broken:
                problem += hands_broke(stretch.broken, stretch.what_broke)
            problem += self._follow_with_critic(stretch, {})
        return WARM_UP + CRITIC_FIRST * steps, problem

    def _slopes(self, state: torch.Tensor, excitation: torch.Tensor) -> torch.Tensor:
        guess: torch.Tensor = self.model(self._features, state, excitation)
        return guess

    def _climb(self, total: torch.Tensor) -> str:
        """Follow the crew's gradient if it is finite, else leave all as it was; what was wrong."""
        self._retune()
        wrong = step_against(self._climber, -total, self._learning, "the objective", "actor")
        if not wrong:
            return ""
        self._crew.restart()  # what is not finite may be in the memory
        return self._discarded(wrong)

    def _follow_with_critic(self, stretch: Stretch, losses: dict[str, float]) -> str:
        """Let the critic follow; take it back if it is not finite. Says what was wrong."""
        before = copy.deepcopy((self.critic.state_dict(), self._critic_climber.state_dict()))
        explained, loss = follow(
            self.critic,
            self._critic_climber,
            stretch.record,
            self.curriculum.critic_fit,
            self._stage.ascent.gamma,
        )
        losses |= {"value": loss, "value explained": explained}
        if np.isfinite(loss) and _finite(self.critic):
            return ""
        self.critic.load_state_dict(before[0])
        self._critic_climber.load_state_dict(before[1])
        return self._discarded("the critic")

    def _fit_model(self) -> tuple[int, str, dict[str, float]]:
        """Collect fresh transitions and fit the model; steps, what was wrong, losses."""
        settings, stage = self.curriculum.model, self._stage
        hands = self._batch("collect", 2 * settings.pairs, stage.physics)
        rng = np.random.default_rng([self.curriculum.seed, self.progress.updates])
        steps = settings.first_steps if self._pool is None else settings.steps
        fresh = collect(PolicyGraph(self.average), World(hands, stage, rng, twins=True), steps)
        pool = pool_of(self._features, fresh)
        self._pool = pool if self._pool is None else self._pool.joined(pool, settings.pool)
        before = copy.deepcopy(self.model.state_dict())
        self.model.requires_grad_(True)
        fitted: Fitted = fit(self.model, self._pool, settings, first=self._since_fit < 0)
        self.model.requires_grad_(False)
        problem = ""
        if np.isfinite(fitted.loss) and _finite(self.model):
            self._since_fit = 0
        else:
            self.model.load_state_dict(before)
            self._pool = None  # what is not finite may be in it
            problem = self._discarded("the model")
        told = {f"slopes of {name}": share for name, share in fitted.slopes.items()}
        return steps * hands.count, problem, {"model": fitted.loss, **told}

    # --- checkpoints ---------------------------------------------------------------

    def _reached(self, state: dict[str, Any]) -> Progress:
        """Where a checkpoint is; one of PPO, of another curriculum, is at the beginning."""
        if "model_state_dict" in state:
            return super()._reached(state)
        before = state["progress"]
        steps, updates = before["steps"], before["updates"]
        return Progress(
            steps=steps,
            updates=updates,
            seconds=before["seconds"],
            best_at=steps,
            next_evaluation=steps,
        )

    def _state(self) -> dict[str, Any]:
        return {
            "actor_state_dict": self.actor.state_dict(),
            "average_state_dict": self.average.state_dict(),
            "critic_state_dict": self.critic.state_dict(),
            "model_state_dict": self.model.state_dict(),
            "climber_state_dict": self._climber.state_dict(),
            "critic_climber_state_dict": self._critic_climber.state_dict(),
            "since_fit": self._since_fit,
            "crew": self._crew.state(),
            "random": torch.get_rng_state(),
        }

    def _restore(self, state: dict[str, Any]) -> None:
        grew = _take(self.actor, state["actor_state_dict"])
        self.average.load_state_dict(self.actor.state_dict())  # so that what is new is the same
        _take(self.average, state["average_state_dict"])
        told_more = _take(self.critic, state["critic_state_dict"])
        if "model_state_dict" not in state:  # of PPO: the rest begins here
            return
        _take(self.model, state["model_state_dict"])
        if not grew:
            self._climber.load_state_dict(state["climber_state_dict"])
        if not told_more:
            self._critic_climber.load_state_dict(state["critic_climber_state_dict"])
        self._since_fit = state["since_fit"]
        if "crew" in state:
            self._crew.restore(state["crew"])
            torch.set_rng_state(state["random"])
        else:  # from before hands practised in parts
            self._crew.restore({"unit": state["unit"], "focus": [], "episodes": []})
            torch.set_rng_state(state["random"]["torch"])


def _take(network: nn.Module, weights: dict[str, torch.Tensor]) -> bool:
    """Take weights over; whether the network is wider or told more than theirs was."""
    wide = widened(weights, network)
    network.load_state_dict(wide, strict=True)
    return any(wide[name].shape != each.shape for name, each in weights.items())


def _finite(module: nn.Module) -> bool:
    return all(bool(torch.isfinite(values).all()) for values in module.state_dict().values())
