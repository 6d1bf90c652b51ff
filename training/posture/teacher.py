"""The teacher of a batch of hands: the reflex (training/posture/reflex.py), its state kept."""

import numpy as np
import torch

from controller.messages import Array
from controller.names import MUSCLES
from training.posture.geometry import fit
from training.posture.hands import PoseHands
from training.posture.law import load_law
from training.posture.reflex import Reflex


class Teacher:
    """Excitations for a batch of hands."""

    def __init__(self, hands: PoseHands, reflex: Reflex | None = None) -> None:
        """``reflex``: another than that of training/posture/reflex.yaml."""
        self.hands = hands
        self.reflex = reflex or Reflex(hands, fit(), load_law())
        self.forget()

    def forget(self) -> None:
        """Start from silence, as a policy's reset does."""
        self._found = torch.zeros(self.hands.count, len(MUSCLES))

    def excite(self, target_rad: Array) -> Array:
        """Excitations, (n, 39), towards the joint angles (n, 23) [rad]."""
        now = self.hands.feedback()
        parts = (now.joint_pos, now.joint_vel, now.activation, target_rad)
        with torch.inference_mode():
            excitation, self._found = self.reflex(*map(_tensor, parts), self._found)
        found: Array = excitation.numpy().astype(np.float64)
        return found


def _tensor(values: Array) -> torch.Tensor:
    return torch.from_numpy(np.nan_to_num(values).astype(np.float32))
