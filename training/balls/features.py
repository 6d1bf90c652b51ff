"""What the model is told of a control step, and where the step would lead without contacts.

Muscles, gravity and the way of the fingers are computed; the network is left with what contacts
do. So its inputs are, for each ball and each capsule of the hand, how near they are, in which
direction, and how far they would slip along each other in this step.
"""

from typing import Final, NamedTuple

import torch
from torch import nn
from torch.nn.functional import softplus

from controller.skills.baoding import CONTROL_STEP_S
from training.balls.kinematics import CAPSULES, Capsules, Kinematics, turned
from training.balls.muscles import activate
from training.balls.state import ACTIVE, ANGLE, PLACE, RADIUS, SPEED, SPIN, VELOCITY, unlike
from training.posture.body import Body
from training.posture.course import BEYOND_RAD, balanced
from training.posture.geometry import fit
from training.posture.hands import PoseHands

GRAVITY_M_S2: Final = 9.81
TOUCH_M, TOUCH_WIDTH_M = 0.0015, 0.0007  # a gap that still counts as contact, softly
DEEP_M, DEEP_WIDTH_M, DEEPEST = 0.0005, 0.001, 6.0  # how deep the step would lead, softly
SLIP_M, FARTHEST_SLIP = 0.003, 5.0  # unit of a slip, and the largest that is told
FINGER: Final = 11  # features of a ball against a capsule
SIZE: Final = 129 + 2 * CAPSULES * FINGER + 8 + 6
SPEED_UNIT, VELOCITY_UNIT, PLACE_UNIT, SPIN_UNIT = 5.0, 0.2, 0.05, 10.0


class Told(NamedTuple):
    """What is known of a step before it is learned.

    Attributes:
        features: (n, 671).
        base: learned parts of the state if joints and balls went on as they go, (n, 64).
        active: activations at the end of the step, (n, 39).
    """

    features: torch.Tensor
    base: torch.Tensor
    active: torch.Tensor


class Nearest(NamedTuple):
    """Where balls and capsules are nearest to each other, (n, 2, 24, ...).

    Attributes:
        share: of the way from a capsule's begin to its end.
        point: on the capsule's axis in the palm's frame [m], (..., 3).
        normal: from there to the ball's centre, (..., 3).
        gap: between the surfaces [m].
    """

    share: torch.Tensor
    point: torch.Tensor
    normal: torch.Tensor
    gap: torch.Tensor


