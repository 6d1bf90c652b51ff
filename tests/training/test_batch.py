import mujoco
import numpy as np
import pytest

from bridges.mujoco_hand import MujocoHand
from bridges.myohand import Start, load_model
from controller.names import JOINTS
from controller.skills import baoding
from training.batch import BALL_MASS_KG, Balls, Hands, Physics

FIELDS = ("time_s", "joint_pos", "joint_vel", "activation", "palm_pos", "palm_rot")
ALL_FIELDS = (*FIELDS, "object_pos", "object_vel")
STEPS = 12


def excitations(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).beta(0.3, 6.0, (STEPS, count, 39))


@pytest.fixture(params=["coarse", "official"])
def physics(request: pytest.FixtureRequest) -> Physics:
    return Physics.named(request.param)


def test_a_control_step_lasts_25_ms_however_fine(physics: Physics) -> None:
    hands = Hands(1, physics, threads=1)
    hands.step(np.zeros((1, 39)))
    assert hands.feedback().time_s == pytest.approx(baoding.CONTROL_STEP_S, rel=1e-12)


@pytest.mark.parametrize("threads", [1, 2])
def test_a_batch_steps_bit_for_bit_like_single_hands(physics: Physics, threads: int) -> None:
    count = 3
    hands = Hands(count, physics, threads)
    model = load_model()
    model.opt.timestep = baoding.CONTROL_STEP_S / physics.substeps
    model.opt.integrator = physics.integrator
    singles = [mujoco.MjData(model) for _ in range(count)]
    for data in singles:
        data.qpos[:] = Start.of(model).qpos
        mujoco.mj_forward(model, data)
    for excitation in excitations(count):
        hands.step(excitation)
        feedback = hands.feedback()
        for index, data in enumerate(singles):
            data.ctrl[:] = excitation[index]
            mujoco.mj_step(model, data, physics.substeps)
            mujoco.mj_forward(model, data)
            assert np.array_equal(feedback.joint_pos[index], data.qpos[:23])
            assert np.array_equal(feedback.joint_vel[index], data.qvel[:23])
            assert np.array_equal(feedback.activation[index], data.act)
            assert np.array_equal(feedback.palm_pos[index], data.xpos[hands.layout.palm])
            assert np.array_equal(feedback.object_pos[index], data.xpos[hands.layout.balls])


def test_the_official_batch_is_the_plant_that_is_shipped() -> None:
    hands, plant = Hands(2, Physics.named("official"), threads=1), MujocoHand(40.0)
    for excitation in excitations(1).astype(np.float32):
        hands.step(np.repeat(excitation, 2, axis=0))
        plant.write(excitation[0])
        batch, single = hands.feedback(), plant.read()
        for name in ALL_FIELDS:
            for index in range(2):
                assert np.array_equal(getattr(batch, name)[index], getattr(single, name)), name


def test_coarse_physics_stays_near_the_official() -> None:
    coarse, official = (Hands(1, Physics.named(n), threads=1) for n in ("coarse", "official"))
    for _ in range(8):
        for hands in (coarse, official):
            hands.step(np.full((1, 39), 0.02))
    difference = coarse.feedback().joint_pos - official.feedback().joint_pos
    assert 0.0 < np.abs(difference).max() < 0.05


def test_a_new_batch_starts_where_the_plant_does(hands: Hands) -> None:
    hands.place(np.arange(hands.count))
    batch, single = hands.feedback(), MujocoHand(40.0).read()
    for name in ALL_FIELDS:
        assert np.array_equal(getattr(batch, name)[2], getattr(single, name)), name


def test_feedback_stays_as_it_was(hands: Hands) -> None:
    feedback = hands.feedback()
    kept = {name: getattr(feedback, name).copy() for name in ALL_FIELDS}
    for excitation in excitations(hands.count)[:3]:
        hands.step(excitation)
    for name in ALL_FIELDS:
        assert np.array_equal(getattr(feedback, name), kept[name]), name


def test_place_touches_only_the_hands_it_is_given(hands: Hands) -> None:
    hands.place(np.arange(hands.count))
    for excitation in excitations(hands.count)[:4]:
        hands.step(excitation)
    before = hands.feedback()
    balls = np.array([[[-0.2, -0.5, 1.5], [-0.25, -0.55, 1.5]]])
    offset = np.full((1, 23), 0.02)
    hands.place(np.array([2]), offset, balls)
    after = hands.feedback()
    for name in ALL_FIELDS:
        others = [0, 1, 3]
        assert np.array_equal(getattr(after, name)[others], getattr(before, name)[others]), name
    assert np.allclose(after.object_pos[2], balls[0], atol=1e-12)
    assert after.time_s[2] == 0.0
    assert not after.joint_vel[2].any()
    assert not after.object_vel[2].any()
    assert not after.activation[2].any()


def test_hands_that_were_not_placed_go_on_as_if_nothing_had_happened(hands: Hands) -> None:
    """A persistent batch continues from derived quantities: placing must not disturb them."""
    alone = Hands(hands.count, Physics.named("coarse"), threads=1)
    hands.place(np.arange(hands.count))
    for step, excitation in enumerate(excitations(hands.count)):
        if step == 5:
            hands.place(np.array([1]), np.full((1, 23), 0.1))
        hands.step(excitation)
        alone.step(excitation)
    ours, theirs = hands.feedback(), alone.feedback()
    for name in ALL_FIELDS:
        assert np.array_equal(getattr(ours, name)[[0, 2, 3]], getattr(theirs, name)[[0, 2, 3]])
    assert not np.array_equal(ours.joint_pos[1], theirs.joint_pos[1])


