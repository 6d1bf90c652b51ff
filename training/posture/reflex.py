"""Computed muscle control as a network: joint targets in, excitations out.

It is told only what a policy is told and works out the moment arms by itself
(training/posture/body.py). Its numbers (training/posture/reflex.yaml) were found by search
(training/posture/search.py); where it aims is learned (training/posture/aim.py).
"""

from typing import Final

import numpy as np
import torch
from torch import nn

from controller.names import MUSCLES
from training.posture import ways
from training.posture.aim import Aim
from training.posture.body import Body, Pull
from training.posture.law import FIRST, Law
from training.posture.least_squares import least_squares
from training.posture.muscles import keep

FASTEST_RAD_S: Final = 15.0
AT_LIMIT_RAD: Final = 0.03
WANTS_LIMIT_RAD: Final = 0.12
DETOUR_RAD: Final = 0.8  # errors count up to this in a detour
MEMORY: Final = len(MUSCLES) + ways.MEMORY


class Reflex(nn.Module):
    """Excitations that move the joints towards their targets, for a batch of hands.

    It looks no further than the present step. The joints of this hand are heavily damped
    (0.05-0.5 N m s/rad against masses of some grams), so a torque is a velocity: the activations
    are those of weighted least squares, 0-1, that give each joint the velocity gain times error
    (computed muscle control, Thelen 2003, for an overdamped hand).
    """

    gain: torch.Tensor
    weight: torch.Tensor
    away: torch.Tensor
    detour: torch.Tensor

    def __init__(self, body: Body, law: Law, aim: Aim | None = None) -> None:
        """``aim``: none for the bare reflex."""
        super().__init__()
        self.body, self.aim = body, aim
        self.obey(law)

    def obey(self, law: Law) -> None:
        """Work by other numbers from now on."""
        self.law = law
        gain, weight, away, detour = law.by_joint()
        for name, value in (("gain", gain), ("weight", weight), ("away", np.log(away))):
            keep(self, name, value)
        keep(self, "detour", detour.T)

    def forward(
        self,
        angle: torch.Tensor,
        speed: torch.Tensor,
        active: torch.Tensor,
        target: torch.Tensor,
        memory: torch.Tensor,
        pull: Pull | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """One control step.

        Args:
            angle: of the joints [rad], (n, 23), in the order of names.JOINTS.
            speed: theirs [rad/s], (n, 23).
            active: activations, (n, 39).
            target: wanted angles [rad], (n, 23).
            memory: what the last step gave back, (n, MEMORY), zeros at first: the activations that
                it asked for, and what training/posture/ways.py remembers.
            pull: what acts on the joints, where the caller has it already.

        Returns:
            Excitations, (n, 39), and the memory.
        """
        body = self.body
        found, where = memory[:, : len(MUSCLES)], memory[:, len(MUSCLES) :]
        if self.aim:
            target, where = self.aim.ways(target, body.share(angle), body.share(target), where)
        error = target - angle
        pull = pull or body(angle)
        distant = self._other_end(error)
        aim = target + error.clamp(-DETOUR_RAD, DETOUR_RAD) @ self.detour
        weight = self.weight * (self.away * distant).exp()
        if self.aim:
            share, wanted = body.share(angle), body.share(target)
            offset, louder = self.aim(share, speed, active, wanted, error)
            aim, weight = aim + offset, weight * louder.exp()
        arms = pull.arms
        force, passive = body.muscles(pull.lengths, (arms @ speed[..., None])[..., 0])
        velocity = (self.gain * (aim - angle)).clamp(-FASTEST_RAD_S, FASTEST_RAD_S)
        torque = body.damping * velocity + pull.load - (passive[:, None, :] @ arms)[:, 0]
        weight = weight * self._at_limit(angle, aim)
        unit = weight / (body.damping * self.gain)
        effect = arms * force[:, :, None] * unit[:, None, :]  # (n, 39, 23)
        found = least_squares(effect, torque * unit, self.law.effort, found)
        excitation = (found + self.law.lead * (found - active)).clamp(0.0, 1.0)
        return excitation, torch.cat([found, where], dim=1)

    def _other_end(self, error: torch.Tensor) -> torch.Tensor:
        """How far away the other end of each joint's digit is, 0-1, (n, 23)."""
        parts = [torch.zeros_like(error[:, :3])]
        for first, digit in zip(FIRST, self.law.digits(), strict=True):
            base, tip = error[:, first : first + 2], error[:, first + 2 : first + 4]
            parts += [_norm(tip) / digit.far_rad, _norm(base) / digit.far_rad]
        return torch.cat(parts, dim=1).clamp(max=1.0)

    def _at_limit(self, angle: torch.Tensor, aim: torch.Tensor) -> torch.Tensor:
        """The weights' factor where a joint rests against the limit that is aimed at, (n, 23)."""
        low, high = self.body.low, self.body.high
        lowest = (angle < low + AT_LIMIT_RAD) & (aim < low + WANTS_LIMIT_RAD)
        highest = (angle > high - AT_LIMIT_RAD) & (aim > high - WANTS_LIMIT_RAD)
        return torch.where(lowest | highest, self.law.at_limit, 1.0)


def _norm(error: torch.Tensor) -> torch.Tensor:
    """Of two joints together, for each of them, (n, 2)."""
    both: torch.Tensor = error.norm(dim=1, keepdim=True).expand(-1, 2)
    return both
