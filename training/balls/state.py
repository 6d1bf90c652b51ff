"""Hands and balls as one tensor in the palm's frame, and what the policy is told of it.

In the palm's frame a grip is the same wherever the palm looks, so the model has less to learn
and the observation is read off by slices, through which gradients pass.
"""

from typing import Final, NamedTuple

import numpy as np
import torch

from controller.messages import Array
from controller.skills import baoding
from training.batch import (
    BALL_FRICTION,
    BALL_FRICTION_CHANGE,
    BALL_MASS_KG,
    BALL_RADIUS_M,
    Hands,
)
from training.episodes import Episodes

ANGLE: Final = slice(0, 23)  # of the joints [rad]
SPEED: Final = slice(23, 46)  # of the joints [rad/s]
ACTIVE: Final = slice(46, 85)  # activations, 0-1
PLACE: Final = slice(85, 91)  # of both balls in the palm's frame [m]
VELOCITY: Final = slice(91, 97)  # of both balls along the palm's axes [m/s]
SPIN: Final = slice(97, 103)  # of both balls about the palm's axes [rad/s]
MADE: Final = slice(103, 109)  # of both balls: radius [m], mass [kg], sliding friction; they stay
SIZE: Final = 109
RADIUS: Final = slice(103, 105)
RADIUS_UNIT_M: Final = 0.003  # in which a radius differs from that of P1's balls


class Asked(NamedTuple):
    """What a batch of hands is asked for.

    Attributes:
        targets: of both balls in the palm's frame [m], (n, 6).
        velocity: of the first target along the palm's x and y [m/s], (n, 2).
        rate: of the targets' phase [rad/s], (n, 1).
        rotation: the intention, -1 to 1, (n, 1).
    """

    targets: torch.Tensor
    velocity: torch.Tensor
    rate: torch.Tensor
    rotation: torch.Tensor


def tensor(values: Array) -> torch.Tensor:
    """The same as float32."""
    return torch.from_numpy(np.asarray(values, np.float32))


def seen(hands: Hands) -> torch.Tensor:
    """The state of all hands, (n, 109); velocities are those of the world, seen along the palm."""
    feedback = hands.feedback()
    turn = feedback.palm_rot
    place = (feedback.object_pos - feedback.palm_pos[:, None]) @ turn
    balls = (place, feedback.object_vel @ turn, hands.ball_spin_world() @ turn)
    parts = (feedback.joint_pos, feedback.joint_vel, feedback.activation)
    flat = [part.reshape(hands.count, -1) for part in balls]
    made = (hands.balls.radius, hands.balls.mass, hands.balls.friction[..., 0])
    return tensor(np.concatenate([*parts, *flat, *made], axis=1))


def asked(episodes: Episodes) -> Asked:
    """What the hands are asked for now."""
    goal = episodes.goal
    targets = baoding.targets_palm(goal.angle_rad, goal.radius_m).reshape(-1, 6)
    velocity = baoding.target_velocity_palm(goal)
    rate = goal.rate_rad_s[:, None]
    return Asked(*map(tensor, (targets, velocity, rate, episodes.rotation)))


def observe(state: torch.Tensor, what: Asked) -> torch.Tensor:
    """The observation of the policy, (n, 108): ``baoding.OWN_TERMS`` in their order."""
    place = state[:, PLACE]
    told = [what.targets[:, :2], what.velocity, what.targets - place, what.rate]
    return torch.cat([state[:, : VELOCITY.stop], *told], dim=1)


def unlike(state: torch.Tensor) -> torch.Tensor:
    """How unlike P1's the balls of states (n, 109) are made, about -1 to 1 or 2, (n, 6).

    No gradient passes through it: nothing that a hand does changes its balls.
    """
    radius, mass, friction = state[:, MADE].detach().chunk(3, dim=1)
    parts = (
        (radius - BALL_RADIUS_M[0]) / RADIUS_UNIT_M,
        torch.log(mass / BALL_MASS_KG[0]),
        (friction - BALL_FRICTION[0]) / BALL_FRICTION_CHANGE[0],
    )
    return torch.cat(parts, dim=1)


def hidden(state: torch.Tensor, hands: Hands, what: Asked) -> torch.Tensor:
    """What only the critic sees, (n, 13); no gradient passes through it."""
    return torch.cat([tensor(hands.ball_spin()), what.rotation, unlike(state)], dim=1)
