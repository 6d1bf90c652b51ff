"""Deterministic scores of postures on fixed seeds: what promotion and selection go by."""

from collections.abc import Sequence

import numpy as np

from controller.skills import posture
from training.posture.episodes import PostureEpisodes
from training.posture.pilot import Pilot
from training.posture.plan import PostureStage, PostureTask
from training.score import SEED, Score


def describe(task: PostureTask) -> str:
    """A short name: ``change digits``."""
    return f"{task.do} {task.to}" if task.do != "follow" else "follow"


def score(pilot: Pilot, stage: PostureStage, seed: int = SEED) -> list[Score]:
    """One deterministic episode on every hand; the last row is the whole mix.

    ``solved`` is the share of targets that are reached at their end, of moving ones the share
    of steps; the error is the median distance then, over all joints together.
    """
    hands = pilot.hands
    count, steps = hands.count, round(stage.episode_s / posture.CONTROL_STEP_S)
    tasks: Sequence[PostureTask] = stage.tasks
    episodes = PostureEpisodes(hands, tasks, stage.starts, np.random.default_rng(seed))
    ids = np.arange(count)
    shares = np.cumsum([task.share for task in tasks]) / sum(task.share for task in tasks)
    episodes.reset(ids, task=np.searchsorted(shares, (ids + 0.5) / count))
    pilot.forget()
    judged: list[list[np.ndarray]] = [[] for _ in tasks]
    alive = np.ones(count, bool)
    for step in range(steps):
        episodes.advance()
        hands.step(pilot.excite(episodes.goal.target_rad))
        alive &= ~hands.broken()
        distance = posture.distance_rad(hands.feedback(), episodes.goal)
        distance = np.where(alive, distance, np.inf)
        counts = episodes.ends_now() | episodes.moving | (step == steps - 1)
        for index in range(len(tasks)):
            judged[index].append(distance[counts & (episodes.task == index)])
    rows = [
        _row(describe(task), episodes.task == index, np.concatenate(judged[index]), alive)
        for index, task in enumerate(tasks)
        if (episodes.task == index).any()
    ]
    shares = np.array([task.share for task in tasks])[: len(rows)]
    total = float(np.average([row.solved for row in rows], weights=shares[: len(rows)]))
    errors = np.concatenate([part for one in judged for part in one])
    return [*rows, Score("all", count, total, float(alive.mean()), _median_mrad(errors), "mrad")]


def _median_mrad(distance: np.ndarray) -> float:
    return float(np.median(distance)) * 1e3 if distance.size else float("inf")


def _row(name: str, of: np.ndarray, distance: np.ndarray, alive: np.ndarray) -> Score:
    return Score(
        task=name,
        episodes=int(of.sum()),
        solved=float((distance < posture.SOLVED_RAD).mean()),
        survival=float(alive[of].mean()),
        error=_median_mrad(distance),
        unit="mrad",
    )
