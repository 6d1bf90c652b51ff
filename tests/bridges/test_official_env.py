from collections.abc import Iterator
from dataclasses import dataclass, field

import gymnasium as gym
import mujoco
import numpy as np
import pytest

from bridges.mujoco_hand import MujocoHand
from bridges.official_env import HORIZON, P1, P2, OfficialEnv
from controller.errors import SettingsError
from controller.loop import Loop
from controller.messages import Excitation, Intention
from controller.names import MUSCLES
from controller.orders import Orders
from controller.skills import baoding
from controller.supervisor.judge import Machine
from controller.supervisor.limits import Limits
from controller.supervisor.states import Order, State
from controller.supervisor.supervisor import Supervisor

STEPS = 30  # the hand drops the balls before
TOLERANCE = 1e-6  # both observations are float32


class Turn:
    """An intention source: the dead-man low once, then one steady rotation."""

    def __init__(self) -> None:
        self.rotation = 0.0
        self._engage = 0.0

    def read(self, _now_s: float) -> Intention:
        engage, self._engage = self._engage, 1.0
        return Intention(np.array([self.rotation]), engage, age_s=0.0, correction_s=0.0, fresh=True)

    def close(self) -> None:
        pass


@dataclass
class Spy:
    """A policy that excites at random, seldom strongly, and remembers what it saw."""

    seed: int
    seen: list[np.ndarray] = field(default_factory=list)
    terms: tuple[str, ...] = baoding.OFFICIAL_TERMS
    sha256: str = ""

    def __post_init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self._rng = np.random.default_rng(self.seed)

    def infer(self, observation: np.ndarray) -> Excitation:
        self.seen.append(observation.copy())
        return self._rng.beta(0.3, 6.0, len(MUSCLES)).astype(np.float32)


@dataclass
class Driven:
    env: OfficialEnv
    loop: Loop
    spy: Spy


def drive(env: OfficialEnv, seed: int) -> Driven:
    """A loop round the environment, as evaluate makes it."""
    env.seed = seed
    source, spy = Turn(), Spy(seed)
    step = baoding.CONTROL_STEP_S
    supervisor = Supervisor(Limits(), baoding.CHANNELS, step)
    loop = Loop(source, env, baoding, spy, supervisor, step, begin=env.begin)
    source.rotation = env.rotation()
    loop.tick(0.0, Machine(orders=Orders(Order.ARM)))  # the dead-man low: the plant waits
    assert supervisor.state is State.ARMING
    spy.seen.clear()
    return Driven(env, loop, spy)


@pytest.fixture(scope="module")
def classic() -> Iterator[OfficialEnv]:
    env = OfficialEnv(P1, "classic", perturb=False)
    yield env
    env.close()


@pytest.fixture(scope="module")
def current() -> Iterator[OfficialEnv]:
    env = OfficialEnv(P1, "current", perturb=False)
    yield env
    env.close()


@pytest.fixture(scope="module")
def perturbed() -> Iterator[OfficialEnv]:
    env = OfficialEnv(P1, "classic", perturb=True)
    yield env
    env.close()


@pytest.fixture(scope="module")
def second() -> Iterator[OfficialEnv]:
    env = OfficialEnv(P2, "current", perturb=False)
    yield env
    env.close()


CASES = [
    *(("classic", 0), ("current", 0), ("perturbed", 1), ("perturbed", 2)),
    *(("second", seed) for seed in (0, 1, 3, 6, 9, 11)),
]


@pytest.fixture(params=CASES, ids=lambda case: f"{case[0]}-{case[1]}")
def driven(request: pytest.FixtureRequest) -> Driven:
    name, seed = request.param
    return drive(request.getfixturevalue(name), seed)


def test_constants_are_the_environments_own(classic: OfficialEnv) -> None:
    task = classic._task
    assert tuple(task.center_pos) == baoding.ORBIT_CENTRE_M[:2]
    assert (task.x_radius, task.y_radius) == baoding.ORBIT_RADIUS_M
    assert task.drop_th == baoding.DROP_HEIGHT_M
    assert task.proximity_th == baoding.SOLVED_DISTANCE_M
    assert task.dt == pytest.approx(baoding.CONTROL_STEP_S, rel=1e-12)
    assert task.frame_skip == 10
    assert classic._env.spec.max_episode_steps == HORIZON
    assert classic.info.rate_hz * task.dt == pytest.approx(1.0, rel=1e-12)


