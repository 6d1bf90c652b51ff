"""Recurrent PPO on a curriculum: learn, score, promote, and survive being killed."""

import copy
import io
import os
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import msgspec
import torch
from rsl_rl.algorithms import PPO
from rsl_rl.models import MLPModel, RNNModel
from rsl_rl.storage import RolloutStorage

from controller.errors import ContractError
from controller.names import MUSCLES
from training.batch import Hands, Physics
from training.culprit import culprit
from training.curriculum import Curriculum, Stage
from training.env import HandEnv
from training.explore import CorrelatedGaussian
from training.score import Score, score

CHECKPOINT_VERSION: Final = 2
STALLED: Final = 5_000_000  # steps of a stage without a better score: something has to change
AVERAGING: Final = 0.97  # of the weights, at each update: the last 30 updates or so
OBS_GROUPS: Final = {"actor": ["policy"], "critic": ["policy", "privileged"]}


@dataclass
class Progress:
    """Where training is; saved with every checkpoint."""

    stage: int = 0
    streak: int = 0
    steps: int = 0
    stage_steps: int = 0
    seconds: float = 0.0
    best: float = -1.0
    best_at: int = 0
    """``steps`` at the best score of this stage."""
    updates: int = 0
    discarded: int = 0
    next_evaluation: int = 0
    finished: bool = False


@dataclass
class Report:
    """What one update did, for the display and the log."""

    progress: Progress
    steps_per_s: float
    solved: float
    drops: int
    error: float
    losses: dict[str, float]
    scores: list[Score] = field(default_factory=list)
    promoted: bool = False
    problem: str = ""


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


