from pathlib import Path

import numpy as np
import pytest
import torch

from bridges.myohand import to_excitation
from controller import data
from controller.errors import SettingsError
from controller.policy import load
from controller.skills import posture
from training.export import export
from training.posture.env import LEAST_ACTION, PostureEnv, reward, to_action
from training.posture.hands import PoseHands
from training.posture.learn import PostureTrainer
from training.posture.plan import PostureCurriculum, PostureReward
from training.posture.targets import intentions, named, official_range, reachable
from training.posture.teacher import Teacher
from training.skills import load_plan

TINY = """
skill: posture
hands: 8
hidden: 8
critic: [8]
evaluate_every: 64
evaluation_episodes: 8
stages:
  - name: all
    tasks:
      - {do: hold, to: digits}
      - {do: change, to: postures, segment_s: [0.06, 0.1]}
      - {do: follow}
      - {do: hold, to: reachable}
      - {do: hold, to: official}
    teacher: {rate: 1.0e-3}
    starts: {focus: 0.5}
    episode_s: 0.2
    noise: {sigma: 0.1}
    learning: {steps: 8, epochs: 1, minibatches: 2}
    promote: {solved: 1.0}
"""


@pytest.fixture(scope="module")
def hands() -> PoseHands:
    return PoseHands(15, "coarse", threads=1)


@pytest.fixture
def plan(tmp_path: Path) -> PostureCurriculum:
    file = tmp_path / "tiny.yaml"
    file.write_text(TINY)
    found = load_plan(file)
    assert isinstance(found, PostureCurriculum)
    return found


def test_the_teacher_brings_named_postures_inside_the_official_limit(hands: PoseHands) -> None:
    teacher, targets = Teacher(hands), named()[: hands.count]
    hands.place(np.arange(hands.count), np.zeros((hands.count, 23)))
    for _ in range(75):
        excitation = teacher.excite(targets)
        assert ((excitation >= 0.0) & (excitation <= 1.0)).all()
        hands.step(excitation)
    solved = posture.solved(hands.feedback(), posture.begin_at(targets))
    assert solved.mean() > 0.9


def test_actions_to_imitate_give_the_excitation_or_are_silent() -> None:
    excitation = np.array([0.0, 0.003, 0.02, 0.5, 0.9])
    action = to_action(excitation)
    assert action[:2] == pytest.approx(LEAST_ACTION)
    assert to_excitation(action[2:]) == pytest.approx(excitation[2:])


def test_the_reward_is_best_at_rest_on_the_target(hands: PoseHands) -> None:
    hands.place(np.arange(hands.count), np.zeros((hands.count, 23)))
    here = hands.feedback()
    gains = [
        reward(PostureReward(), here, posture.begin_at(np.full((hands.count, 23), off)))[0]
        for off in (0.0, 0.05, 0.2, 0.5)
    ]
    assert gains == sorted(gains, reverse=True)
    assert gains[0] == pytest.approx(0.1)


def test_targets_stay_within_reach(plan: PostureCurriculum) -> None:
    rng = np.random.default_rng(0)
    low, high = official_range()
    assert (low <= high).all()
    values = intentions(200, rng)
    assert (values[:, -1] == 0.0).all()
    assert values[:, 0].min() == 0.0
    assert np.isfinite(posture.wanted(values)).all()
    assert reachable().shape[1] == 23


def test_tasks_draw_hold_change_and_follow(hands: PoseHands, plan: PostureCurriculum) -> None:
    env = PostureEnv(hands, plan.stages[0], seed=0)
    episodes = env.episodes
    ids = np.arange(hands.count)
    episodes.reset(ids, task=ids % 5)
    leaps = np.zeros(hands.count)
    before = episodes.goal.wanted_rad
    for _ in range(8):
        episodes.advance()
        leaps += (episodes.goal.wanted_rad != before).any(axis=1)
        before = episodes.goal.wanted_rad
    assert (leaps[ids % 5 == 0] == 1).all()
    assert leaps[ids % 5 == 1].sum() >= 5  # the same posture may be drawn again
    assert (leaps[ids % 5 == 2] >= 7).all()
    assert episodes.moving.tolist() == (ids % 5 == 2).tolist()


def test_it_trains_resumes_and_exports(plan: PostureCurriculum, tmp_path: Path) -> None:
    trainer = PostureTrainer(plan, tmp_path, threads=1)
    losses = []
    for _, report in zip(range(4), trainer.updates(), strict=False):
        assert report.problem == ""
        losses.append(report.losses["imitation"])
    assert losses[-1] < losses[0]
    again = PostureTrainer(plan, tmp_path, threads=1)
    again.resume(tmp_path / "checkpoint.pt")
    assert again.progress.steps == trainer.progress.steps
    for one, other in zip(again.actor.parameters(), trainer.actor.parameters(), strict=True):
        assert torch.equal(one, other)
    assert export(tmp_path / "checkpoint.pt", tmp_path / "tiny.onnx") < 1e-4
    policy = load(tmp_path / "tiny.onnx")
    assert (policy.contract.skill, policy.contract.rate_hz) == ("posture", 50.0)
    assert policy.terms == posture.OWN_TERMS
    assert policy.state_crc() == 0


def test_the_shipped_curriculum_reads_as_one() -> None:
    plan = load_plan(data.find("configs/curriculum/posture.yaml"))
    assert isinstance(plan, PostureCurriculum)
    assert plan.stages[0].teacher is not None
    assert plan.stages[-1].teacher is None


def test_a_wrong_key_is_named(tmp_path: Path) -> None:
    file = tmp_path / "wrong.yaml"
    file.write_text(TINY.replace("do: follow", "do: juggle"))
    with pytest.raises(SettingsError, match="juggle"):
        load_plan(file)
    file.write_text(TINY.replace("skill: posture", "skill: juggling"))
    with pytest.raises(SettingsError, match="skill"):
        load_plan(file)
