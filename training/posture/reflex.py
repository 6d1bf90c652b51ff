"""Computed muscle control as a network: joint targets in, excitations out.

It is told only what a policy is told and works out the moment arms by itself
(training/posture/geometry.py). Its numbers (training/posture/reflex.yaml) were found by search
(training/posture/search.py). It is the teacher of the curriculum, and a policy file of its own
(training/posture/publish.py).
"""

from typing import Any, Final

import numpy as np
import torch
from torch import nn

from controller.names import JOINTS, MUSCLES
from training.posture.geometry import Geometry, terms
from training.posture.hands import PoseHands
from training.posture.law import FIRST, Law
from training.posture.muscles import Muscles
from training.posture.targets import joint_range

FASTEST_RAD_S: Final = 15.0
AT_LIMIT_RAD: Final = 0.03
WANTS_LIMIT_RAD: Final = 0.12
DETOUR_RAD: Final = 0.8  # errors count up to this in a detour
ITERATIONS: Final = 20  # of the least squares, started from the last step's


class Reflex(nn.Module):
    """Excitations that move the joints towards their targets, for a batch of hands.

    It looks no further than the present step. The joints of this hand are heavily damped
    (0.05-0.5 N m s/rad against masses of some grams), so a torque is a velocity: the activations
    are those of weighted least squares, 0-1, that give each joint the velocity gain times error
    (computed muscle control, Thelen 2003, for an overdamped hand).
    """

    low: torch.Tensor
    high: torch.Tensor
    lengths: torch.Tensor
    constant: torch.Tensor
    gravity: torch.Tensor
    gravity_constant: torch.Tensor
    damping: torch.Tensor
    factors: torch.Tensor
    slopes: torch.Tensor
    arms: torch.Tensor
    gain: torch.Tensor
    weight: torch.Tensor
    away: torch.Tensor
    detour: torch.Tensor

    def __init__(self, hands: PoseHands, geometry: Geometry, law: Law) -> None:
        super().__init__()
        low, high = joint_range()
        self.muscles, self._law = Muscles(hands.model), law
        self._keep("low", low)
        self._keep("high", high)
        self._keep("lengths", geometry.lengths)
        self._keep("constant", geometry.constant)
        self._keep("gravity", geometry.gravity)
        self._keep("gravity_constant", geometry.gravity_constant)
        self._keep("damping", hands.model.dof_damping[hands.layout.joints])
        factors = terms()
        self.register_buffer("factors", torch.from_numpy(factors))
        # a joint's moment arms: the derivatives of all monomials that it is a factor of
        places = [np.flatnonzero(factors.ravel() == joint) for joint in range(len(JOINTS))]
        most = max(place.size for place in places)
        slopes = np.zeros((len(JOINTS), most), np.intp)
        arms = np.zeros((len(JOINTS), most, len(MUSCLES)))
        for joint, place in enumerate(places):
            slopes[joint, : place.size] = place
            arms[joint, : place.size] = geometry.lengths.T[place // 3] * 2 / (high - low)[joint]
        self.register_buffer("slopes", torch.from_numpy(slopes))
        self._keep("arms", arms)
        self.obey(law)

    def _keep(self, name: str, value: Any) -> None:
        self.register_buffer(name, torch.tensor(np.asarray(value), dtype=torch.float32))

    def obey(self, law: Law) -> None:
        """Work by other numbers from now on."""
        self._law = law
        gain, weight, away, detour = law.by_joint()
        for name, value in (("gain", gain), ("weight", weight), ("away", np.log(away))):
            self._keep(name, value)
        self._keep("detour", detour.T)

    def forward(
        self,
        angle: torch.Tensor,
        speed: torch.Tensor,
        active: torch.Tensor,
        target: torch.Tensor,
        found: torch.Tensor,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """One control step.

        Args:
            angle: of the joints [rad], (n, 23), in the order of names.JOINTS.
            speed: theirs [rad/s], (n, 23).
            active: activations, (n, 39).
            target: wanted angles [rad], (n, 23).
            found: the activations that the last step asked for, (n, 39), zeros at first.

        Returns:
            Excitations, and the activations asked for, (n, 39) each.
        """
        distant = self._other_end(target - angle)
        target = target + (target - angle).clamp(-DETOUR_RAD, DETOUR_RAD) @ self.detour
        length, arms, load = self._geometry(angle)
        force, passive = self.muscles(length, (arms @ speed[..., None])[..., 0])
        wanted = (self.gain * (target - angle)).clamp(-FASTEST_RAD_S, FASTEST_RAD_S)
        torque = self.damping * wanted + load - (passive[:, None, :] @ arms)[:, 0]
        unit = self._weights(angle, target, distant) / (self.damping * self.gain)
        effect = arms * force[:, :, None] * unit[:, None, :]  # (n, 39, 23)
        found = self._least_squares(effect, torque * unit, found)
        return (found + self._law.lead * (found - active)).clamp(0.0, 1.0), found

    def _other_end(self, error: torch.Tensor) -> torch.Tensor:
        """How far away the other end of each joint's digit is, 0-1, (n, 23)."""
        parts = [torch.zeros_like(error[:, :3])]
        for first, digit in zip(FIRST, self._law.digits(), strict=True):
            base, tip = error[:, first : first + 2], error[:, first + 2 : first + 4]
            parts += [_norm(tip) / digit.far_rad, _norm(base) / digit.far_rad]
        return torch.cat(parts, dim=1).clamp(max=1.0)

    def _weights(
        self, angle: torch.Tensor, target: torch.Tensor, distant: torch.Tensor
    ) -> torch.Tensor:
        weight = self.weight * (self.away * distant).exp()
        low = (angle < self.low + AT_LIMIT_RAD) & (target < self.low + WANTS_LIMIT_RAD)
        high = (angle > self.high - AT_LIMIT_RAD) & (target > self.high - WANTS_LIMIT_RAD)
        return torch.where(low | high, weight * self._law.at_limit, weight)

    def _geometry(self, angle: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Lengths [m] (n, 39), moment arms [m] (n, 39, 23), the joints' own load [N m] (n, 23)."""
        share = (angle - (self.low + self.high) / 2) / ((self.high - self.low) / 2)
        share = torch.cat([share.clamp(-1.1, 1.1), torch.ones_like(share[:, :1])], dim=1)
        a, b, c = (share[:, self.factors[:, slot]] for slot in range(3))  # (n, terms)
        slopes = torch.stack([b * c, a * c, a * b], dim=-1).flatten(1)[:, self.slopes]
        arms = (slopes.transpose(0, 1) @ self.arms).permute(1, 2, 0)
        values = a * b * c
        load = values @ self.gravity.T + self.gravity_constant
        return values @ self.lengths.T + self.constant, arms, load

    def _least_squares(
        self, effect: torch.Tensor, wanted: torch.Tensor, start: torch.Tensor
    ) -> torch.Tensor:
        """Activations 0-1 (n, 39) whose summed effect (n, 39, 23) is nearest to ``wanted``.

        By accelerated projected gradients, each muscle in its own scale.
        """
        square = effect @ effect.transpose(1, 2) + self._law.effort * torch.eye(len(MUSCLES))
        scale = torch.diagonal(square, dim1=1, dim2=2).sqrt()
        square = square / (scale[:, :, None] * scale[:, None, :])
        wish = (effect @ wanted[..., None])[..., 0] / scale
        step = 1.0 / square.abs().sum(dim=2).amax(dim=1, keepdim=True)
        found = ahead = (start * scale).clamp(min=0.0)
        pace = 1.0
        for _ in range(ITERATIONS):
            slope = (square @ ahead[..., None])[..., 0] - wish
            new = (ahead - step * slope).clamp(min=0.0).minimum(scale)
            following = 0.5 * (1.0 + (1.0 + 4.0 * pace**2) ** 0.5)
            ahead = new + ((pace - 1.0) / following) * (new - found)
            found, pace = new, following
        return found / scale


def _norm(error: torch.Tensor) -> torch.Tensor:
    """Of two joints together, for each of them, (n, 2)."""
    both: torch.Tensor = error.norm(dim=1, keepdim=True).expand(-1, 2)
    return both