class Features(nn.Module):
    """States (n, 109) and excitations (n, 39) -> what is told of the step.

    Args:
        substeps: physics steps of a control step.
    """

    gravity: torch.Tensor

    def __init__(self, substeps: int) -> None:
        super().__init__()
        self.substeps = substeps
        self.body, self.kinematics = Body(PoseHands(1, "official"), fit()), Kinematics()
        self.register_buffer("gravity", torch.tensor([0.0, 0.0, -GRAVITY_M_S2]))

    def forward(self, state: torch.Tensor, excitation: torch.Tensor) -> Told:
        """What is known of the step from ``state`` under ``excitation``."""
        angle, speed = state[:, ANGLE], state[:, SPEED]
        place, velocity, spin = (state[:, part].view(-1, 2, 3) for part in (PLACE, VELOCITY, SPIN))
        radius = state[:, RADIUS].detach()
        active, mean = activate(state[:, ACTIVE], excitation, self.substeps)
        pulled = balanced(self.body, self.body(angle), speed, mean)  # by muscles alone [rad/s]
        # as the hand is, as it coasts and as it is driven, at once: its matrices are small and many
        there = (self._within(angle + CONTROL_STEP_S * rate) for rate in (speed, pulled))
        angles = torch.cat([angle, *there])
        turns, origins = (part.chunk(3) for part in self.kinematics.palm(angles))
        ends = (part.chunk(3) for part in self.kinematics.capsules(angles))
        now, coasting, driven = map(Capsules, *ends)
        gravity = turns[0].transpose(1, 2) @ self.gravity

        def seen_later(velocity: torch.Tensor, how: int) -> torch.Tensor:
            """The balls in the palm's frame after a step of this velocity."""
            moved = place + CONTROL_STEP_S * velocity
            world = turned(moved, turns[0][:, None]) + origins[0][:, None]
            return (world - origins[how][:, None]) @ turns[how]

        coasted_balls = seen_later(velocity, 1)
        driven_balls = seen_later(velocity + gravity[:, None] * CONTROL_STEP_S, 2)
        pairs = self._against_hand(
            place, spin, radius, now, (coasted_balls, coasting), (driven_balls, driven)
        )
        balls = _against_each_other(place, spin, radius, coasted_balls)
        flat = [place.flatten(1), velocity.flatten(1), spin.flatten(1)]
        units = (PLACE_UNIT, VELOCITY_UNIT, SPIN_UNIT)
        scaled = [part / unit for part, unit in zip(flat, units, strict=True)]
        speeds = [speed / SPEED_UNIT, pulled / SPEED_UNIT]
        made = unlike(state)
        told = [angle, *speeds, mean, *scaled, gravity / GRAVITY_M_S2, pairs, balls, made]
        coasted = [angle + CONTROL_STEP_S * speed, speed, flat[0] + CONTROL_STEP_S * flat[1]]
        return Told(torch.cat(told, dim=1), torch.cat([*coasted, *flat[1:]], dim=1), active)

    def _within(self, angle: torch.Tensor) -> torch.Tensor:
        low, high = self.body.low - BEYOND_RAD, self.body.high + BEYOND_RAD
        return torch.minimum(torch.maximum(angle, low), high)

    def _against_hand(
        self,
        place: torch.Tensor,
        spin: torch.Tensor,
        radius: torch.Tensor,
        now: Capsules,
        coasting: tuple[torch.Tensor, Capsules],
        driven: tuple[torch.Tensor, Capsules],
    ) -> torch.Tensor:
        """Of each ball against each capsule, (n, 528)."""
        surfaces = radius[..., None] + self.kinematics.radius
        near = nearest(place, now, surfaces)
        touch, depth = contact(near.gap, nearest(*coasting, surfaces).gap)
        arm = -radius[..., None, None] * near.normal
        rolled = CONTROL_STEP_S * torch.cross(spin[:, :, None].expand_as(arm), arm, dim=-1)

        def slip(there: torch.Tensor, capsules: Capsules) -> torch.Tensor:
            """How far the ball's surface moves along the capsule's in the step."""
            axis = (capsules.end - capsules.begin)[:, None]
            surface = capsules.begin[:, None] + near.share[..., None] * axis
            way = (there - place)[:, :, None] + rolled - (surface - near.point)
            return (way / SLIP_M).clamp(-FARTHEST_SLIP, FARTHEST_SLIP)

        parts = [touch, depth, touch * near.normal, touch * slip(*coasting), touch * slip(*driven)]
        return torch.cat(parts, dim=-1).flatten(1)


def nearest(place: torch.Tensor, capsules: Capsules, surfaces: torch.Tensor) -> Nearest:
    """Of ball centres (n, 2, 3) [m] and capsules.

    Args:
        place: of the centres.
        capsules: of the hand.
        surfaces: how far a centre is from a capsule's axis where they touch [m], (n, 2, 24).
    """
    axis = capsules.end - capsules.begin
    along = ((place[:, :, None] - capsules.begin[:, None]) * axis[:, None]).sum(-1)
    share = (along / (axis * axis).sum(-1).clamp(min=1e-9)[:, None]).clamp(0.0, 1.0)
    point = capsules.begin[:, None] + share[..., None] * axis[:, None]
    apart = place[:, :, None] - point
    distance = apart.norm(dim=-1).clamp(min=1e-4)
    return Nearest(share, point, apart / distance[..., None], distance - surfaces)


def contact(gap: torch.Tensor, next_gap: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Whether surfaces touch, 0 to 1, and how deep the step would lead, by gaps (...) [m].

    Returns:
        (..., 1) each.
    """
    touch = torch.sigmoid((TOUCH_M - gap) / TOUCH_WIDTH_M)
    depth = softplus((DEEP_M - next_gap) / DEEP_WIDTH_M).clamp(max=DEEPEST)
    return touch[..., None], depth[..., None]


def _against_each_other(
    place: torch.Tensor, spin: torch.Tensor, radius: torch.Tensor, there: torch.Tensor
) -> torch.Tensor:
    """Of both balls, (n, 8); ``there`` is where they coast to."""
    surfaces = radius.sum(1)
    apart = place[:, 0] - place[:, 1]
    distance = apart.norm(dim=1, keepdim=True).clamp(min=1e-3)
    normal = apart / distance
    next_gap = (there[:, 0] - there[:, 1]).norm(dim=1) - surfaces
    touch, depth = contact(distance[:, 0] - surfaces, next_gap)
    way = there - place
    turned = spin[:, 0] * radius[:, :1] + spin[:, 1] * radius[:, 1:]
    rolled = CONTROL_STEP_S * torch.cross(turned, normal, dim=-1)
    slip = (way[:, 0] - way[:, 1] - rolled) / SLIP_M
    slip = slip.clamp(-FARTHEST_SLIP, FARTHEST_SLIP)
    return torch.cat([touch, depth, touch * normal, touch * slip], dim=1)
