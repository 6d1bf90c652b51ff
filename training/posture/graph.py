"""The posture policy as it is exported: the reflex, and in it the network that aims."""

from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from controller.names import JOINTS, MUSCLES
from controller.policy import OBSERVATION
from controller.settings import convert
from controller.skills import posture
from training.graph import Graph, take
from training.posture.aim import Aim
from training.posture.body import Body
from training.posture.geometry import fit
from training.posture.hands import PoseHands
from training.posture.law import Law
from training.posture.plan import PostureCurriculum
from training.posture.reflex import MEMORY, Reflex
from training.posture.targets import joint_range

STATE: Final = "memory"
ACTIVE: Final = 0.2  # of likely activations, the most


class ReflexGraph(Graph):
    """(obs, memory_in) -> (excitation, memory_out), all (1, n)."""

    def __init__(self, reflex: Reflex) -> None:
        super().__init__()
        self.reflex = reflex

    def forward(self, obs: torch.Tensor, memory: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """One control step."""
        sizes = [posture.TERMS[name].size for name in posture.OWN_TERMS]
        angle, speed, active, target, _ = torch.split(obs, sizes, dim=1)
        excitation, memory = self.reflex(angle, speed, active, target, memory)
        return excitation, memory

    def inputs(self) -> dict[str, torch.Tensor]:
        """Zeros for each input by name, the observation first."""
        size = posture.observation(posture.OWN_TERMS).size
        return {
            OBSERVATION: torch.zeros(1, size),
            f"{STATE}_in": torch.zeros(1, MEMORY),
        }

    def likely(self, rng: np.random.Generator) -> NDArray[np.float32]:
        """An observation as it may come, (n,): any posture, any target."""
        angle, target = rng.uniform(*joint_range(), (2, len(JOINTS)))
        speed = rng.normal(0.0, 1.0, len(JOINTS))
        active = rng.uniform(0.0, ACTIVE, len(MUSCLES))
        parts = [angle, speed, active, target, target - angle]
        return np.concatenate(parts).astype(np.float32)


def graph_of(state: dict[str, Any], plan: PostureCurriculum) -> ReflexGraph:
    """The policy of a checkpoint.

    Raises:
        ContractError: its network is of another size than its curriculum says.
        SettingsError: its law says what can't be.
    """
    aim = Aim(plan.hidden)
    take(aim, state)
    law = convert(state["law"], Law, "the checkpoint's law")
    return ReflexGraph(Reflex(Body(PoseHands(1, "official"), fit()), law, aim))
