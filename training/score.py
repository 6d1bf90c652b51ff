"""Deterministic scores on fixed seeds: what promotion and selection go by."""

from dataclasses import dataclass

import numpy as np
import torch
from rsl_rl.models import RNNModel
from tensordict import TensorDict

from bridges.myohand import to_excitation
from controller.skills import baoding
from training.batch import Hands
from training.curriculum import BaodingStage, Task
from training.episodes import Episodes, tracking

SEED = 20_221_209  # of the promotion episodes; never used for training


@dataclass(frozen=True, slots=True)
class Score:
    """Means over the episodes of one task, or of a whole mix.

    Attributes:
        solved: share of all steps solved, the steps missing after a drop included.
        survival: share of episodes without a drop.
        error: median over the steps before a drop; of the balls for Baoding.
        unit: of the error.
    """

    task: str
    episodes: int
    solved: float
    survival: float
    error: float
    unit: str = "mm"


def describe(task: Task) -> str:
    """A short name: ``rotate 20-40 s cw``."""
    if task.do in ("hold", "jump"):
        return task.do
    return f"{task.do} {task.period_s[0]:g}-{task.period_s[1]:g} s {task.direction}"


def score(
    actor: RNNModel, hands: Hands, stage: BaodingStage, mix: list[Task], seed: int = SEED
) -> list[Score]:
    """Run one deterministic episode on every hand; the last row is the whole mix."""
    count, steps = hands.count, round(stage.episode_s / baoding.CONTROL_STEP_S)
    rng = np.random.default_rng(seed)
    hands.draw_balls(stage.balls, rng, stage.usual_balls)
    episodes = Episodes(hands, mix, stage.starts, rng)
    ids = np.arange(count)
    shares = np.cumsum([task.share for task in mix]) / sum(task.share for task in mix)
    episodes.reset(ids, task=np.searchsorted(shares, (ids + 0.5) / count))
    observation = baoding.observation(baoding.OWN_TERMS)
    obs = np.zeros((count, observation.size), np.float32)
    alive, good = np.ones(count, bool), np.zeros(count)
    errors: list[list[np.ndarray]] = [[] for _ in mix]
    kept = actor.get_hidden_state()
    actor.reset()
    with torch.inference_mode():
        for _ in range(steps):
            episodes.advance()
            observation.observe(hands.feedback(), episodes.goal, obs)
            np.nan_to_num(obs, copy=False)
            action = actor(TensorDict({"policy": torch.from_numpy(obs)}, batch_size=[count]))
            hands.step(to_excitation(action.numpy().astype(np.float64)))
            distance, solved, lowest = tracking(hands, episodes.goal)
            alive &= ~hands.broken() & (lowest >= baoding.DROP_HEIGHT_M)
            good += solved & alive
            for index in range(len(mix)):
                errors[index].append(distance[alive & (episodes.task == index)])
    actor.reset(hidden_state=kept)
    rows = [
        _row(describe(task), episodes.task == index, good / steps, alive, errors[index])
        for index, task in enumerate(mix)
        if (episodes.task == index).any()  # a small share of few episodes may be none
    ]
    everything = [part for one in errors for part in one]
    return [*rows, _row("all", np.ones(count, bool), good / steps, alive, everything)]


def _row(
    name: str, of: np.ndarray, solved: np.ndarray, alive: np.ndarray, errors: list[np.ndarray]
) -> Score:
    joined = np.concatenate([part.ravel() for part in errors])
    return Score(
        task=name,
        episodes=int(of.sum()),
        solved=float(solved[of].mean()),
        survival=float(alive[of].mean()),
        error=float(np.median(joined) * 1e3) if joined.size else float("inf"),
    )