def test_todays_start_angle_is_the_environments_own() -> None:
    with gym.make(P1) as env:
        assert env.unwrapped.ball_1_starting_angle == baoding.START_ANGLE_CURRENT_RAD


def test_official_terms_are_the_environments_observation_keys(classic: OfficialEnv) -> None:
    assert tuple(classic._task.obs_keys) == baoding.OFFICIAL_TERMS
    assert baoding.observation(baoding.OFFICIAL_TERMS).size == 86
    assert classic._env.observation_space.shape == (86,)


def test_the_cases_cover_every_task_of_the_second_phase(second: OfficialEnv) -> None:
    names = set()
    for _, seed in [case for case in CASES if case[0] == "second"]:
        second.seed = seed
        second.reset()
        names.add(second.task_name)
    assert names == {"hold", "cw", "ccw"}


def test_the_policy_sees_the_official_observation_at_every_step(driven: Driven) -> None:
    for step in range(STEPS):
        official = driven.env._task.get_obs()  # as reset or step returned it
        driven.loop.tick(0.0)
        assert np.abs(driven.spy.seen[step] - official).max() < TOLERANCE, step
        if driven.env.over:
            break
    assert len(driven.env.solved) == len(driven.spy.seen)
    assert len(driven.env.solved) >= 10


@pytest.mark.parametrize(("name", "seed"), [("classic", 0), ("second", 9)])
def test_the_same_to_the_end_of_the_horizon(
    name: str, seed: int, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    env = request.getfixturevalue(name)
    monkeypatch.setattr(env._task, "drop_th", -np.inf)  # let the balls fall, and go on
    driven = drive(env, seed)
    for step in range(HORIZON):
        official = env._task.get_obs()
        driven.loop.tick(0.0)
        difference = np.abs(driven.spy.seen[step] - official)
        assert (difference <= TOLERANCE * np.maximum(1.0, np.abs(official))).all(), step
        markers = baoding.markers(env.read(), driven.loop._goal)
        assert np.abs(markers - env.targets()).max() < 1e-10, step
    assert env.over


def test_what_the_environment_returns_is_what_the_policy_sees(second: OfficialEnv) -> None:
    """The same again with the arrays that gymnasium hands out, not a fresh reading."""
    returned: list[np.ndarray] = []
    wrapped, step, reset = second._env, second._env.step, second._env.reset

    def spied_reset(seed: int) -> None:
        returned[:] = [reset(seed=seed)[0]]

    def spied_step(action: Excitation) -> tuple:
        out = step(action)
        returned.append(out[0])
        return out

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(wrapped, "reset", spied_reset)
        patch.setattr(wrapped, "step", spied_step)
        driven = drive(second, 8)
        for _ in range(12):
            driven.loop.tick(0.0)
    assert len(driven.spy.seen) == 12
    assert np.abs(np.array(driven.spy.seen) - np.array(returned)[:12]).max() < TOLERANCE


def test_the_skills_targets_and_success_are_the_environments(driven: Driven) -> None:
    for step in range(STEPS):
        driven.loop.tick(0.0)
        feedback, goal = driven.env.read(), driven.loop._goal
        markers = baoding.markers(feedback, goal)
        assert np.abs(markers - driven.env.targets()).max() < 1e-12, step
        assert bool(baoding.solved(feedback, goal)) == driven.env.solved[-1]
        assert bool(baoding.dropped(feedback)) == driven.env.dropped
        if driven.env.over:
            break


def test_the_ticks_targets_are_those_of_its_feedback(classic: OfficialEnv) -> None:
    driven = drive(classic, 0)
    for _ in range(5):
        now = driven.env.read()
        tick = driven.loop.tick(0.0)
        assert np.array_equal(tick.feedback.palm_pos, now.palm_pos)
        expected = baoding.markers(now, driven.loop._goal)
        assert np.array_equal(tick.targets, expected)


def test_the_loops_judgement_is_the_environments_a_tick_later(classic: OfficialEnv) -> None:
    driven = drive(classic, 3)
    judged = []
    while not classic.over:
        outcome = driven.loop.tick(0.0).outcome
        if outcome.judged:
            judged.append((outcome.solved, outcome.dropped))
    outcome = driven.loop.tick(0.0).outcome
    judged.append((outcome.solved, outcome.dropped))
    assert [solved for solved, _ in judged] == classic.solved
    assert [dropped for _, dropped in judged] == [False] * (len(judged) - 1) + [classic.dropped]
    assert any(classic.solved)
    assert not all(classic.solved)


@pytest.mark.parametrize("seed", [0, 1])
def test_the_own_hand_steps_bit_for_bit_like_the_environment(
    classic: OfficialEnv, seed: int
) -> None:
    classic.seed = seed
    classic.reset()
    hand = MujocoHand(classic.info.rate_hz)
    rng = np.random.default_rng(seed)
    while not classic.over:
        excitation = rng.beta(0.3, 6.0, 39).astype(np.float32)
        hand.write(excitation)
        classic.write(excitation)
        own, official = hand.read(), classic.read()
        for name in ("time_s", "joint_pos", "joint_vel", "activation", "palm_pos", "palm_rot"):
            assert np.array_equal(getattr(own, name), getattr(official, name)), name
        assert np.array_equal(own.object_pos, official.object_pos)
        assert np.array_equal(own.object_vel, official.object_vel)


def test_solved_steps_are_those_of_a_plain_gymnasium_loop(current: OfficialEnv) -> None:
    rng = np.random.default_rng(5)
    excitations = rng.beta(0.3, 6.0, (HORIZON, 39)).astype(np.float32)
    current.seed = 0
    current.reset()
    while not current.over:
        current.write(excitations[len(current.solved)])
    with gym.make(P1, normalize_act=False) as env:
        env.reset(seed=0)
        solved = []
        for excitation in excitations:
            _, _, terminated, truncated, info = env.step(excitation)
            solved.append(bool(info["solved"]))
            if terminated or truncated:
                break
    assert current.solved == solved
    assert current.dropped == terminated


def test_excitation_and_the_official_action_move_the_hand_alike(current: OfficialEnv) -> None:
    from bridges.myohand import to_excitation

    rng = np.random.default_rng(1)
    with gym.make(P1) as env:  # takes actions of -1-1, as every published policy gives them
        current.seed = 0
        current.reset()
        env.reset(seed=0)
        for action in rng.uniform(-1.3, 0.3, (10, 39)).astype(np.float32):
            env.step(action)
            current.write(to_excitation(action.astype(np.float64)))
        ours, official = current.read(), env.unwrapped.data
        assert np.allclose(ours.joint_pos, official.qpos[:23], atol=1e-5)
        assert np.allclose(ours.activation, official.act, atol=1e-5)


def test_after_a_drop_nothing_is_stepped(classic: OfficialEnv) -> None:
    classic.seed = 0
    classic.reset()
    while not classic.dropped:
        classic.write(np.zeros(39, np.float32))
    assert classic.over
    steps, now = len(classic.solved), classic.read()
    assert 10 < steps < HORIZON
    classic.write(np.ones(39, np.float32))
    assert len(classic.solved) == steps
    after = classic.read()
    assert after.time_s == now.time_s
    assert np.array_equal(after.joint_pos, now.joint_pos)


def test_an_episode_ends_with_the_horizon(classic: OfficialEnv) -> None:
    classic.reset()
    classic.solved = [False] * (HORIZON - 1)
    assert not classic.over
    classic.write(np.zeros(39, np.float32))
    assert classic.over
    assert not classic.dropped
    classic.write(np.zeros(39, np.float32))
    assert len(classic.solved) == HORIZON


def test_a_reset_begins_a_new_episode(classic: OfficialEnv) -> None:
    classic.write(np.zeros(39, np.float32))
    classic.reset()
    assert (classic.solved, classic.dropped, classic.over) == ([], False, False)
    assert classic.read().time_s == 0.0


def test_unstable_physics_ends_an_episode(
    classic: OfficialEnv, tmp_path: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(str(tmp_path))  # MuJoCo writes a log
    classic.reset()
    classic._task.data.qvel[:] = np.nan
    classic.write(np.zeros(39, np.float32))
    assert classic.over
    assert classic.solved == [False]


def start_of(env: OfficialEnv, seed: int) -> np.ndarray:
    env.seed = seed
    env.reset()
    feedback = env.read()
    return np.concatenate([feedback.joint_pos, feedback.object_pos.ravel(), env.targets().ravel()])


def test_a_perturbed_start_repeats_for_its_seed_only(perturbed: OfficialEnv) -> None:
    first, other, again = (start_of(perturbed, seed) for seed in (1, 2, 1))
    assert np.array_equal(first, again)
    for part in (slice(0, 23), slice(23, 29), slice(29, 35)):  # joints, balls, targets
        assert np.abs(first[part] - other[part]).max() > 1e-4


def test_a_perturbed_start_is_near_the_official_one(
    perturbed: OfficialEnv, classic: OfficialEnv
) -> None:
    official = start_of(classic, 0)
    ranges = perturbed._task.model.jnt_range[:23]
    for seed in range(8):
        start = start_of(perturbed, seed)
        assert np.abs(start[:23] - official[:23]).max() < 0.25
        assert (start[:23] >= ranges[:, 0]).all()
        assert (start[:23] <= ranges[:, 1]).all()
        assert np.abs(start[23:29] - official[23:29]).max() <= 0.003 + 1e-9
        assert not perturbed._task.data.qvel.any()


def test_an_unperturbed_start_is_the_same_for_every_seed(classic: OfficialEnv) -> None:
    assert np.array_equal(start_of(classic, 0), start_of(classic, 7))


def test_classic_and_current_start_differ_by_half_a_turn_of_two(
    classic: OfficialEnv, current: OfficialEnv
) -> None:
    classic.reset()
    current.reset()
    near = np.linalg.norm(classic.read().object_pos - classic.targets(), axis=-1)
    far = np.linalg.norm(current.read().object_pos - current.targets(), axis=-1)
    assert np.allclose(near, [0.013, 0.010], atol=1e-3)  # solvable from the first step
    assert np.allclose(far, [0.025, 0.037], atol=1e-3)  # not solvable


@pytest.mark.parametrize("seed", [0, 3])
def test_a_start_of_the_second_phase_repeats_for_its_seed(second: OfficialEnv, seed: int) -> None:
    def parts() -> list[np.ndarray]:
        start = start_of(second, seed)
        model, balls = second._task.model, second._layout.balls
        mass, size = model.body_mass[balls], model.geom_size[second._layout.ball_geoms]
        friction = model.geom_friction[second._layout.ball_geoms]
        return [start, mass.copy(), size.copy(), friction.copy()]

    first = parts()
    start_of(second, seed + 1)
    for one, again in zip(first, parts(), strict=True):
        assert np.array_equal(one, again)


def test_rotation_is_the_environments_task(second: OfficialEnv) -> None:
    for seed in range(12):
        second.seed = seed
        second.reset()
        rotation = second.rotation()
        sign = {"hold": 0, "cw": -1, "ccw": 1}[second.task_name]
        assert np.sign(rotation) == sign
        assert abs(rotation) <= 1.0 + 1e-9
        if sign:
            assert abs(rotation) >= 4.0 / 6.0 - 1e-9


def test_drawing_needs_no_window(classic: OfficialEnv) -> None:
    assert classic._env.render_mode is None


@pytest.mark.parametrize(("start", "perturb"), [("classic", False), ("current", True)])
def test_the_second_phase_refuses_what_is_the_firsts(start: str, perturb: bool) -> None:
    with pytest.raises(SettingsError, match=f"--start classic and --perturb are for {P1}"):
        OfficialEnv(P2, start, perturb)


def test_an_unknown_environment_is_refused_with_those_allowed() -> None:
    with pytest.raises(SettingsError, match=f"--env myoHand: not known; allowed: {P1}, {P2}"):
        OfficialEnv("myoHand", "current", perturb=False)


def test_refreshing_derived_quantities_changes_no_trajectory(classic: OfficialEnv) -> None:
    """mj_forward after a step is free of side effects: a plain mj_step goes the same way."""
    classic.reset()
    model = classic._task.model
    data = mujoco.MjData(model)
    data.qpos[:] = classic._task.data.qpos
    for _ in range(6):
        classic.write(np.full(39, 0.1, np.float32))
        data.ctrl[:] = np.float32(0.1)
        mujoco.mj_step(model, data, 10)
    assert np.array_equal(data.qpos, classic._task.data.qpos)
