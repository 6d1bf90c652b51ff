"""The Baoding skill: one hand or a batch, the goal's motion, success."""

import math
from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.errors import ContractError
from controller.messages import Feedback
from controller.skills import baoding
from controller.skills.baoding import (
    DROP_HEIGHT_M,
    FASTEST_RATE_RAD_S,
    OFFICIAL_TERMS,
    ORBIT_CENTRE_M,
    ORBIT_RADIUS_M,
    OWN_TERMS,
    RATE_SLEW_RAD_S2,
    SOLVED_DISTANCE_M,
    TERMS,
    BaodingGoal,
    advance,
    begin,
    begin_at,
    dropped,
    errors_m,
    markers,
    solved,
    still,
)

DT = 0.025
SHAPES = {"joint_pos": (23,), "joint_vel": (23,), "activation": (39,), "palm_pos": (3,)} | {
    "object_pos": (2, 3),
    "object_vel": (2, 3),
}


def rotations(rng, *batch):
    """Random rotation matrices, (..., 3, 3)."""
    matrices, _ = np.linalg.qr(rng.normal(size=(*batch, 3, 3)))
    matrices[..., 0] *= np.linalg.det(matrices)[..., None]
    return matrices


def hands(rng, *batch):
    drawn = {name: rng.normal(size=(*batch, *shape)) for name, shape in SHAPES.items()}
    return Feedback(time_s=np.zeros(batch), palm_rot=rotations(rng, *batch), **drawn)


def goals(rng, *batch):
    return BaodingGoal(
        angle_rad=rng.normal(size=batch),
        shown_rad=rng.normal(size=batch),
        rate_rad_s=rng.normal(size=batch),
        radius_m=rng.uniform(0.02, 0.03, size=(*batch, 2)),
        started=np.ones(batch),
    )


def one(message, index):
    """One hand out of a batch."""
    values = {f.name: getattr(message, f.name) for f in fields(message)}
    return type(message)(**{k: v[index] if np.ndim(v) else v for k, v in values.items()})


def turn(value):
    return np.array([value])


# --- observation ------------------------------------------------------------------------


@pytest.mark.parametrize("name", TERMS)
@pytest.mark.parametrize("batch", [(5,), (2, 3)])
def test_a_batch_is_many_hands(name, batch):
    rng = np.random.default_rng(0)
    feedback, goal = hands(rng, *batch), goals(rng, *batch)
    term = TERMS[name]
    together = term.compute(feedback, goal)
    assert together.shape == (*batch, term.size)
    for index in np.ndindex(batch):
        alone = term.compute(one(feedback, index), one(goal, index))
        assert alone.shape == (term.size,)
        np.testing.assert_array_equal(together[index], alone)


@pytest.mark.parametrize("function", [markers, errors_m, solved])
def test_a_batch_is_judged_as_many_hands(function):
    rng = np.random.default_rng(1)
    feedback, goal = hands(rng, 7), goals(rng, 7)
    together = function(feedback, goal)
    for index in range(7):
        alone = function(one(feedback, index), one(goal, index))
        np.testing.assert_array_equal(together[index], alone)


@pytest.mark.parametrize("terms", [OFFICIAL_TERMS, OWN_TERMS, tuple(TERMS)[::-1], ()])
def test_observation_is_its_terms_side_by_side(terms):
    rng = np.random.default_rng(2)
    feedback, goal = hands(rng, 3), goals(rng, 3)
    observation = baoding.observation(terms)
    assert observation.names == terms
    assert observation.sizes == tuple(TERMS[name].size for name in terms)
    assert observation.size == sum(observation.sizes)
    out = np.full((3, observation.size), np.nan, np.float32)
    observation.observe(feedback, goal, out)
    parts = [TERMS[name].compute(feedback, goal) for name in terms]
    expected = np.concatenate([np.empty((3, 0)), *parts], axis=-1).astype(np.float32)
    np.testing.assert_array_equal(out, expected)


def test_one_hand_and_a_batch_give_the_same_observation():
    rng = np.random.default_rng(3)
    feedback, goal = hands(rng, 4), goals(rng, 4)
    observation = baoding.observation(tuple(TERMS))
    together = np.zeros((4, observation.size), np.float32)
    observation.observe(feedback, goal, together)
    alone = np.zeros(observation.size, np.float32)
    for index in range(4):
        observation.observe(one(feedback, index), one(goal, index), alone)
        np.testing.assert_array_equal(alone, together[index])


