"""Where a control step leads, so that gradients pass through it.

MuJoCo says where the hands go; this says how that changes with what was done. The joints are
heavily damped (0.05-0.5 N m s/rad against masses of some grams), so a torque is a velocity and
the state is angles and activations. Contacts and the joints' soft limits are not in it, and the
muscles pull all step long from where it began.
"""

from typing import Final

import torch

from controller.skills.posture import CONTROL_STEP_S
from training.posture.body import Body, Pull

RISE_S, FALL_S = 0.01, 0.04  # MuJoCo's muscle activation dynamics (mju_muscleDynamics)
NUDGE_M_S: Final = 1e-3  # of a muscle's speed, for the slope of its force
BEYOND_RAD: Final = 0.02  # soft limits give way that much

State = tuple[torch.Tensor, torch.Tensor, torch.Tensor]
"""Angles [rad] and velocities [rad/s] of the joints, (n, 23), activations, (n, 39)."""


def course(body: Body, pull: Pull, state: State, excitation: torch.Tensor) -> State:
    """The state of a batch of hands one control step later.

    Args:
        body: of all hands.
        pull: what acts on the joints in this state.
        state: at the step's beginning.
        excitation: during the step, (n, 39).
    """
    angle, speed, active = state
    end, mean = _activation(active, excitation)
    velocity = balanced(body, pull, speed, mean)
    low, high = body.low - BEYOND_RAD, body.high + BEYOND_RAD
    there = angle + CONTROL_STEP_S * velocity
    return torch.minimum(torch.maximum(there, low), high), velocity, end


def _activation(
    active: torch.Tensor, excitation: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Activations at the end of a step, and their means over it, (n, 39) each."""
    slow = 0.5 + 1.5 * active
    steps = CONTROL_STEP_S / torch.where(excitation > active, RISE_S * slow, FALL_S / slow)
    left, way = (-steps).exp(), active - excitation
    return excitation + way * left, excitation + way * (1.0 - left) / steps


def balanced(body: Body, pull: Pull, speed: torch.Tensor, active: torch.Tensor) -> torch.Tensor:
    """Joint velocities (n, 23) [rad/s] at which damping and muscles are in balance.

    A muscle pulls less the faster it shortens: about the present speed that is one more
    damping, which is solved for together with the joints' own.
    """
    arms = pull.arms
    stretch = (arms @ speed[..., None])[..., 0]
    force, passive = body.muscles(pull.lengths, stretch)
    with torch.no_grad():
        faster, _ = body.muscles(pull.lengths, stretch + NUDGE_M_S)
        slope = ((force - faster) * active / NUDGE_M_S).clamp(min=0.0)
        opposed = arms.transpose(1, 2) @ (slope[..., None] * arms)
        mobility = torch.linalg.inv(opposed + torch.diag(body.damping))
        held = (opposed @ speed[..., None])[..., 0]
    torque = ((force * active + passive)[:, None, :] @ arms)[:, 0] - pull.load
    velocity: torch.Tensor = (mobility @ (torque + held)[..., None])[..., 0]
    return velocity
