"""Recurrent PPO on the curriculum of Baoding."""

import copy
import time
from pathlib import Path
from typing import Any, Final

import torch
from rsl_rl.algorithms import PPO
from rsl_rl.models import MLPModel, RNNModel
from rsl_rl.storage import RolloutStorage

from controller.names import MUSCLES
from training.batch import Hands, Physics
from training.culprit import culprit
from training.curriculum import Curriculum, Noise, Stage
from training.env import HandEnv
from training.explore import CorrelatedGaussian
from training.learn import Learner, Report, hands_broke
from training.score import Score, score

OBS_GROUPS: Final = {"actor": ["policy"], "critic": ["policy", "privileged"]}


class ActorCriticAdam(torch.optim.Adam):
    """Adam whose second group, the critic, keeps a rate of its own.

    rsl-rl lowers one rate for both networks until the policy's KL fits. With the small
    noise of late stages that is 1e-5, and the critic no longer follows the policy.
    """

    def __init__(self, actor: Any, critic: MLPModel, rate: float, critic_rate: float) -> None:
        super().__init__([{"params": actor.parameters()}, {"params": critic.parameters()}], rate)
        self.critic_rate = critic_rate

    def step(self, closure: Any = None) -> Any:
        """One step; the adaptive rate is only the actor's."""
        self.param_groups[1]["lr"] = self.critic_rate
        return super().step(closure)


def make_actor(observation: Any, hidden: int, noise: Noise) -> RNNModel:
    """The untrained actor, its layers ``hidden`` wide; ``observation`` has what it sees."""
    return RNNModel(
        observation,
        OBS_GROUPS,
        "actor",
        len(MUSCLES),
        hidden_dims=[hidden],
        obs_normalization=True,
        distribution_cfg={
            "class_name": CorrelatedGaussian,
            "sigma": noise.sigma,
            "correlation": noise.correlation,
        },
        rnn_hidden_dim=hidden,
    )


def make_critic(observation: Any, layers: tuple[int, ...]) -> MLPModel:
    """The untrained critic, its layers as wide as ``layers`` says."""
    return MLPModel(
        observation, OBS_GROUPS, "critic", 1, hidden_dims=list(layers), obs_normalization=True
    )