def test_a_placed_hand_moves_like_a_new_one(hands: Hands) -> None:
    for excitation in excitations(hands.count, seed=1):
        hands.step(excitation)
    hands.place(np.array([3]))
    fresh = Hands(1, Physics.named("coarse"), threads=1)
    for excitation in excitations(hands.count, seed=2)[:6]:
        hands.step(excitation)
        fresh.step(excitation[3:])
    for name in ALL_FIELDS:
        assert np.array_equal(
            getattr(hands.feedback(), name)[3], getattr(fresh.feedback(), name)[0]
        )


def test_joints_are_placed_within_their_limits(hands: Hands) -> None:
    ranges = load_model().jnt_range[: len(JOINTS)]
    for sign, bound in ((1, 1), (-1, 0)):
        hands.place(np.array([0]), np.full((1, 23), sign * 100.0))
        assert np.array_equal(hands.feedback().joint_pos[0], ranges[:, bound])


def test_start_balls_are_those_of_the_official_start(hands: Hands) -> None:
    hands.place(np.arange(hands.count))
    ids = np.array([1, 3])
    assert np.allclose(hands.start_balls(ids), hands.feedback().object_pos[ids], atol=1e-12)


def test_spin_is_the_angular_velocity_of_both_balls(hands: Hands) -> None:
    hands.place(np.arange(hands.count))
    hands._qvel[1, hands.layout.ball_angular[1]] = [1.0, 2.0, 3.0]
    assert np.array_equal(hands.ball_spin()[1], [0, 0, 0, 1, 2, 3])
    assert not hands.ball_spin()[0].any()
    hands.place(np.array([1]))


@pytest.mark.parametrize("what", ["_qpos", "_qvel", "_ctrl"])
def test_a_hand_of_nan_is_broken_and_no_other(hands: Hands, what: str) -> None:
    hands.place(np.arange(hands.count))
    assert not hands.broken().any()
    excitation = np.full((hands.count, 39), 0.01)
    if what == "_ctrl":
        excitation[2, 5] = np.nan
    else:
        getattr(hands, what)[2, 5] = np.nan
    hands.step(excitation)
    assert hands.broken().tolist() == [False, False, True, False]
    hands.place(np.array([2]))
    hands.step(np.full((hands.count, 39), 0.01))
    assert not hands.broken().any()
    assert np.isfinite(hands.feedback().joint_pos).all()


def test_a_broken_hand_is_told_once(hands: Hands) -> None:
    hands.place(np.arange(hands.count))
    hands._qvel[0] = np.inf
    hands.step(np.zeros((hands.count, 39)))
    assert hands.broken()[0]
    assert not hands.broken().any()


def test_other_hands_are_untouched_by_a_broken_one(hands: Hands) -> None:
    alone = Hands(hands.count, Physics.named("coarse"), threads=1)
    hands.place(np.arange(hands.count))
    hands.broken()
    for step, excitation in enumerate(excitations(hands.count)[:5]):
        if step == 2:
            hands._qpos[3, 0] = np.nan
        hands.step(excitation)
        alone.step(excitation)
    assert np.array_equal(hands.feedback().joint_pos[:3], alone.feedback().joint_pos[:3])
    hands.place(np.array([3]))
    hands.broken()


def test_balls_are_drawn_from_a_share_of_the_official_ranges() -> None:
    nominal = Balls.drawn(4, 0.0, np.random.default_rng(0))
    assert (nominal.mass == 0.043).all()
    assert (nominal.radius == 0.022).all()
    assert (nominal.friction == [1.0, 0.005, 0.0001]).all()
    half = Balls.drawn(4000, 0.5, np.random.default_rng(0))
    assert half.mass.min() == pytest.approx(0.0365, abs=1e-3)
    assert half.mass.max() == pytest.approx(0.1715, abs=1e-3)
    assert half.radius.min() == pytest.approx(0.020, abs=1e-4)
    assert half.radius.max() == pytest.approx(0.023, abs=1e-4)
    assert np.ptp(half.friction[..., 0]) == pytest.approx(0.2, abs=1e-3)


def test_balls_of_the_first_phase_come_back() -> None:
    hands, untouched = (Hands(2, Physics.named("coarse"), 1) for _ in range(2))
    hands.draw_balls(1.0, np.random.default_rng(0))
    hands.draw_balls(0.0, np.random.default_rng(0))
    for one in (hands, untouched):
        one.place(np.arange(2))
        for _ in range(10):
            one.step(np.full((2, 39), 0.02))
    assert np.allclose(hands.feedback().object_pos, untouched.feedback().object_pos, atol=1e-9)


def test_a_share_of_the_hands_has_the_usual_balls() -> None:
    balls = Balls.drawn(400, 1.0, np.random.default_rng(0), usual=0.25)
    mass, usual = balls.mass, (balls.mass == BALL_MASS_KG[0]).all(axis=1)
    assert np.array_equal(balls.usual, usual)
    assert usual.mean() == pytest.approx(0.25, abs=0.05)
    assert not (mass[~usual] == BALL_MASS_KG[0]).any()
