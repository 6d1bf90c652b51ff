"""The hand's body as a network: what muscles pull at, and how a control step moves the joints."""

from typing import NamedTuple

import numpy as np
import torch
from torch import nn

from controller.names import JOINTS, MUSCLES
from training.posture.geometry import Geometry, terms
from training.posture.hands import PoseHands
from training.posture.muscles import Muscles, keep
from training.posture.targets import joint_range


class Pull(NamedTuple):
    """What acts on the joints of a batch of hands as they are.

    Attributes:
        lengths: of the muscles [m], (n, 39).
        arms: moment arms [m], (n, 39, 23).
        load: the joints' own load, gravity [N m], (n, 23).
    """

    lengths: torch.Tensor
    arms: torch.Tensor
    load: torch.Tensor


class Body(nn.Module):
    """Muscles, moment arms, loads and damping of the joints, in the order of names.JOINTS.

    Attributes:
        low, high: the joints' limits [rad], (23,).
        damping: of each joint [N m s/rad], (23,).
    """

    low: torch.Tensor
    high: torch.Tensor
    damping: torch.Tensor
    lengths: torch.Tensor
    constant: torch.Tensor
    gravity: torch.Tensor
    gravity_constant: torch.Tensor
    factors: torch.Tensor
    slopes: torch.Tensor
    arms: torch.Tensor

    def __init__(self, hands: PoseHands, geometry: Geometry) -> None:
        super().__init__()
        low, high = joint_range()
        self.muscles = Muscles(hands.model)
        keep(self, "low", low)
        keep(self, "high", high)
        keep(self, "damping", hands.model.dof_damping[hands.layout.joints])
        keep(self, "lengths", geometry.lengths)
        keep(self, "constant", geometry.constant)
        keep(self, "gravity", geometry.gravity)
        keep(self, "gravity_constant", geometry.gravity_constant)
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
        keep(self, "arms", arms)

    def share(self, angle: torch.Tensor) -> torch.Tensor:
        """Joint angles (n, 23) [rad] as shares of half their range, -1 to 1."""
        return (angle - (self.low + self.high) / 2) / ((self.high - self.low) / 2)

    def forward(self, angle: torch.Tensor) -> Pull:
        """What acts at joint angles (n, 23) [rad]."""
        share = self.share(angle).clamp(-1.1, 1.1)
        share = torch.cat([share, torch.ones_like(share[:, :1])], dim=1)
        a, b, c = (share[:, self.factors[:, slot]] for slot in range(3))  # (n, terms)
        slopes = torch.stack([b * c, a * c, a * b], dim=-1).flatten(1)[:, self.slopes]
        arms = (slopes.transpose(0, 1) @ self.arms).permute(1, 2, 0)
        values = a * b * c
        load = values @ self.gravity.T + self.gravity_constant
        return Pull(values @ self.lengths.T + self.constant, arms, load)
