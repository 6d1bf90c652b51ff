import numpy as np
import pytest

from controller.skills import baoding
from training.batch import Balls, Hands, Physics
from training.curriculum import FASTEST_PERIOD_S, Starts, Task
from training.episodes import LIFT_M, Episodes, tracking

STEP_S = baoding.CONTROL_STEP_S
COUNT = 16
QUIET = Starts(on_targets=1.0, joint_noise_rad=0.0, ball_noise_m=0.0)


@pytest.fixture(scope="module")
def many() -> Hands:
    return Hands(COUNT, Physics.named("coarse"), threads=1)


def begun(
    hands: Hands, tasks: list[Task], starts: Starts = QUIET, seed: int = 0, draws: int = 1
) -> Episodes:
    """Episodes of all hands, begun ``draws`` times."""
    episodes = Episodes(hands, tasks, starts, np.random.default_rng(seed))
    for _ in range(draws):
        episodes.reset(np.arange(hands.count))
    return episodes


def rotations(hands: Hands, task: Task, draws: int = 25) -> np.ndarray:
    """What 400 episodes of a task are asked, as they begin."""
    episodes = Episodes(hands, [task], QUIET, np.random.default_rng(0))
    asked = []
    for _ in range(draws):
        for one in range(hands.count):
            episodes._draw_command(one, first=True)
        asked.append(episodes.rotation.copy())
    return np.concatenate(asked)[:, 0]


def test_hold_asks_for_no_rotation(many: Hands) -> None:
    episodes = begun(many, [Task(do="hold")])
    angle = episodes.goal.angle_rad.copy()
    for _ in range(20):
        episodes.advance()
        assert not episodes.rotation.any()
    assert np.array_equal(episodes.goal.angle_rad, angle)


@pytest.mark.parametrize(("direction", "signs"), [("cw", {-1}), ("ccw", {1}), ("both", {-1, 1})])
def test_rotate_asks_for_a_turn_of_its_period_and_direction(
    many: Hands, direction: str, signs: set[int]
) -> None:
    asked = rotations(many, Task(do="rotate", period_s=(8.0, 20.0), direction=direction))
    period = FASTEST_PERIOD_S / np.abs(asked)
    assert (period >= 8.0 - 1e-9).all()
    assert (period <= 20.0 + 1e-9).all()
    assert period.min() < 8.5
    assert period.max() > 18.0
    assert set(np.sign(asked).astype(int)) == signs


def test_rotate_draws_evenly_in_speed_and_direction(many: Hands) -> None:
    asked = rotations(many, Task(do="rotate", period_s=(8.0, 24.0)))
    assert np.abs(asked).mean() == pytest.approx((1 / 8 + 1 / 24) / 2 * 4, abs=0.02)
    assert (asked > 0).mean() == pytest.approx(0.5, abs=0.08)


def test_one_turn_takes_the_period(many: Hands) -> None:
    episodes = begun(many, [Task(do="rotate", period_s=(10.0, 10.0), direction="cw")])
    episodes._set_goal(
        np.arange(COUNT), baoding.begin_at(np.zeros(COUNT), np.full(COUNT, -0.2 * np.pi))
    )
    for _ in range(1 + round(10.0 / STEP_S)):  # the first advance shows the start itself
        episodes.advance()
    assert episodes.goal.angle_rad == pytest.approx(-2 * np.pi, abs=1e-9)


def test_rotate_keeps_its_speed_for_the_whole_episode(many: Hands) -> None:
    episodes = begun(many, [Task(do="rotate", period_s=(8.0, 20.0))])
    asked = episodes.rotation.copy()
    for _ in range(200):
        episodes.advance()
    assert np.array_equal(episodes.rotation, asked)


def test_profile_asks_for_speeds_up_to_its_fastest_and_for_holds(many: Hands) -> None:
    asked = rotations(many, Task(do="profile", period_s=(10.0, 20.0)))
    assert np.abs(asked).max() <= 0.4
    assert asked.min() < -0.35
    assert asked.max() > 0.35
    assert (asked == 0.0).mean() == pytest.approx(0.25, abs=0.08)


