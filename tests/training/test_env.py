from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch

from bridges.myohand import to_excitation
from controller.skills import baoding
from training.batch import Hands
from training.curriculum import Curriculum, Reward, Starts
from training.env import REWARD_SCALE, HandEnv, reward

Tiny = Callable[..., Curriculum]
COUNT = 4
PASSIVE = torch.full((COUNT, 39), -0.4)
FAR_AWAY = np.array([[[-0.2, -0.5, 1.0], [-0.25, -0.55, 1.5]]])


@pytest.fixture
def env(tiny: Tiny, hands: Hands) -> HandEnv:
    plan = tiny()
    one = HandEnv(hands, plan.stages[0], plan.mix(0), seed=1)
    one.episode_length_buf[:] = 0
    return one


def of(distance: float, solved: bool, activation: float = 0.0, **weights: float) -> float:
    away = np.full((1, 2), distance)
    return float(reward(Reward(**weights), away, np.array([solved]), np.array([activation]))[0])


# --- rewards ---------------------------------------------------------------------------


@pytest.mark.parametrize("weights", [{}, {"near": 0.0}, {"alive": 3.0, "close": 0.0}])
def test_a_perfect_step_earns_a_tenth(weights: dict[str, float]) -> None:
    assert of(0.0, solved=True, **weights) == pytest.approx(0.1, rel=1e-12)
    assert REWARD_SCALE == 0.1


def test_values_stay_near_ten() -> None:
    assert pytest.approx(10.0) == REWARD_SCALE / (1 - 0.99)


def test_the_nearer_the_better() -> None:
    distances = np.linspace(0.0, 0.08, 81)
    earned = np.array([of(d, solved=d < baoding.SOLVED_DISTANCE_M) for d in distances])
    assert (np.diff(earned) < 0).all()
    assert earned[-1] > 0.0  # to be alive is worth something


def test_each_ball_counts_alike() -> None:
    weights, solved, effort = Reward(), np.zeros(2, bool), np.zeros(2)
    earned = reward(weights, np.array([[0.01, 0.03], [0.03, 0.01]]), solved, effort)
    assert earned[0] == pytest.approx(earned[1], rel=1e-12)


def test_effort_costs_what_it_weighs() -> None:
    weights, near, solved = Reward(effort=2.0), np.zeros((1, 2)), np.array([True])
    assert of(0.0, True, activation=0.2) == pytest.approx(0.1)  # by default nothing
    earned = reward(weights, near, solved, np.array([0.2]))[0]
    assert earned == pytest.approx(0.1 * (10.0 - 2.0 * 0.2) / 10.0)


# --- observations ----------------------------------------------------------------------


def test_observations_have_their_shapes_and_are_finite(env: HandEnv) -> None:
    size = baoding.observation(baoding.OWN_TERMS).size
    for _ in range(6):
        obs, gain, done, extras = env.step(PASSIVE)
        assert obs["policy"].shape == (COUNT, size)
        assert obs["privileged"].shape == (COUNT, 7)
        assert obs.batch_size == torch.Size([COUNT])
        assert gain.shape == done.shape == extras["time_outs"].shape == (COUNT,)
        for array in (obs["policy"], obs["privileged"], gain):
            assert array.dtype == torch.float32
            assert torch.isfinite(array).all()
        assert extras["time_outs"].dtype == torch.bool


def test_the_policys_observation_is_the_skills(env: HandEnv) -> None:
    obs, *_ = env.step(PASSIVE)
    skill = baoding.observation(baoding.OWN_TERMS)
    expected = np.zeros((COUNT, skill.size), np.float32)
    skill.observe(env.hands.feedback(), env.episodes.goal, expected)
    assert np.array_equal(obs["policy"].numpy(), expected)


def test_an_observation_stays_as_it_was(env: HandEnv) -> None:
    obs = env.get_observations()
    kept = obs["policy"].clone()
    env.step(PASSIVE)
    assert torch.equal(obs["policy"], kept)