def test_the_official_observation_has_86_numbers():
    assert baoding.observation(OFFICIAL_TERMS).size == 86


def test_an_unknown_term_is_named_with_what_there_is():
    with pytest.raises(ContractError) as caught:
        baoding.observation(["hand_pos", "hand_po", "nothing"])
    assert str(caught.value) == (
        "observation term 'hand_po' is unknown to the skill 'baoding'; "
        f"it knows: {', '.join(TERMS)}"
    )


@pytest.mark.parametrize(
    "name", ["ball_pos_palm", "ball_vel_palm", "target_pos_palm", "target_vel_palm", "error_palm"]
)
def test_palm_terms_do_not_change_with_the_pose_of_the_hand(name):
    rng = np.random.default_rng(4)
    here, goal = hands(rng), goals(rng)
    rot, pos = rotations(rng), rng.normal(size=3)
    there = Feedback(
        time_s=here.time_s,
        joint_pos=here.joint_pos,
        joint_vel=here.joint_vel,
        activation=here.activation,
        palm_pos=rot @ here.palm_pos + pos,
        palm_rot=rot @ here.palm_rot,
        object_pos=here.object_pos @ rot.T + pos,
        object_vel=here.object_vel @ rot.T,
    )
    compute = TERMS[name].compute
    np.testing.assert_allclose(compute(there, goal), compute(here, goal), atol=1e-12)


def test_terms_by_hand(make_feedback):
    """In the palm's own pose the terms can be written down."""
    velocity = np.arange(6.0).reshape(2, 3)
    feedback = make_feedback(object_vel=velocity)
    goal = BaodingGoal(
        np.array(0.0), np.array(np.pi / 2), np.array(2.0), np.array([0.03, 0.02]), np.array(1.0)
    )

    def of(name):
        return TERMS[name].compute(feedback, goal)

    centre = np.array(ORBIT_CENTRE_M)
    palm, balls = feedback.palm_pos, feedback.object_pos
    np.testing.assert_allclose(of("target1_pos"), palm + centre + [0, 0.02, 0], atol=1e-12)
    np.testing.assert_allclose(of("target2_pos"), palm + centre - [0, 0.02, 0], atol=1e-12)
    np.testing.assert_allclose(of("target1_err"), of("target1_pos") - balls[0])
    np.testing.assert_allclose(of("target2_err"), of("target2_pos") - balls[1])
    np.testing.assert_allclose(of("object1_velp"), velocity[0] * 0.025)
    np.testing.assert_allclose(of("object2_velp"), velocity[1] * 0.025)
    np.testing.assert_allclose(of("ball_vel_palm"), velocity.ravel())
    np.testing.assert_allclose(of("target_pos_palm"), centre[:2] + [0.03, 0])
    np.testing.assert_allclose(of("target_vel_palm"), [0, 0.04], atol=1e-12)
    np.testing.assert_allclose(of("phase_rate"), [2.0])
    error = markers(feedback, goal) - balls
    np.testing.assert_allclose(of("error_palm"), error.ravel(), atol=1e-12)


# --- the goal's motion ------------------------------------------------------------------


def test_the_first_step_shows_the_start():
    goal = advance(begin_at(0.7, 1.0), turn(1.0), DT)
    assert goal.angle_rad == 0.7 and goal.shown_rad == 0.7
    assert goal.rate_rad_s == pytest.approx(1.0 + RATE_SLEW_RAD_S2 * DT)


def test_the_shown_angle_is_one_step_late():
    goal, angles, shown = begin_at(0.0, 1.0), [], []
    for _ in range(10):
        goal = advance(goal, turn(1.0), DT)
        angles.append(float(goal.angle_rad))
        shown.append(float(goal.shown_rad))
    assert shown[1:] == angles[:-1]
    assert angles[0] == 0.0 and angles[1] > 0.0


def test_angle_follows_the_rate_of_its_own_step():
    goal = advance(begin_at(0.5, 1.2), turn(1.0), DT)
    after = advance(goal, turn(1.0), DT)
    assert after.angle_rad == pytest.approx(0.5 + after.rate_rad_s * DT)


