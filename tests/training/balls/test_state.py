import numpy as np
import torch

from controller.skills import baoding
from training.balls.state import (
    MADE,
    PLACE,
    SIZE,
    SPIN,
    VELOCITY,
    asked,
    hidden,
    observe,
    seen,
    unlike,
)
from training.batch import Balls, Hands, Physics
from training.curriculum import Starts, Task
from training.episodes import Episodes


def at_work(hands: Hands, steps: int = 12) -> Episodes:
    rng = np.random.default_rng(0)
    tasks = [Task(do="profile", period_s=(4.0, 8.0), segment_s=(0.1, 0.2)), Task(do="hold")]
    episodes = Episodes(hands, tasks, Starts(joint_noise_rad=0.1), rng)
    episodes.reset(np.arange(hands.count))
    for _ in range(steps):
        episodes.advance()
        hands.step(rng.beta(0.3, 6.0, (hands.count, 39)))
    episodes.advance()
    return episodes


def test_gradients_pass_through_the_observation(hands: Hands) -> None:
    episodes = at_work(hands)
    state = seen(hands).requires_grad_()
    observe(state, asked(episodes)).square().sum().backward()
    assert state.grad is not None
    assert state.grad[:, : VELOCITY.stop].abs().sum(0).gt(0.0).all()
    assert not state.grad[:, SPIN].any()


def test_balls_move_along_the_palm_as_the_state_says(hands: Hands) -> None:
    """While the palm rests, places change by their velocities."""
    episodes = at_work(hands, steps=0)
    assert episodes.goal.angle_rad.shape == (hands.count,)
    hands.place(np.arange(hands.count))
    before = seen(hands)
    assert before.shape == (hands.count, SIZE)
    hands.step(np.zeros((hands.count, 39)))
    after = seen(hands)
    moved = (after[:, PLACE] - before[:, PLACE]) / baoding.CONTROL_STEP_S
    assert moved.norm() > 0.0
    between = (moved - after[:, VELOCITY] / 2).abs().max()
    assert between < 0.5 * after[:, VELOCITY].abs().max()


def test_spin_is_about_the_palms_axes(hands: Hands) -> None:
    hands.place(np.arange(hands.count))
    for ball in range(2):
        hands._qvel[:, hands.layout.ball_angular[ball]] = (1.0, 2.0, 3.0)
    hands._batch.forward(np.arange(hands.count))
    feedback = hands.feedback()
    wanted = np.array([1.0, 2.0, 3.0]) @ feedback.palm_rot[0]  # a ball that was not turned yet
    assert np.allclose(seen(hands)[0, SPIN].reshape(2, 3), wanted, atol=1e-5)


def test_the_critic_is_told_spin_intention_and_balls(hands: Hands) -> None:
    episodes = at_work(hands)
    state = seen(hands)
    found = hidden(state, hands, asked(episodes))
    assert torch.equal(found[:, 6:7], torch.from_numpy(episodes.rotation.astype(np.float32)))
    assert torch.equal(found[:, 7:], unlike(state))
    assert np.allclose(found[:, :6], hands.ball_spin(), atol=1e-6)


def test_balls_of_p1_are_unlike_nothing(hands: Hands) -> None:
    assert torch.allclose(unlike(seen(hands)), torch.zeros(hands.count, 6), atol=1e-5)


def test_the_state_tells_how_each_ball_is_made() -> None:
    hands = Hands(2, Physics.named("coarse"), threads=1)
    friction = np.ones((2, 2, 3))
    friction[1, 1, 0] = 1.2
    made = Balls(np.array([[0.03, 0.3], [0.1, 0.2]]), np.array([[0.018, 0.024]] * 2), friction)
    hands.make_balls(made)
    state = seen(hands).requires_grad_()
    told = np.concatenate([made.radius, made.mass, friction[..., 0]], axis=1)
    assert np.allclose(state[:, MADE].detach(), told)
    found = unlike(state)
    assert not found.requires_grad  # a hand can't change its balls
    lighter = [-4 / 3, 2 / 3, np.log(30 / 43), np.log(300 / 43), 0.0, 0.0]
    assert np.allclose(found[0], lighter, atol=1e-5)
    assert np.allclose(found[1, 4:], [0.0, 1.0], atol=1e-5)
