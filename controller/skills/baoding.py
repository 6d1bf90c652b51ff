"""Two Baoding balls, turned round each other in the palm as fast as the intention says.

Intention -> phase rate (slew-limited) -> targets of both balls in the palm's frame
and their velocities -> observation terms, selected by name from a policy's contract.
Every function works on the last axes, the same for one hand and for a batch.

Geometry, task constants and the official 86-number observation are those of
``myoChallengeBaodingP1-v1`` / ``P2-v1`` (myosuite 3.0.0, envs/myo/tasks/challenge/
baoding.py); ``tests/controller/skills/test_baoding.py`` holds them against the
compiled model and the environment itself.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from controller.messages import Array, Feedback, Flags, Goal
from controller.skills.skill import Channel, Observation, Term

NAME: Final = "baoding"
CHANNELS: Final[tuple[Channel, ...]] = (
    Channel("rotation", -1.0, 1.0, "signed share of the fastest speed, + is counter-clockwise"),
)
OBJECTS: Final = 2

FASTEST_RATE_RAD_S: Final = 2 * np.pi / 4.0  # rotation = 1: one turn in 4 s
RATE_SLEW_RAD_S2: Final = 4.0  # from rest to the fastest speed in 0.4 s
ORBIT_CENTRE_M: Final = (-0.0125, -0.07, -0.02)  # in the palm's frame
ORBIT_RADIUS_M: Final = (0.025, 0.028)  # x, y; the official P1
CONTROL_STEP_S: Final = 0.025  # official: 10 physics steps of 2.5 ms
START_ANGLE_CLASSIC_RAD: Final = 3 * np.pi / 4  # until October 2022, and where the balls lie
START_ANGLE_CURRENT_RAD: Final = np.pi / 4  # today's P1
SOLVED_DISTANCE_M: Final = 0.015
DROP_HEIGHT_M: Final = 1.25
SUCCESS: Final = f"both balls within {SOLVED_DISTANCE_M * 1e3:.0f} mm"


def said(values: Array) -> str:
    """What an intention asks for, (1,): ``rotation +0.25, counter-clockwise``."""
    way = {-1.0: "clockwise", 0.0: "hold", 1.0: "counter-clockwise"}.get(float(np.sign(values[0])))
    return f"rotation {values[0]:+.2f}" + (f", {way}" if way else "")


@dataclass(frozen=True, slots=True)
class BaodingGoal(Goal):
    """Where both targets are on their orbit, and how fast they go.

    Attributes:
        angle_rad: angle of ball 1's target, ball 2's is opposite, (...).
        shown_rad: the angle one step ago, which the official observation shows, (...).
        rate_rad_s: phase rate, + is counter-clockwise, (...).
        radius_m: x and y radius of the orbit, (..., 2).
        started: False until the first advance after a reset, (...).
    """

    angle_rad: Array
    shown_rad: Array
    rate_rad_s: Array
    radius_m: Array
    started: Array


def begin_at(
    angle_rad: Array | float = START_ANGLE_CLASSIC_RAD,
    rate_rad_s: Array | float = 0.0,
    radius_m: Array | Sequence[float] = ORBIT_RADIUS_M,
) -> BaodingGoal:
    """The goal at a task reset; arguments may carry batch axes, (...) and (..., 2)."""
    angle = np.asarray(angle_rad, dtype=np.float64)
    shape = angle.shape
    return BaodingGoal(
        angle_rad=angle.copy(),
        shown_rad=angle.copy(),
        rate_rad_s=np.broadcast_to(np.asarray(rate_rad_s, np.float64), shape).copy(),
        radius_m=np.broadcast_to(np.asarray(radius_m, np.float64), (*shape, 2)).copy(),
        started=np.zeros(shape),
    )


def begin(feedback: Feedback) -> BaodingGoal:
    """The goal that finds the balls where they lie: their own phase, at rest.

    Args:
        feedback: of one hand.
    """
    balls = _to_palm(feedback, feedback.object_pos)[..., :2]
    apart = (balls[..., 0, :] - balls[..., 1, :]) / ORBIT_RADIUS_M
    return begin_at(np.arctan2(apart[..., 1], apart[..., 0]))


def still(values: Array) -> Array:
    """The intention that stops the balls: no rotation, (1,)."""
    return np.zeros_like(values)


def advance(goal: BaodingGoal, intention: Array, dt_s: float) -> BaodingGoal:
    """Move the targets on by one control step.

    The first advance after a reset shows the start itself, as the official
    environments do.

    Args:
        goal: the goal of the last tick.
        intention: (..., 1), the ``rotation`` channel, -1-1.
        dt_s: control step [s].
    """
    wanted = np.minimum(np.maximum(intention[..., 0], -1.0), 1.0) * FASTEST_RATE_RAD_S
    slew = RATE_SLEW_RAD_S2 * dt_s
    change = np.minimum(np.maximum(wanted - goal.rate_rad_s, -slew), slew)
    rate = goal.rate_rad_s + change
    angle = goal.angle_rad + goal.started * rate * dt_s
    return BaodingGoal(
        angle_rad=angle,
        shown_rad=goal.angle_rad,
        rate_rad_s=rate,
        radius_m=goal.radius_m,
        started=np.ones(np.shape(goal.started)),
    )


def targets_palm(angle: Array, radius: Array) -> Array:
    """Both targets in the palm's frame [m], (..., 2, 3)."""
    out = np.empty((*angle.shape, 2, 3))
    x, y = radius[..., 0] * np.cos(angle), radius[..., 1] * np.sin(angle)
    cx, cy, cz = ORBIT_CENTRE_M
    out[..., 0, 0], out[..., 0, 1] = cx + x, cy + y
    out[..., 1, 0], out[..., 1, 1] = cx - x, cy - y
    out[..., 2] = cz
    return out