class Learner(ABC):
    """Learns a curriculum stage by stage; ``updates`` yields after each update.

    What differs from skill to skill is below "of each skill".
    """

    curriculum: Any  # a Plan with stages of the skill's own kind
    env: Any

    def __init__(self, curriculum: Any, folder: Path, threads: int = 2) -> None:
        self.curriculum, self.folder, self._threads = curriculum, folder, threads
        self.progress = Progress()
        self._hands: dict[str, Any] = {}
        torch.manual_seed(curriculum.seed)
        self._enter_stage()
        self._ppo = self._build()
        self.average = copy.deepcopy(self.actor)
        self._scores: list[dict[str, Any]] = []  # of the last evaluation

    # --- of each skill -------------------------------------------------------------

    @abstractmethod
    def _make_hands(self, count: int, physics: str) -> Any:
        """A batch of the skill's hands."""

    @abstractmethod
    def _make_env(self, hands: Any, index: int, seed: int) -> Any:
        """Stage ``index`` as the environment that rsl-rl trains on."""

    @abstractmethod
    def _make_actor(self) -> Any:
        """The untrained network that acts."""

    @abstractmethod
    def _score(self, hands: Any, stage: Any) -> list[Score]:
        """Deterministic scores of the average, the last row for all."""

    def _learn_more(self) -> dict[str, float]:
        """Whatever else is learned from the rollout of an update; its losses."""
        return {}

    # --- building ------------------------------------------------------------------

    def _batch(self, purpose: str, count: int, physics: str) -> Any:
        """One batch for each purpose and physics; made when first needed."""
        key = f"{purpose} {physics}"
        if key not in self._hands:
            self._hands[key] = self._make_hands(count, physics)
        return self._hands[key]

    def _enter_stage(self) -> None:
        index = self.progress.stage
        stage = self.curriculum.stages[index]
        hands = self._batch("learn", self.curriculum.hands, stage.physics)
        seed = self.curriculum.seed * 1_000_003 + self.progress.updates
        self.env = self._make_env(hands, index, seed)
        self._obs = self.env.get_observations()

    def _build(self) -> PPO:
        actor = self._make_actor()
        critic = MLPModel(
            self._obs,
            OBS_GROUPS,
            "critic",
            1,
            hidden_dims=list(self.curriculum.critic),
            obs_normalization=True,
        )
        with torch.no_grad():  # start from a nearly passive hand, not from random excitation
            actor.mlp[-1].weight.mul_(0.1)
            actor.mlp[-1].bias.fill_(self.curriculum.first_action)
        return self._algorithm(actor, critic, self.curriculum.first_rate)

    def _algorithm(self, actor: Any, critic: MLPModel, rate: float) -> PPO:
        learning = self.curriculum.stages[self.progress.stage].learning
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
        """Apply the stage's learning settings to the running algorithm."""
        stage = self.curriculum.stages[self.progress.stage]
        learning, ppo = stage.learning, self._ppo
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

    @property
    def actor(self) -> Any:
        """The network that explores; ``average``, its running mean, becomes the policy."""
        return self._ppo.actor

    # --- learning ------------------------------------------------------------------

    def updates(self) -> Iterator[Report]:
        """Learn until the last stage is passed; yield after every update."""
        self._retune()
        while not self.progress.finished:
            report = self._update()
            if self.progress.steps >= self.progress.next_evaluation:
                self._score_and_save(report)
            yield report

    def _score_and_save(self, report: Report) -> None:
        began = time.monotonic()
        try:
            self._evaluate(report)
            self.progress.seconds += time.monotonic() - began
            self.save("checkpoint.pt")
        except OSError as error:  # a full disk: go on, what was written before is whole
            report.problem += f"  NOT SAVED: {error.strerror} ({self.folder})"

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
        losses = ppo.update() | self._learn_more()
        problem = self._discard_if_broken(before, losses)
        if env.broken > broken:
            problem = (
                f"  {env.broken - broken} HANDS BROKE: {env.what_broke}, started anew{problem}"
            )
        self._follow()
        took = time.monotonic() - began
        progress = self.progress
        progress.updates += 1
        progress.steps += steps * env.num_envs
        progress.stage_steps += steps * env.num_envs
        progress.seconds += took
        rate = steps * env.num_envs / took
        return Report(progress, rate, solved, drops, error, losses, problem=problem)

    @torch.no_grad()
    def _follow(self) -> None:
        """Let the average follow: updates jitter round what is good, their mean does not."""
        for mean, new in zip(self.average.parameters(), self.actor.parameters(), strict=True):
            mean.lerp_(new, 1.0 - AVERAGING)
        for kept, new in zip(self.average.buffers(), self.actor.buffers(), strict=True):
            kept.copy_(new)  # the observation's normaliser is an average already

    def _discard_if_broken(self, before: dict[str, Any], losses: dict[str, float]) -> str:
        """Take an update back that is not finite; nothing earned is lost. Says what it was."""
        ppo = self._ppo
        found = culprit(ppo, self.env.observation, losses)
        if found is None:
            return ""
        self.progress.discarded += 1
        ppo.load(before, None, strict=True)
        self._retune()  # no memory of the discarded rollout stays, not even in the storage
        self.env.restart()
        self._obs = self.env.get_observations()
        number = self.progress.updates + 1
        return f"  UPDATE {number} TAKEN BACK: {found} is not finite; {self._kept()}"

    def _kept(self) -> str:
        """The last good checkpoint, in words."""
        saved = self.folder / "checkpoint.pt"
        if not saved.exists():
            return "no checkpoint is written yet, learning goes on from the update before"
        return f"learning goes on from the update before, the last good checkpoint is {saved}"

    def _evaluate(self, report: Report) -> None:
        curriculum, progress = self.curriculum, self.progress
        stage = curriculum.stages[progress.stage]
        hands = self._batch("score", curriculum.evaluation_episodes, stage.physics)
        report.scores = self._score(hands, stage)
        self._scores = [asdict(row) for row in report.scores]
        total = report.scores[-1].solved
        progress.streak = progress.streak + 1 if total >= stage.promote.solved else 0
        progress.next_evaluation = progress.steps + curriculum.evaluate_every
        if total > progress.best:
            self.save("best.pt")
            # only once it is there: the disk may be full
            progress.best, progress.best_at = total, progress.steps
        elif progress.steps - progress.best_at >= STALLED:
            report.problem += (
                f"  STALLED: stage {progress.stage + 1} ({stage.name}) has been at "
                f"{progress.best:.3f} for {(progress.steps - progress.best_at) / 1e6:.1f} M steps; "
                f"it asks for {stage.promote.solved:g}: change the stage"
            )
        self._log(report)
        if progress.streak >= stage.promote.times:
            report.promoted = True
            self._promote()

    def _promote(self) -> None:
        progress = self.progress
        self.save(f"passed-{progress.stage:02d}.pt")
        if progress.stage + 1 == len(self.curriculum.stages):
            progress.finished = True
            return
        self._next_stage()
        self._enter_stage()
        self._retune()

    def _next_stage(self) -> None:
        progress = self.progress
        progress.stage += 1
        progress.streak, progress.stage_steps = 0, 0
        progress.best, progress.best_at = -1.0, progress.steps

    def _log(self, report: Report) -> None:
        line = {
            **asdict(report.progress),
            "stage_name": self.curriculum.stages[report.progress.stage].name,
            "sigma": self._sigma,
            "learning_rate": self._ppo.learning_rate,
            "steps_per_s": report.steps_per_s,
            "explored_solved": report.solved,
            "scores": self._scores,
        }
        with (self.folder / "curve.jsonl").open("ab") as file:
            file.write(msgspec.json.encode(line) + b"\n")

    # --- checkpoints ---------------------------------------------------------------

    def save(self, name: str) -> None:
        """Write a checkpoint whole or not at all."""
        state = {
            "version": CHECKPOINT_VERSION,
            "curriculum": msgspec.to_builtins(self.curriculum),
            "progress": asdict(self.progress),
            "scores": self._scores,
            "focus": self.env.episodes.focus.solved.tolist(),
            "learning_rate": self._ppo.learning_rate,
            "random": {
                "torch": torch.get_rng_state(),
                "episodes": self.env.episodes.rng.bit_generator.state,
            },
            "average_state_dict": self.average.state_dict(),
            **self._ppo.save(),
        }
        target, part = self.folder / name, self.folder / f".{name}.part"
        whole = io.BytesIO()
        torch.save(state, whole)
        try:
            part.write_bytes(whole.getvalue())
            os.replace(part, target)
        finally:
            part.unlink(missing_ok=True)

    def resume(self, path: Path) -> None:
        """Go on where a checkpoint was written: networks, optimiser, curriculum, random state.

        Raises:
            ContractError: a checkpoint of another version, or of networks of another size.
        """
        state = load_checkpoint(path)
        self.progress = Progress(**{"best_at": state["progress"]["steps"], **state["progress"]})
        last = len(self.curriculum.stages) - 1
        if self.progress.finished and self.progress.stage < last:  # the curriculum has grown
            self.progress.finished = False
            self._next_stage()
        self.progress.stage = min(self.progress.stage, last)
        self._enter_stage()
        try:
            self._ppo.load(state, None, strict=True)
            self.average.load_state_dict(state["average_state_dict"], strict=True)
        except (KeyError, RuntimeError, ValueError) as error:
            reason = " ".join(str(error).split())
            raise ContractError(f"{path}: does not fit this curriculum: {reason}") from None
        self._ppo.learning_rate = state["learning_rate"]
        self._scores = state["scores"]
        self.env.episodes.focus.solved[:] = state["focus"]
        torch.set_rng_state(state["random"]["torch"])
        self.env.episodes.rng.bit_generator.state = state["random"]["episodes"]