def test_profile_keeps_a_speed_for_its_segment(many: Hands) -> None:
    episodes = begun(many, [Task(do="profile", segment_s=(0.25, 0.5))])
    lengths, since = [], np.zeros(COUNT, int)
    before = episodes.rotation.copy()
    for _ in range(100):
        episodes.advance()
        since += 1
        changed = (episodes.rotation != before)[:, 0]
        lengths += since[changed].tolist()
        since[changed] = 0
        before = episodes.rotation.copy()
    shortest, longest = min(lengths) * STEP_S, max(lengths) * STEP_S
    assert shortest >= 0.25 - STEP_S
    assert longest >= 0.3  # two holds in a row look like one longer segment: no upper bound
    assert len(lengths) > 60


def test_the_goals_rate_is_slewed_when_a_profile_changes(many: Hands) -> None:
    episodes = begun(many, [Task(do="profile", period_s=(4.0, 8.0), segment_s=(0.1, 0.3))])
    episodes.advance()
    for _ in range(60):
        before = episodes.goal.rate_rad_s
        episodes.advance()
        change = np.abs(episodes.goal.rate_rad_s - before).max()
        assert change <= baoding.RATE_SLEW_RAD_S2 * STEP_S + 1e-12


def test_jump_leaps_within_its_bound_and_then_stays(many: Hands) -> None:
    task = Task(do="jump", segment_s=(0.2, 0.4), jump_rad=0.5)
    episodes = begun(many, [task])
    leaps = []
    for _ in range(60):
        before = episodes.goal.angle_rad.copy()
        episodes.advance()
        leap = episodes.goal.angle_rad - before
        leaps += leap[leap != 0.0].tolist()
        assert not episodes.rotation.any()
    assert len(leaps) > 3 * COUNT
    assert np.abs(leaps).max() <= 0.5
    assert min(leaps) < -0.4
    assert max(leaps) > 0.4


def test_a_jump_changes_no_other_hands_goal(many: Hands) -> None:
    episodes = begun(many, [Task(do="hold"), Task(do="jump", segment_s=(0.1, 0.2))])
    holds = episodes.task == 0
    angle = episodes.goal.angle_rad.copy()
    for _ in range(12):
        episodes.advance()
    assert np.array_equal(episodes.goal.angle_rad[holds], angle[holds])
    assert (episodes.goal.angle_rad[~holds] != angle[~holds]).all()


def test_tasks_are_drawn_by_their_shares(many: Hands) -> None:
    shares = (5.0, 3.0, 2.0)
    tasks = [Task(do="hold", share=share) for share in shares]
    episodes = Episodes(many, tasks, QUIET, np.random.default_rng(1))
    drawn = []
    for _ in range(40):
        episodes.reset(np.arange(COUNT))
        drawn.append(episodes.task.copy())
    found = np.bincount(np.concatenate(drawn), minlength=3) / (40 * COUNT)
    assert np.allclose(found, [0.5, 0.3, 0.2], atol=0.06)


def test_a_task_may_be_given(many: Hands) -> None:
    episodes = Episodes(many, [Task(do="hold"), Task(do="rotate")], QUIET, np.random.default_rng(0))
    wanted = np.arange(COUNT) % 2
    episodes.reset(np.arange(COUNT), task=wanted)
    assert np.array_equal(episodes.task, wanted)
    assert np.array_equal(episodes.rotation[:, 0] != 0.0, wanted == 1)


def test_placed_balls_lie_on_their_targets_lifted_clear(many: Hands) -> None:
    episodes = begun(many, [Task(do="rotate")])
    feedback = many.feedback()
    away = feedback.object_pos - baoding.markers(feedback, episodes.goal)
    assert np.allclose(away, [0.0, 0.0, LIFT_M], atol=1e-9)
    assert baoding.solved(feedback, episodes.goal).all()
    assert np.unique(episodes.goal.angle_rad).size == COUNT
    assert np.ptp(episodes.goal.angle_rad) > np.pi  # all round the orbit


def test_placed_balls_follow_the_noise_of_the_joints(many: Hands) -> None:
    """The palm moves with the wrist; targets are its own, so the balls go with it."""
    starts = Starts(on_targets=1.0, joint_noise_rad=0.1, ball_noise_m=0.0)
    episodes = begun(many, [Task(do="hold")], starts)
    feedback = many.feedback()
    away = feedback.object_pos - baoding.markers(feedback, episodes.goal)
    assert np.allclose(away, [0.0, 0.0, LIFT_M], atol=1e-9)
    assert np.ptp(feedback.joint_pos, axis=0).max() > 0.1


