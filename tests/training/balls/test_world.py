from dataclasses import replace

import msgspec
import numpy as np
import pytest
import torch

from training.balls.plan import BallsCurriculum
from training.balls.world import Outcome, World
from training.batch import Hands, Physics
from training.curriculum import Starts


@pytest.fixture(scope="module")
def hands() -> Hands:
    return Hands(4, Physics.named("coarse"), threads=1)


def world_of(plan: BallsCurriculum, hands: Hands, classic: float) -> World:
    """Holds from the official start of those days, where the balls lie on their targets, or not."""
    starts = Starts(on_targets=0.0, classic=classic, joint_noise_rad=0.0, ball_noise_m=0.0)
    first = plan.stages[0]
    ascent = msgspec.structs.replace(first.ascent, behind_m=0.03)
    stage = msgspec.structs.replace(first, tasks=first.tasks[:1], starts=starts, ascent=ascent)
    return World(hands, stage, np.random.default_rng(0))


def rest(world: World) -> Outcome:
    return world.step(torch.zeros(4, 39))


def test_a_ball_far_behind_its_target_is_lost(gradients: BallsCurriculum, hands: Hands) -> None:
    world = world_of(gradients, hands, classic=1.0)
    outcome = rest(world)
    assert outcome.solved.all()
    assert not world.lost(outcome).any()
    far = np.array([[0.0, 0.0], [0.031, 0.0], [0.0, 0.031], [0.029, 0.029]])
    assert world.lost(replace(outcome, distance=far)).tolist() == [False, True, True, False]


def test_but_not_before_it_was_there(gradients: BallsCurriculum, hands: Hands) -> None:
    world = world_of(gradients, hands, classic=0.0)
    outcome = rest(world)
    assert not outcome.solved.any()
    assert outcome.distance.max() > 0.03
    assert not world.lost(outcome).any()


def test_a_dropped_ball_and_broken_physics_are_lost(
    gradients: BallsCurriculum, hands: Hands
) -> None:
    world = world_of(gradients, hands, classic=1.0)
    outcome = rest(world)
    low = np.array([1.0, 2.0, 2.0, 2.0])
    broken = np.array([False, True, False, False])
    lost = world.lost(replace(outcome, lowest=low, broken=broken))
    assert lost.tolist() == [True, True, False, False]


def test_hands_go_back_to_a_moment_of_theirs(gradients: BallsCurriculum, hands: Hands) -> None:
    world = world_of(gradients, hands, classic=1.0)
    rest(world)
    moment, then = world.moment(), hands.feedback()
    for _ in range(5):
        rest(world)
        world.episodes.advance()
    later = hands.feedback()
    world.back(np.array([2]), moment)
    now = hands.feedback()
    assert world.age[2] == world.age[1] - 5 - (moment.age[1] - moment.age[2])
    assert 0.0 < np.abs(now.object_pos[2] - then.object_pos[2]).max() < 0.003  # disturbed
    assert np.array_equal(now.object_pos[[0, 1, 3]], later.object_pos[[0, 1, 3]])


def test_an_episode_counts_once_when_its_ball_is_first_lost(
    gradients: BallsCurriculum, hands: Hands, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = world_of(gradients, hands, classic=1.0)
    world.end(np.arange(4))
    noted: list[list[float]] = []
    monkeypatch.setattr(world.episodes, "ended", lambda ids, share: noted.append(share.tolist()))
    moment = world.moment()
    rest(world)
    world.back(np.array([1]), moment)
    world.end(np.array([1, 2]))
    steps = round(world.stage.episode_s / 0.025)
    assert noted == [[1 / steps], [1 / steps]], "the second one's went on after it was lost"


def test_a_share_of_the_hands_is_disturbed(gradients: BallsCurriculum, hands: Hands) -> None:
    world = world_of(gradients, hands, classic=1.0)
    before = hands.feedback()
    world.disturb(0.0)
    assert np.array_equal(hands.feedback().joint_pos, before.joint_pos)
    world.disturb(1.0)
    moved = (hands.feedback().joint_pos != before.joint_pos).any(axis=1)
    assert moved.all()


@pytest.mark.parametrize("twins", [False, True])
def test_hands_have_balls_of_their_own_and_twins_the_same(
    gradients: BallsCurriculum, twins: bool
) -> None:
    stage = msgspec.structs.replace(gradients.stages[0], balls=1.0)
    own = Hands(4, Physics.named("coarse"), threads=1)
    World(own, stage, np.random.default_rng(0), twins)
    mass = own.balls.mass
    assert len(np.unique(mass)) == (4 if twins else 8)
    assert np.array_equal(mass[:2], mass[2:]) == twins


def test_hands_that_start_anew_have_other_balls(gradients: BallsCurriculum) -> None:
    stage = msgspec.structs.replace(gradients.stages[0], balls=1.0)
    own = Hands(4, Physics.named("coarse"), threads=1)
    world = World(own, stage, np.random.default_rng(0))
    before = own.balls.mass.copy()
    world.end(np.arange(4))
    assert np.array_equal(own.balls.mass, before), "an episode's end is not enough"
    world.restart()
    assert not np.isin(own.balls.mass, before).any()