def test_rate_is_slew_limited_both_ways():
    goal, rates = begin_at(0.0), [0.0]
    for wanted in [1.0] * 20 + [-1.0] * 40:
        goal = advance(goal, turn(wanted), DT)
        rates.append(float(goal.rate_rad_s))
    steps = np.diff(rates)
    assert np.abs(steps).max() == pytest.approx(RATE_SLEW_RAD_S2 * DT)
    assert rates[20] == pytest.approx(FASTEST_RATE_RAD_S)
    assert rates[-1] == pytest.approx(-FASTEST_RATE_RAD_S)
    assert max(rates) <= FASTEST_RATE_RAD_S and min(rates) >= -FASTEST_RATE_RAD_S


@pytest.mark.parametrize("value, share", [(0.5, 0.5), (-0.25, -0.25), (1.02, 1.0), (-9.0, -1.0)])
def test_rotation_is_a_share_of_the_fastest_speed(value, share):
    goal = begin_at(0.0)
    for _ in range(30):
        goal = advance(goal, turn(value), DT)
    assert goal.rate_rad_s == pytest.approx(share * FASTEST_RATE_RAD_S)


@settings(max_examples=50, deadline=None, derandomize=True, database=None)
@given(st.lists(st.floats(-3, 3), min_size=1, max_size=40), st.floats(0.001, 0.1))
def test_targets_never_jump(wishes, dt):
    goal = begin_at(1.0)
    for wish in wishes:
        after = advance(goal, turn(wish), dt)
        assert abs(after.angle_rad - goal.angle_rad) <= FASTEST_RATE_RAD_S * dt + 1e-12
        assert abs(after.rate_rad_s - goal.rate_rad_s) <= RATE_SLEW_RAD_S2 * dt + 1e-12
        goal = after


def test_advance_of_a_batch_is_advance_of_each():
    rng = np.random.default_rng(5)
    goal = begin_at(rng.normal(size=6), rng.normal(size=6), rng.uniform(0.02, 0.03, (6, 2)))
    alone = [one(goal, index) for index in range(6)]
    for _ in range(5):
        wishes = rng.uniform(-1, 1, (6, 1))
        goal = advance(goal, wishes, DT)
        alone = [advance(g, w, DT) for g, w in zip(alone, wishes, strict=True)]
        for index, expected in enumerate(alone):
            for field in fields(expected):
                np.testing.assert_array_equal(
                    one(goal, index).__getattribute__(field.name), getattr(expected, field.name)
                )


def test_advance_leaves_the_old_goal_alone():
    goal = begin_at(0.3)
    advance(advance(goal, turn(1.0), DT), turn(1.0), DT)
    assert (goal.angle_rad, goal.rate_rad_s, goal.started) == (0.3, 0.0, 0.0)


def test_still_stops_the_balls():
    values = turn(0.8)
    assert still(values).shape == values.shape and not still(values).any()
    assert values[0] == 0.8
    goal = advance(begin_at(0.0, 1.0), turn(1.0), DT)
    for _ in range(20):
        goal = advance(goal, still(values), DT)
    assert goal.rate_rad_s == 0.0
    assert advance(goal, still(values), DT).angle_rad == goal.angle_rad


# --- beginning --------------------------------------------------------------------------


@pytest.mark.parametrize("angle", np.linspace(-3.1, 3.1, 13))
def test_begin_finds_the_phase_in_any_pose(angle):
    rng = np.random.default_rng(6)
    feedback = hands(rng)
    feedback.object_pos[:] = markers(feedback, begin_at(angle))
    goal = begin(feedback)
    assert goal.angle_rad == pytest.approx(angle)
    assert goal.shown_rad == pytest.approx(angle) and goal.rate_rad_s == 0.0
    np.testing.assert_allclose(errors_m(feedback, goal), 0.0, atol=1e-12)


def test_begin_needs_no_perfect_placing(make_feedback):
    feedback = make_feedback()
    feedback.object_pos[:] += np.random.default_rng(7).normal(0, 0.002, (2, 3))
    angle = float(begin(feedback).angle_rad)
    assert math.remainder(angle - 3 * np.pi / 4, 2 * np.pi) == pytest.approx(0.0, abs=0.15)