def test_the_privileged_part_is_spin_and_command(env: HandEnv) -> None:
    obs, *_ = env.step(PASSIVE)
    assert np.allclose(obs["privileged"][:, :6], env.hands.ball_spin(), atol=1e-6)
    assert np.allclose(obs["privileged"][:, 6:], env.episodes.rotation, atol=1e-6)


# --- steps -----------------------------------------------------------------------------


def test_an_action_becomes_excitation_by_the_official_map(
    env: HandEnv, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[np.ndarray] = []
    step = env.hands.step
    monkeypatch.setattr(env.hands, "step", lambda e: (sent.append(e), step(e)))
    actions = torch.linspace(-3, 3, COUNT * 39).reshape(COUNT, 39)
    env.step(actions)
    assert np.allclose(sent[0], to_excitation(actions.numpy().astype(float)), atol=1e-12)
    assert sent[0].min() >= 0.0
    assert sent[0].max() <= 1.0


def test_the_reward_is_of_the_goal_that_was_shown(env: HandEnv) -> None:
    """As in the official environment: act, move, then judge against the same targets."""
    goal = env.episodes.goal
    _, gain, done, _ = env.step(PASSIVE)
    assert not done.any()
    feedback = env.hands.feedback()
    expected = reward(
        env.stage.reward,
        baoding.errors_m(feedback, goal),
        baoding.solved(feedback, goal),
        feedback.activation.mean(axis=-1),
    )
    assert np.allclose(gain, expected, atol=1e-7)


def test_late_episodes_end_as_time_outs(env: HandEnv) -> None:
    env.episode_length_buf[1] = env.max_episode_length - 1
    _, _, done, extras = env.step(PASSIVE)
    assert done.tolist() == [0, 1, 0, 0]
    assert extras["time_outs"].tolist() == [False, True, False, False]
    assert extras["drops"] == 0
    assert env.episode_length_buf.tolist() == [1, 0, 1, 1]


def test_an_episode_has_its_length(env: HandEnv) -> None:
    ends = []
    for step in range(1, 2 * env.max_episode_length + 1):
        _, _, done, extras = env.step(PASSIVE)
        if extras["time_outs"].any():
            assert done.all()
            ends.append(step)
    assert ends == [10, 20]
    assert env.max_episode_length == 10


def test_a_drop_ends_an_episode_without_a_time_out(env: HandEnv) -> None:
    env.episode_length_buf[:] = env.max_episode_length - 1  # late at the same time
    env.hands.place(np.array([2]), None, FAR_AWAY)
    _, gain, done, extras = env.step(PASSIVE)
    assert done.all()
    assert extras["time_outs"].tolist() == [True, True, False, True]
    assert extras["drops"] == 1
    assert torch.isfinite(gain).all()


def test_the_drop_height_is_the_stages(tiny: Tiny, hands: Hands) -> None:
    plan = tiny()
    balls = np.array([[[-0.23, -0.51, 1.28], [-0.3, -0.6, 1.5]]])
    for height, drops in ((1.25, 0), (1.30, 1)):
        stage = msgspec.structs.replace(plan.stages[0], drop_height_m=height)
        env = HandEnv(hands, stage, plan.mix(0), seed=1)
        env.episode_length_buf[:] = 0
        env.hands.place(np.array([0]), None, balls)
        assert env.step(PASSIVE)[3]["drops"] == drops


def test_an_ended_episode_starts_anew_and_shows_it(env: HandEnv) -> None:
    for _ in range(3):
        env.step(PASSIVE)
    env.episode_length_buf[0] = env.max_episode_length - 1
    obs, *_ = env.step(PASSIVE)
    feedback = env.hands.feedback()
    assert feedback.time_s[0] == 0.0
    assert (feedback.time_s[1:] > 0.0).all()
    assert not feedback.activation[0].any()
    act = obs["policy"][0, 46:85]
    assert not act.any()
    assert env.episodes.goal.started.all()  # and its targets have been shown once


def test_a_broken_hand_earns_nothing_and_starts_anew(env: HandEnv) -> None:
    env.hands._qpos[3, 0] = np.nan
    obs, gain, done, extras = env.step(PASSIVE)
    assert done.tolist() == [0, 0, 0, 1]
    assert gain[3] == 0.0
    assert not extras["time_outs"].any()
    assert env.broken == 1
    assert all(torch.isfinite(part).all() for part in (obs["policy"], obs["privileged"], gain))
    obs, gain, done, _ = env.step(PASSIVE)
    assert not done.any()
    assert torch.isfinite(obs["policy"]).all()


def test_a_nan_action_breaks_its_own_hand_only(env: HandEnv) -> None:
    actions = PASSIVE.clone()
    actions[1, 7] = torch.nan
    obs, gain, done, _ = env.step(actions)
    assert done.tolist() == [0, 1, 0, 0]
    assert torch.isfinite(obs["policy"]).all()
    assert torch.isfinite(gain).all()


def test_first_episodes_end_at_different_times(tiny: Tiny, hands: Hands) -> None:
    plan = tiny()
    lengths = {
        int(length)
        for seed in range(4)
        for length in HandEnv(hands, plan.stages[0], plan.mix(0), seed).episode_length_buf
    }
    assert len(lengths) > 4
    assert max(lengths) < 10


def rollout(hands: Hands, plan: Curriculum, seed: int) -> list[torch.Tensor]:
    env = HandEnv(hands, plan.stages[0], plan.mix(0), seed)
    generator = torch.Generator().manual_seed(0)
    out = []
    for _ in range(12):
        obs, gain, done, _ = env.step(PASSIVE + 0.2 * torch.randn(COUNT, 39, generator=generator))
        out += [obs["policy"], obs["privileged"], gain, done]
    return out


def test_a_seed_repeats_exactly(tiny: Tiny, hands: Hands, tmp_path: Path) -> None:
    first, again, other = (rollout(hands, tiny(), seed) for seed in (1, 1, 2))
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not torch.equal(first[0], other[0])


# --- strays and the focus on failures --------------------------------------------------


@pytest.mark.parametrize(("stray_m", "ends"), [(0.04, 1), (0.06, 0)])
def test_a_ball_that_strays_ends_an_episode_as_a_drop(
    tiny: Tiny, hands: Hands, stray_m: float, ends: int
) -> None:
    plan = tiny()
    stage = msgspec.structs.replace(plan.stages[0], stray_m=stray_m, starts=Starts(on_targets=1.0))
    env = HandEnv(hands, stage, plan.mix(0), seed=1)
    env.episode_length_buf[:] = 0
    balls = baoding.markers(hands.feedback(), env.episodes.goal)[[2]]
    balls[0, 1, 2] += 0.05  # above its target, and not below the drop height
    hands.place(np.array([2]), None, balls)
    _, _, done, extras = env.step(PASSIVE)
    assert done.tolist() == [0, 0, ends, 0]
    assert extras["drops"] == ends
    assert not extras["time_outs"].any()


def test_ended_episodes_are_noted_by_their_start_and_success(
    env: HandEnv, monkeypatch: pytest.MonkeyPatch
) -> None:
    noted: list[list[list[float]]] = []
    monkeypatch.setattr(
        env.episodes.focus, "note", lambda *told: noted.append([one.tolist() for one in told])
    )
    env._began[:] = 0  # whole episodes: those cut short at the start are not noted
    start = [env.episodes._placed.tolist(), env.episodes.rotation[:, 0].tolist()]
    start.append(env.episodes.goal.angle_rad.tolist())
    goal, solved = env.episodes.goal, np.zeros(COUNT)
    for _ in range(env.max_episode_length):
        _, _, _, extras = env.step(PASSIVE)
        if extras["time_outs"].any():
            break
        solved += baoding.solved(env.hands.feedback(), goal)
        goal = env.episodes.goal
    (*began, found), *others = [one for one in noted if one[0]]
    assert others == []
    assert began == start
    last = np.array(found) * env.max_episode_length - solved
    assert set(np.round(last, 9)) <= {0.0, 1.0}  # the last step may be solved, too
    assert not env._solved_steps.any()
