from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from controller.skills import baoding
from controller.supervisor.limits import Limits
from training.balls.learn import BallsTrainer
from training.balls.plan import BallsCurriculum
from training.balls.practice import Practice
from training.skills import load_plan


@pytest.fixture
def practising(
    write: Callable[..., Path], trained: Path, tmp_path: Path
) -> Callable[..., Practice]:
    """Eight hands that practised three stretches of four steps, none of which lost a ball."""

    def practised(again: float) -> Practice:
        calm = {"steps": 4, "again": again, "behind_m": 1.0, "disturbed": 0.0}
        plan = load_plan(write({"ascent": calm, "episode_s": 5.0}))
        assert isinstance(plan, BallsCurriculum)
        learner = BallsTrainer(plan, tmp_path, threads=1)
        learner.resume(trained / "checkpoint.pt")
        (practice,) = learner._crew.practices
        practice.world._age[:] = 100
        for _ in range(3):
            assert practice.go(4, None).drops == 0
        return practice

    return practised


def lose_a_ball(practice: Practice, hand: int) -> None:
    """Let one go in the first step of a stretch."""
    hands = practice.world.hands
    hands._qpos[hand, hands.layout.ball_qpos[0] + 2] -= 0.3
    hands._batch.forward(np.array([hand]))
    assert practice.go(1, None).drops == 1


def test_a_hand_that_lost_a_ball_goes_back_to_before(practising: Callable[..., Practice]) -> None:
    practice = practising(again=1.0)
    moment, remembered = practice._moments[0]
    assert moment.age.tolist() == [108] * 8
    before = practice.world.hands.feedback()
    lose_a_ball(practice, hand=2)
    world, after = practice.world, practice.world.hands.feedback()
    assert world.age.tolist() == [113] * 2 + [108] + [113] * 5
    assert not np.array_equal(world.hands.states()[2], moment.states[2])  # disturbed
    assert np.abs(after.object_pos[2] - before.object_pos[2]).max() < 0.02
    assert torch.equal(practice._memory[0][:, 2], remembered[0][:, 2])


def test_it_goes_on_with_the_targets_that_it_had(practising: Callable[..., Practice]) -> None:
    practice = practising(again=1.0)
    world = practice.world
    (moment, _), wanted = practice._moments[0], world.episodes.goal.angle_rad[2]
    lose_a_ball(practice, hand=2)
    for _ in range(4):
        world.episodes.advance()
    rate = world.episodes.goal.rate_rad_s[2]
    assert world.episodes.goal.angle_rad[2] == pytest.approx(wanted, abs=abs(rate) * 0.03 + 1e-9)
    assert moment.age[2] == 108


def test_one_that_may_not_begins_anew(practising: Callable[..., Practice]) -> None:
    practice = practising(again=0.0)
    lose_a_ball(practice, hand=2)
    assert practice.world.age.tolist() == [113] * 2 + [0] + [113] * 5
    assert not practice._memory[0][:, 2].any()


def test_an_episode_that_began_since_is_not_one_to_go_back_to(
    practising: Callable[..., Practice],
) -> None:
    practice = practising(again=1.0)
    practice.world._age[2] = 3
    lose_a_ball(practice, hand=2)
    assert practice.world.age[2] == 0


def test_hands_are_sent_what_the_gate_lets_pass(
    practising: Callable[..., Practice], monkeypatch: pytest.MonkeyPatch
) -> None:
    practice = practising(again=0.0)
    hands, sent = practice.world.hands, [practice._memory[-1][0].numpy()]
    step = hands.step

    def stepped(excitation: np.ndarray) -> None:
        sent.append(excitation)
        step(excitation)

    monkeypatch.setattr(hands, "step", stepped)
    monkeypatch.setattr(
        "training.balls.practice.excitation",
        lambda action: torch.full_like(action, float(len(sent) % 2)),  # all, then nothing
    )
    practice.go(4, None)
    farthest = Limits().slew_per_s * baoding.CONTROL_STEP_S
    assert np.abs(np.diff(sent, axis=0)).max() == pytest.approx(farthest, abs=1e-6)