def test_begin_with_both_balls_in_one_place_is_still_a_goal(make_feedback):
    feedback = make_feedback(object_pos=np.ones((2, 3)))
    assert np.isfinite(begin(feedback).angle_rad)


def test_begin_at_takes_a_batch():
    goal = begin_at(np.zeros(4), 0.5, [0.02, 0.03])
    assert goal.angle_rad.shape == goal.rate_rad_s.shape == goal.started.shape == (4,)
    assert goal.radius_m.shape == (4, 2)
    assert begin_at().angle_rad == baoding.START_ANGLE_CLASSIC_RAD
    np.testing.assert_array_equal(begin_at().radius_m, ORBIT_RADIUS_M)


def test_begin_at_keeps_none_of_the_callers_memory():
    angle = np.zeros(2)
    goal = begin_at(angle)
    angle += 1.0
    assert not goal.angle_rad.any() and not goal.shown_rad.any()


# --- success ----------------------------------------------------------------------------


def on_targets(make_feedback, goal, *away):
    feedback = make_feedback()
    feedback.object_pos[:] = markers(feedback, goal) + np.array(away or [[0.0] * 3] * 2)
    return feedback


def test_targets_are_opposite_and_on_the_orbit(make_feedback):
    feedback = make_feedback()
    for angle in np.linspace(0, 6, 9):
        local = markers(feedback, begin_at(angle)) - feedback.palm_pos
        np.testing.assert_allclose(local.mean(axis=0), ORBIT_CENTRE_M, atol=1e-12)
        offset = (local[0] - ORBIT_CENTRE_M)[:2] / ORBIT_RADIUS_M
        np.testing.assert_allclose(offset, [np.cos(angle), np.sin(angle)], atol=1e-9)


@pytest.mark.parametrize("ball", [0, 1])
@pytest.mark.parametrize("away, near", [(0.0, True), (-1e-6, True), (1e-6, False)])
def test_solved_boundary(make_feedback, ball, away, near):
    offsets = np.zeros((2, 3))
    offsets[ball, 2] = SOLVED_DISTANCE_M + away if away else 0.0
    goal = begin_at()
    feedback = on_targets(make_feedback, goal, *offsets)
    assert bool(solved(feedback, goal)) is near
    np.testing.assert_allclose(errors_m(feedback, goal), offsets[:, 2], atol=1e-12)


@pytest.mark.parametrize("ball", [0, 1])
@pytest.mark.parametrize(
    "height, low",
    [
        (DROP_HEIGHT_M, False),
        (np.nextafter(DROP_HEIGHT_M, 0), True),
        (np.nextafter(DROP_HEIGHT_M, 9), False),
        (0.0, True),
    ],
)
def test_dropped_boundary(make_feedback, ball, height, low):
    feedback = make_feedback()
    feedback.object_pos[ball, 2] = height
    assert bool(dropped(feedback)) is low


def test_dropped_at_another_height(make_feedback):
    assert dropped(make_feedback(), height_m=9.0)


def test_what_is_dropped_is_not_solved(make_feedback):
    goal = begin_at()
    feedback = make_feedback(palm_pos=np.array([0.0, 0.0, DROP_HEIGHT_M]))
    feedback.object_pos[:] = markers(feedback, goal)  # the orbit lies 2 cm below the palm's origin
    assert not errors_m(feedback, goal).any()
    assert not solved(feedback, goal)


def test_swapped_balls_are_not_solved(make_feedback):
    goal = begin_at()
    feedback = on_targets(make_feedback, goal)
    assert solved(feedback, goal)
    feedback.object_pos[:] = feedback.object_pos[::-1].copy()
    assert not solved(feedback, goal)


def test_the_channel_is_what_advance_reads():
    (channel,) = baoding.CHANNELS
    assert (channel.label, channel.low, channel.high) == ("rotation", -1.0, 1.0)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0.25, "rotation +0.25, counter-clockwise"),
        (-1.0, "rotation -1.00, clockwise"),
        (0.0, "rotation +0.00, hold"),
        (math.nan, "rotation +nan"),
    ],
)
def test_an_intention_in_words(value, words):
    assert baoding.said(np.array([value])) == words