def test_ball_noise_is_level_and_of_its_size(many: Hands) -> None:
    starts = Starts(on_targets=1.0, joint_noise_rad=0.0, ball_noise_m=0.002)
    away = []
    for seed in range(10):
        episodes = begun(many, [Task(do="hold")], starts, seed)
        feedback = many.feedback()
        away.append(feedback.object_pos - baoding.markers(feedback, episodes.goal))
    found = np.concatenate(away)
    assert np.allclose(found[..., 2], LIFT_M, atol=1e-9)
    assert found[..., :2].std() == pytest.approx(0.002, rel=0.15)
    assert abs(found[..., :2].mean()) < 0.0005


@pytest.mark.parametrize(("classic", "angle"), [(1.0, 0.75 * np.pi), (0.0, 0.25 * np.pi)])
def test_official_starts_are_where_the_task_puts_them(
    many: Hands, classic: float, angle: float
) -> None:
    starts = Starts(on_targets=0.0, classic=classic, joint_noise_rad=0.0, ball_noise_m=0.0)
    episodes = begun(many, [Task(do="rotate")], starts)
    assert np.allclose(episodes.goal.angle_rad, angle)
    assert np.allclose(many.feedback().object_pos, many.start_balls(np.arange(COUNT)), atol=1e-12)
    # the official task moves at once
    rate = episodes.rotation[:, 0] * baoding.FASTEST_RATE_RAD_S
    assert np.array_equal(episodes.goal.rate_rad_s, rate)


def test_balls_that_changed_places_lie_at_the_targets_half_a_turn_on(many: Hands) -> None:
    starts = Starts(on_targets=0.0, classic=1.0, swapped=0.5, joint_noise_rad=0.0, ball_noise_m=0.0)
    episodes = begun(many, [Task(do="hold")], starts)
    turned = episodes.goal.angle_rad - baoding.START_ANGLE_CLASSIC_RAD
    swapped = turned > 1.0
    assert 0 < swapped.sum() < COUNT
    assert np.allclose(turned[swapped], np.pi)
    usual = many.start_balls(np.arange(COUNT))
    expected = np.where(swapped[:, None, None], usual[:, ::-1], usual)
    assert np.allclose(many.feedback().object_pos, expected, atol=1e-12)
    apart = tracking(many, episodes.goal)[0]
    assert np.allclose(apart[swapped][:, ::-1].mean(0), apart[~swapped].mean(0), atol=1e-3)


def test_targets_are_anywhere_while_the_balls_lie_where_they_do(many: Hands) -> None:
    starts = Starts(on_targets=0.0, anywhere=0.5, joint_noise_rad=0.0, ball_noise_m=0.0)
    angle = begun(many, [Task(do="hold")], starts).goal.angle_rad
    official = (baoding.START_ANGLE_CLASSIC_RAD, baoding.START_ANGLE_CURRENT_RAD)
    elsewhere = angle[np.isin(angle, official, invert=True)]
    assert 0 < len(np.unique(elsewhere)) == len(elsewhere) < COUNT
    usual = many.start_balls(np.arange(COUNT))
    assert np.allclose(many.feedback().object_pos, usual, atol=1e-12)


def test_targets_are_where_episodes_fail_as_they_turn(many: Hands) -> None:
    starts = Starts(on_targets=0.0, anywhere=1.0, focus=1.0)
    episodes = Episodes(many, [Task(do="rotate")], starts, np.random.default_rng(0))
    episodes.focus.solved[:, 0, 3] = episodes.focus.solved[:, 2, 20] = -1e6
    episodes.reset(np.arange(COUNT))
    cw = episodes.rotation[:, 0] < 0.0
    bins = np.floor(episodes.goal.angle_rad / (2 * np.pi / 24))
    assert set(bins[cw]) == {3.0}
    assert set(bins[~cw]) == {20.0}


def test_placed_episodes_begin_at_rest_or_in_motion(many: Hands) -> None:
    episodes = begun(many, [Task(do="rotate")])
    asked = episodes.rotation[:, 0] * baoding.FASTEST_RATE_RAD_S
    rate = episodes.goal.rate_rad_s
    still = rate == 0.0
    assert np.array_equal(rate[~still], asked[~still])
    assert 0 < still.sum() < COUNT


def test_starts_are_mixed_by_their_share(many: Hands) -> None:
    starts = Starts(on_targets=0.6, classic=0.5)
    official = (baoding.START_ANGLE_CLASSIC_RAD, baoding.START_ANGLE_CURRENT_RAD)
    counts = np.zeros(3)
    for seed in range(30):
        angle = begun(many, [Task(do="hold")], starts, seed).goal.angle_rad
        counts[:2] += [(angle == one).sum() for one in official]
        counts[2] += np.isin(angle, official, invert=True).sum()
    assert np.allclose(counts / (30 * COUNT), [0.2, 0.2, 0.6], atol=0.07)