class Trainer(Learner):
    """Learns the skill ``baoding``."""

    curriculum: Curriculum
    env: HandEnv

    def _make_hands(self, count: int, physics: str) -> Hands:
        return Hands(count, Physics.named(physics), self._threads)

    def _make_env(self, hands: Hands, index: int, seed: int) -> HandEnv:
        return HandEnv(hands, self.curriculum.stages[index], self.curriculum.mix(index), seed)

    def _make_actor(self) -> RNNModel:
        noise, hidden = self.curriculum.stages[0].noise, self.curriculum.hidden
        return RNNModel(
            self._obs,
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

    def _score(self, hands: Hands, stage: Stage) -> list[Score]:
        return score(self.average, hands, stage, stage.tasks)


def _weights(ppo: PPO) -> dict[str, Any]:
    """A copy of everything that an update changes."""

    def clone(value: Any) -> Any:
        if isinstance(value, torch.Tensor):
            return value.clone()
        if isinstance(value, dict):
            return {k: clone(v) for k, v in value.items()}
        return [clone(v) for v in value] if isinstance(value, list) else value

    return {key: clone(value) for key, value in ppo.save().items()}


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint, without running any code that it may hold.

    Raises:
        ContractError: no such file, not a checkpoint, or one of another version.
    """
    try:
        state: dict[str, Any] = torch.load(path, weights_only=True, map_location="cpu")
    except FileNotFoundError:
        raise ContractError(f"{path}: no such checkpoint") from None
    except Exception as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise ContractError(f"{path}: not a checkpoint: {reason}") from None
    version = state.get("version") if isinstance(state, dict) else None
    if version != CHECKPOINT_VERSION:
        raise ContractError(f"{path}: checkpoint version {version!r}, this is {CHECKPOINT_VERSION}")
    return state
