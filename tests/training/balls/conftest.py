"""A curriculum of gradients that fits in a second, and a learner that begins with PPO's policy."""

from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch
import yaml

from training.balls.collect import collect
from training.balls.features import Features
from training.balls.fit import Transitions
from training.balls.learn import BallsTrainer
from training.balls.plan import BallsCurriculum, BallsStage
from training.balls.world import World
from training.batch import Hands, Physics
from training.curriculum import Noise
from training.graph import PolicyGraph
from training.ppo import make_actor
from training.skills import load_plan

TINY = """
skill: baoding
learner: gradients
begin_with: checkpoint.pt
hands: 8
hidden: 8
critic: [8]
evaluate_every: 1_000_000
evaluation_episodes: 8
model: {hidden: 16, every: 3, pairs: 4, steps: 6, first_steps: 12, pool: 60, batches: 4,
        first_batches: 8, batch: 16, left_out: 0.2}
critic_fit: {batch: 16}
stages:
  - name: all
    tasks: [{do: hold}, {do: rotate, period_s: [10, 20]}]
    ascent: {steps: 4, behind_m: 1.0, disturbed: 0.0}
    episode_s: 0.5
    promote: {solved: 1.0}
"""


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Writes the tiny curriculum with other values at its top or in its only stage."""

    def written(stage: dict[str, object] | None = None, **changes: object) -> Path:
        raw = yaml.safe_load(TINY) | changes
        raw["stages"][0] |= stage or {}
        path = tmp_path / "tiny.yaml"
        path.write_text(yaml.safe_dump(raw), encoding="utf-8")
        return path

    return written


@pytest.fixture
def gradients(write: Callable[..., Path]) -> BallsCurriculum:
    found = load_plan(write())
    assert isinstance(found, BallsCurriculum)
    return found


@pytest.fixture(scope="session")
def told() -> Features:
    return Features(Physics.named("coarse").substeps)


@pytest.fixture
def learner(
    gradients: BallsCurriculum,
    trained: Path,
    tmp_path: Path,
) -> BallsTrainer:
    """One that went on from a checkpoint of PPO."""
    folder = tmp_path / "run"
    folder.mkdir()
    found = BallsTrainer(gradients, folder, threads=1)
    found.resume(trained / "checkpoint.pt")
    found.progress.next_evaluation = 10**9
    return found


@pytest.fixture(scope="session")
def transitions() -> Transitions:
    """What 24 pairs of hands of an untrained policy did in 24 steps."""
    torch.manual_seed(0)
    seen = {"policy": torch.zeros(1, 108)}
    actor = make_actor(seen, 8, Noise(sigma=0.1)).eval()
    with torch.no_grad():
        actor.mlp[-1].bias.fill_(-0.4)
    stage = msgspec.convert(yaml.safe_load(TINY)["stages"][0], BallsStage)
    hands = Hands(48, Physics.named("coarse"), threads=1)
    world = World(hands, stage, np.random.default_rng(0))
    return collect(PolicyGraph(actor), world, 24)
