"""The reflex as a policy file: ``python -m training.posture.publish OUTPUT``.

One ONNX graph that meets the contract (training/posture/reflex.py says what is in it).
"""

import sys
from pathlib import Path
from typing import Final

import torch
from torch import nn

from controller.names import MUSCLES
from controller.policy import EXCITATION, OBSERVATION, Contract, load
from controller.skills import posture
from training.export import contract_for, save_graph, trained_with, whole
from training.posture.geometry import Geometry, fit
from training.posture.hands import PoseHands
from training.posture.law import load_law
from training.posture.reflex import Reflex

STATE: Final = "activation"


class ReflexGraph(nn.Module):
    """(obs, activation_in) -> (excitation, activation_out), all (1, n)."""

    def __init__(self, reflex: Reflex) -> None:
        super().__init__()
        self.reflex = reflex

    def forward(
        self, obs: torch.Tensor, activation: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """One control step."""
        sizes = [posture.TERMS[name].size for name in posture.OWN_TERMS]
        angle, speed, active, target, _ = torch.split(obs, sizes, dim=1)
        excitation, found = self.reflex(angle, speed, active, target, activation)
        return excitation, found


def contract(geometry: Geometry) -> Contract:
    """The contract of the file."""
    provenance = {
        "method": "computed muscle control in a graph, its numbers found by CMA-ES",
        "moment arms' error [mm]": round(geometry.error_m * 1e3, 3),
        "of [mm]": round(geometry.spread_m * 1e3, 3),
    }
    observation = posture.observation(posture.OWN_TERMS)
    return contract_for(posture, observation, trained_with(), provenance)


def write(target: Path) -> Geometry:
    """Fit, export, check that the contract's reader takes it."""
    geometry = fit()
    graph = ReflexGraph(Reflex(PoseHands(1, "official"), geometry, load_law()))
    inputs = {
        OBSERVATION: torch.zeros(1, posture.observation(posture.OWN_TERMS).size),
        f"{STATE}_in": torch.zeros(1, len(MUSCLES)),
    }
    with whole(target) as part:
        save_graph(graph, inputs, [EXCITATION, f"{STATE}_out"], contract(geometry), part)
        load(part)
    return geometry


def main() -> None:
    """Write the file that the command line names."""
    target = Path(sys.argv[1])
    geometry = write(target)
    print(
        f"{target}: moment arms off by {geometry.error_m * 1e3:.2f} mm "
        f"of {geometry.spread_m * 1e3:.2f} mm (root mean squares)"
    )


if __name__ == "__main__":
    main()