def test_a_reset_touches_only_its_hands(many: Hands) -> None:
    episodes = begun(many, [Task(do="rotate"), Task(do="profile")], Starts())
    for _ in range(5):
        episodes.advance()
        many.step(np.full((COUNT, 39), 0.01))
    feedback, goal = many.feedback(), episodes.goal
    rotation, task = episodes.rotation.copy(), episodes.task.copy()
    ids = np.array([3, 4, 11])
    others = np.setdiff1d(np.arange(COUNT), ids)
    episodes.reset(ids)
    for name in ("angle_rad", "shown_rad", "rate_rad_s", "radius_m", "started"):
        assert np.array_equal(getattr(episodes.goal, name)[others], getattr(goal, name)[others])
    assert np.array_equal(episodes.rotation[others], rotation[others])
    assert np.array_equal(episodes.task[others], task[others])
    assert np.array_equal(many.feedback().joint_pos[others], feedback.joint_pos[others])
    assert not episodes.goal.started[ids].any()
    assert episodes.goal.started[others].all()
    assert not many.feedback().time_s[ids].any()


def test_a_reset_of_nobody_draws_nothing(many: Hands) -> None:
    episodes = begun(many, [Task(do="rotate")])
    state = episodes.rng.bit_generator.state
    episodes.reset(np.array([], dtype=np.intp))
    assert episodes.rng.bit_generator.state == state


def trajectory(hands: Hands, seed: int) -> list[np.ndarray]:
    tasks = [Task(do="jump", segment_s=(0.1, 0.2)), Task(do="profile", segment_s=(0.1, 0.3))]
    episodes = begun(hands, tasks, Starts(on_targets=0.5), seed)
    out = [hands.feedback().object_pos, hands.feedback().joint_pos]
    for step in range(20):
        episodes.advance()
        if step == 10:
            episodes.reset(np.array([0, 5]))
        out += [episodes.goal.angle_rad, episodes.rotation.copy(), episodes.task.copy()]
    return out


def test_a_seed_repeats_exactly_and_another_does_not(many: Hands) -> None:
    first, again, other = (trajectory(many, seed) for seed in (1, 1, 2))
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not np.array_equal(first[0], other[0])


def test_tracking_is_the_skills_judgement(many: Hands) -> None:
    episodes = begun(many, [Task(do="hold")])
    many.place(np.array([1]), None, np.array([[[0.0, 0.0, 1.0], [0.0, 0.0, 1.5]]]))
    distance, solved, lowest = tracking(many, episodes.goal)
    assert distance.shape == (COUNT, 2)
    assert solved.tolist() == [index != 1 for index in range(COUNT)]
    assert lowest[1] == pytest.approx(1.0)
    assert (lowest[[0, 2]] > baoding.DROP_HEIGHT_M).all()
    assert np.allclose(distance[0], LIFT_M, atol=1e-9)


def test_orbits_are_those_of_the_official_second_phase() -> None:
    hands = Hands(64, Physics.named("coarse"), 1)
    ids = np.arange(64)
    wide = Episodes(hands, [Task(do="hold")], Starts(orbits=1.0), np.random.default_rng(0))
    wide.reset(ids)
    x, y = wide.goal.radius_m.T
    assert 0.020 <= x.min() < 0.022 < 0.028 < x.max() <= 0.030
    assert 0.022 <= y.min() < 0.024 < 0.030 < y.max() <= 0.032
    plain = Episodes(hands, [Task(do="hold")], Starts(), np.random.default_rng(0))
    plain.reset(ids)
    assert (plain.goal.radius_m == baoding.ORBIT_RADIUS_M).all()
    starts = Starts(orbits=1.0, usual_orbits=0.5)
    mixed = Episodes(hands, [Task(do="hold")], starts, np.random.default_rng(0))
    mixed.reset(ids)
    usual = mixed.goal.radius_m == baoding.ORBIT_RADIUS_M
    assert np.array_equal(usual[:, 0], usual[:, 1])
    assert 20 < usual[:, 0].sum() < 44
    hands.make_balls(Balls.drawn(64, 1.0, np.random.default_rng(0)))
    mixed.reset(ids)
    assert (mixed.goal.radius_m != baoding.ORBIT_RADIUS_M).all(), "other balls, other orbits"
