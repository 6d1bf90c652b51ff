"""Hands and balls as one tensor in the palm's frame, and what the policy is told of it.

In the palm's frame a grip is the same wherever the palm looks, so the model has less to learn
and the observation is read off by slices, through which gradients pass.
"""

from typing import Final, NamedTuple

import numpy as np
import torch

from controller.messages import Array
from controller.skills import baoding
from training.batch import Hands
from training.episodes import Episodes

ANGLE: Final = slice(0, 23)  # of the joints [rad]
SPEED: Final = slice(23, 46)  # of the joints [rad/s]
ACTIVE: Final = slice(46, 85)  # activations, 0-1
PLACE: Final = slice(85, 91)  # of both balls in the palm's frame [m]
VELOCITY: Final = slice(91, 97)  # of both balls along the palm's axes [m/s]
SPIN: Final = slice(97, 103)  # of both balls about the palm's axes [rad/s]
SIZE: Final = 103


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
    """The state of all hands, (n, 103); velocities are those of the world, seen along the palm."""
    feedback = hands.feedback()
    turn = feedback.palm_rot
    place = (feedback.object_pos - feedback.palm_pos[:, None]) @ turn
    balls = (place, feedback.object_vel @ turn, hands.ball_spin_world() @ turn)
    parts = (feedback.joint_pos, feedback.joint_vel, feedback.activation)
    flat = [part.reshape(hands.count, -1) for part in balls]
    return tensor(np.concatenate([*parts, *flat], axis=1))


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


def hidden(hands: Hands, what: Asked) -> torch.Tensor:
    """What only the critic sees, (n, 7); no gradient passes through it."""
    return torch.cat([tensor(hands.ball_spin()), what.rotation], dim=1)