def target_velocity_palm(goal: BaodingGoal) -> Array:
    """Velocity of ball 1's target along the palm's x and y [m/s], (..., 2)."""
    turn = np.empty((*goal.angle_rad.shape, 2))
    turn[..., 0], turn[..., 1] = -np.sin(goal.angle_rad), np.cos(goal.angle_rad)
    velocity: Array = goal.radius_m * turn * goal.rate_rad_s[..., None]
    return velocity


def markers(feedback: Feedback, goal: BaodingGoal) -> Array:
    """Both targets in the world [m], (..., 2, 3)."""
    return _to_world(feedback, targets_palm(goal.angle_rad, goal.radius_m))


def _to_world(feedback: Feedback, local: Array) -> Array:
    """Points of the palm's frame, (..., n, 3), in the world."""
    return feedback.palm_pos[..., None, :] + local @ np.swapaxes(feedback.palm_rot, -1, -2)


def _to_palm(feedback: Feedback, world: Array) -> Array:
    """Points of the world, (..., n, 3), in the palm's frame."""
    return (world - feedback.palm_pos[..., None, :]) @ feedback.palm_rot


def errors_m(feedback: Feedback, goal: BaodingGoal) -> Array:
    """Distance of each ball from its own target [m], (..., 2)."""
    away: Array = np.linalg.norm(feedback.object_pos - markers(feedback, goal), axis=-1)
    return away


def dropped(feedback: Feedback, height_m: float = DROP_HEIGHT_M) -> Flags:
    """Whether a ball lies below the drop height, (...)."""
    low: Flags = np.any(feedback.object_pos[..., 2] < height_m, axis=-1)
    return low


def solved(feedback: Feedback, goal: BaodingGoal) -> Flags:
    """The official success of a step: both balls within 15 mm, none dropped, (...)."""
    near = np.all(errors_m(feedback, goal) < SOLVED_DISTANCE_M, axis=-1)
    both: Flags = np.logical_and(near, np.logical_not(dropped(feedback)))
    return both


# --- observation terms: each a plain function of (feedback, goal) ------------------


def _flat(points: Array) -> Array:
    return points.reshape(*points.shape[:-2], -1)


def _shown_world(feedback: Feedback, goal: BaodingGoal) -> Array:
    return _to_world(feedback, targets_palm(goal.shown_rad, goal.radius_m))


def _shown_error(feedback: Feedback, goal: BaodingGoal) -> Array:
    return _shown_world(feedback, goal) - feedback.object_pos


def _error_palm(feedback: Feedback, goal: BaodingGoal) -> Array:
    balls = _to_palm(feedback, feedback.object_pos)
    return _flat(targets_palm(goal.angle_rad, goal.radius_m) - balls)


def _target_palm(feedback: Feedback, goal: BaodingGoal) -> Array:
    return targets_palm(goal.angle_rad, goal.radius_m)[..., 0, :2]


TERMS: Final[Mapping[str, Term]] = {
    # the official observation, in its own order and units
    "hand_pos": Term(23, lambda f, g: f.joint_pos),
    "object1_pos": Term(3, lambda f, g: f.object_pos[..., 0, :]),
    "object1_velp": Term(3, lambda f, g: f.object_vel[..., 0, :] * CONTROL_STEP_S),
    "object2_pos": Term(3, lambda f, g: f.object_pos[..., 1, :]),
    "object2_velp": Term(3, lambda f, g: f.object_vel[..., 1, :] * CONTROL_STEP_S),
    "target1_pos": Term(3, lambda f, g: _shown_world(f, g)[..., 0, :]),
    "target2_pos": Term(3, lambda f, g: _shown_world(f, g)[..., 1, :]),
    "target1_err": Term(3, lambda f, g: _shown_error(f, g)[..., 0, :]),
    "target2_err": Term(3, lambda f, g: _shown_error(f, g)[..., 1, :]),
    "act": Term(39, lambda f, g: f.activation),
    # the project's own: in the palm's frame, where the task does not change with the pose
    "joint_vel": Term(23, lambda f, g: f.joint_vel),
    "ball_pos_palm": Term(6, lambda f, g: _flat(_to_palm(f, f.object_pos))),
    "ball_vel_palm": Term(6, lambda f, g: _flat(f.object_vel @ f.palm_rot)),
    "target_pos_palm": Term(2, _target_palm),
    "target_vel_palm": Term(2, lambda f, g: target_velocity_palm(g)),
    "error_palm": Term(6, _error_palm),
    "phase_rate": Term(1, lambda f, g: g.rate_rad_s[..., None]),
}

OFFICIAL_TERMS: Final = (
    *("hand_pos", "object1_pos", "object1_velp", "object2_pos", "object2_velp"),
    *("target1_pos", "target2_pos", "target1_err", "target2_err", "act"),
)
OWN_TERMS: Final = (
    *("hand_pos", "joint_vel", "act", "ball_pos_palm", "ball_vel_palm"),
    *("target_pos_palm", "target_vel_palm", "error_palm", "phase_rate"),
)


def observation(terms: Sequence[str]) -> Observation:
    """The observation made of these terms, in this order.

    Raises:
        ContractError: a term is not one of TERMS.
    """
    return Observation(NAME, TERMS, terms)
