"""Drives a batch of hands by a reflex, whose state it keeps."""

import numpy as np
import torch

from controller.messages import Array
from controller.names import MUSCLES
from controller.skills.posture import CONTROL_STEP_S
from training.posture.body import Body
from training.posture.course import State
from training.posture.geometry import fit
from training.posture.hands import PoseHands
from training.posture.law import load_law
from training.posture.reflex import MEMORY, Reflex
from training.slew import slewed


class Pilot:
    """Excitations for a batch of hands."""

    def __init__(self, hands: PoseHands, reflex: Reflex) -> None:
        self.hands, self.reflex = hands, reflex
        self.forget()

    def forget(self) -> None:
        """Start from silence, as a policy's reset does."""
        self._memory = torch.zeros(self.hands.count, MEMORY)
        self._sent = torch.zeros(self.hands.count, len(MUSCLES))

    def excite(self, target_rad: Array) -> Array:
        """Excitations as the gate sends them, (n, 39), towards the joint angles (n, 23) [rad]."""
        target = tensor(target_rad)
        with torch.inference_mode():
            wished, self._memory = self.reflex(*seen(self.hands), target, self._memory)
            self._sent = slewed(wished, self._sent, CONTROL_STEP_S)
        found: Array = self._sent.numpy().astype(np.float64)
        return found


def bare(hands: PoseHands) -> Pilot:
    """By the reflex of training/posture/reflex.yaml alone, without what was learned."""
    return Pilot(hands, Reflex(Body(hands, fit()), load_law()))


def seen(hands: PoseHands) -> State:
    """Angles, velocities and activations of the hands, as a policy is told them."""
    now = hands.feedback()
    return tensor(now.joint_pos), tensor(now.joint_vel), tensor(now.activation)


def tensor(values: Array) -> torch.Tensor:
    """As a network takes it; what is not finite is 0, as the loop never shows it to a policy."""
    return torch.from_numpy(np.nan_to_num(values).astype(np.float32))