class Trainer(Learner):
    """Learns the skill ``baoding``."""

    curriculum: Curriculum
    env: HandEnv

    def __init__(self, curriculum: Curriculum, folder: Path, threads: int = 2) -> None:
        super().__init__(curriculum, folder, threads)
        self._enter_stage()
        self._ppo = self._build()
        self.average = copy.deepcopy(self.actor)

    def _make_hands(self, count: int, physics: str) -> Hands:
        return Hands(count, Physics.named(physics), self._threads)

    def _enter_stage(self) -> None:
        index, stage = self.progress.stage, self._stage
        hands = self._batch("learn", self.curriculum.hands, stage.physics)
        self.env = HandEnv(hands, stage, self.curriculum.mix(index), self._seed)
        self._obs = self.env.get_observations()

    def _score(self, hands: Hands, stage: Stage) -> list[Score]:
        return score(self.average, hands, stage, stage.tasks)

    # --- building ------------------------------------------------------------------

    def _build(self) -> PPO:
        actor = make_actor(self._obs, self.curriculum.hidden, self.curriculum.stages[0].noise)
        critic = make_critic(self._obs, self.curriculum.critic)
        with torch.no_grad():  # start from a nearly passive hand, not from random excitation
            actor.mlp[-1].weight.mul_(0.1)
            actor.mlp[-1].bias.fill_(self.curriculum.first_action)
        return self._algorithm(actor, critic, self.curriculum.first_rate)

    def _algorithm(self, actor: Any, critic: MLPModel, rate: float) -> PPO:
        learning = self._stage.learning
        storage = RolloutStorage(
            "rl", self.env.num_envs, learning.steps, self._obs, [len(MUSCLES)], "cpu"
        )
        ppo = PPO(
            actor,
            critic,
            storage,
            num_learning_epochs=learning.epochs,
            num_mini_batches=learning.minibatches,
            gamma=learning.gamma,
            lam=learning.lam,
            entropy_coef=0.0,
            learning_rate=rate,
            desired_kl=learning.kl,
            schedule="adaptive",
        )
        ppo.optimizer = ActorCriticAdam(actor, critic, rate, learning.critic_rate)
        return ppo

    def _retune(self) -> None:
        """Apply the stage's settings to the running algorithm."""
        learning, ppo = self._stage.learning, self._ppo
        ppo.storage = RolloutStorage(
            "rl", self.env.num_envs, learning.steps, self._obs, [len(MUSCLES)], "cpu"
        )
        ppo.num_learning_epochs, ppo.num_mini_batches = learning.epochs, learning.minibatches
        ppo.gamma, ppo.lam, ppo.desired_kl = learning.gamma, learning.lam, learning.kl
        ppo.optimizer.critic_rate = learning.critic_rate
        ppo.actor.reset()

    @property
    def _sigma(self) -> float:
        """The exploration noise that the stage asks for now."""
        sigma: float = self.env.stage.noise.sigma_at(self.progress.stage_steps)
        return sigma

    def _settings(self) -> dict[str, float]:
        return {"sigma": self._sigma, "learning_rate": self._ppo.learning_rate}

    @property
    def actor(self) -> RNNModel:
        """The network that explores."""
        return self._ppo.actor

    # --- learning ------------------------------------------------------------------

    def _update(self) -> Report:
        began, ppo, env = time.monotonic(), self._ppo, self.env
        steps = ppo.storage.num_transitions_per_env
        solved, drops, error, broken = 0.0, 0, 0.0, env.broken
        self.actor.distribution.tune(self._sigma, env.stage.noise.correlation)
        before = _weights(ppo)
        ppo.eval_mode()
        with torch.inference_mode():
            for _ in range(steps):
                actions = ppo.act(self._obs)
                self._obs, gain, done, extras = env.step(actions)
                ppo.process_env_step(self._obs, gain, done, extras)
                solved += extras["solved"] / steps
                drops += extras["drops"]
                error += extras["error"] / steps
            ppo.compute_returns(self._obs)
        ppo.train_mode()
        losses = ppo.update()
        problem = self._discard_if_broken(before, losses)
        if env.broken > broken:
            problem = hands_broke(env.broken - broken, env.what_broke) + problem
        self._follow(self.actor)
        rate = self._count(steps * env.num_envs, time.monotonic() - began)
        return Report(self.progress, rate, solved, drops, error, losses, problem=problem)

    def _discard_if_broken(self, before: dict[str, Any], losses: dict[str, float]) -> str:
        """Take an update back that is not finite; nothing earned is lost. Says what it was."""
        ppo = self._ppo
        found = culprit(ppo, self.env.observation, losses)
        if found is None:
            return ""
        ppo.load(before, None, strict=True)
        self._retune()  # no memory of the discarded rollout stays, not even in the storage
        self.env.restart()
        self._obs = self.env.get_observations()
        return self._discarded(found)

    # --- checkpoints ---------------------------------------------------------------

    def _state(self) -> dict[str, Any]:
        return {
            "focus": self.env.episodes.focus.solved.tolist(),
            "learning_rate": self._ppo.learning_rate,
            "random": {
                "torch": torch.get_rng_state(),
                "episodes": self.env.episodes.rng.bit_generator.state,
            },
            "average_state_dict": self.average.state_dict(),
            **self._ppo.save(),
        }

    def _restore(self, state: dict[str, Any]) -> None:
        self._ppo.load(state, None, strict=True)
        self.average.load_state_dict(state["average_state_dict"], strict=True)
        self._ppo.learning_rate = state["learning_rate"]
        self.env.episodes.focus.solved[:] = state["focus"]
        torch.set_rng_state(state["random"]["torch"])
        self.env.episodes.rng.bit_generator.state = state["random"]["episodes"]


def _weights(ppo: PPO) -> dict[str, Any]:
    """A copy of everything that an update changes."""

    def clone(value: Any) -> Any:
        if isinstance(value, torch.Tensor):
            return value.clone()
        if isinstance(value, dict):
            return {k: clone(v) for k, v in value.items()}
        return [clone(v) for v in value] if isinstance(value, list) else value

    return {key: clone(value) for key, value in ppo.save().items()}
