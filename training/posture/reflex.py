"""Computed muscle control as a policy file: ``python -m training.posture.reflex OUTPUT``.

What the teacher does (training/posture/teacher.py), in one ONNX graph that meets the
contract: it is told joints, activations and targets only, and works out the moment arms by
itself (training/posture/geometry.py). Nothing in it is learned; a trained policy has to be
better than this.
"""

import sys
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch import nn

from bridges.mujoco_hand import versions
from bridges.pose_hand import load_pose_model
from controller.names import JOINTS, MUSCLES
from controller.policy import CONTRACT_VERSION, EXCITATION, OBSERVATION, Contract, load
from controller.skills import posture
from training.export import save_graph, whole
from training.posture import teacher
from training.posture.geometry import Geometry, fit, terms
from training.posture.hands import PoseHands
from training.posture.targets import joint_range

ITERATIONS: Final = 60  # of accelerated projected gradients, started from the last tick's
STATE: Final = "activation"


class Reflex(nn.Module):
    """(obs, activation_in) -> (excitation, activation_out), all (1, n)."""

    low: torch.Tensor
    high: torch.Tensor
    lengths: torch.Tensor
    constant: torch.Tensor
    gravity: torch.Tensor
    gravity_constant: torch.Tensor
    damping: torch.Tensor
    far: torch.Tensor
    chosen0: torch.Tensor
    chosen1: torch.Tensor
    chosen2: torch.Tensor
    factors: torch.Tensor
    muscle_peak_n: torch.Tensor
    muscle_start_m: torch.Tensor
    muscle_unit_m: torch.Tensor
    muscle_fastest_m_s: torch.Tensor
    muscle_low: torch.Tensor
    muscle_least: torch.Tensor
    muscle_most: torch.Tensor
    muscle_stiff: torch.Tensor
    muscle_eccentric: torch.Tensor

    def __init__(self, geometry: Geometry, hands: PoseHands) -> None:
        super().__init__()
        model, order = hands.model, hands.layout.joints
        low, high = joint_range()
        own = teacher.Teacher(hands)
        muscles = own.muscles
        self._keep("low", low)
        self._keep("high", high)
        self._keep("lengths", geometry.lengths)
        self._keep("constant", geometry.constant)
        self._keep("gravity", geometry.gravity)
        self._keep("gravity_constant", geometry.gravity_constant)
        self._keep("damping", model.dof_damping[order])
        self._keep("far", own.far_weights[order])
        for name, value in muscles.constants().items():
            self._keep(f"muscle_{name}", np.asarray(value, np.float64))
        factors = terms()
        half = (high - low) / 2
        self.register_buffer("factors", torch.from_numpy(factors))
        for slot in range(3):
            chosen = np.zeros((len(factors), len(JOINTS) + 1))
            chosen[np.arange(len(factors)), factors[:, slot]] = 1.0
            self._keep(f"chosen{slot}", chosen[:, : len(JOINTS)] / half)

    def _keep(self, name: str, value: Any) -> None:
        self.register_buffer(name, torch.tensor(np.asarray(value), dtype=torch.float32))

    def forward(
        self, obs: torch.Tensor, activation: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """One control step."""
        sizes = [posture.TERMS[name].size for name in posture.OWN_TERMS]
        angle, speed, active, target, error = torch.split(obs[0], sizes)
        length, arms, load = self._geometry(angle)
        gain, passive = self._forces(length, arms @ speed)
        torque = self.damping * (teacher.GAIN * error).clamp(
            -teacher.FASTEST_RAD_S, teacher.FASTEST_RAD_S
        )
        torque = torque + load - passive @ arms
        unit: torch.Tensor = self._weights(angle, target, error) / (self.damping * teacher.GAIN)
        effect = arms * gain[:, None] * unit[None, :]  # (39, 23)
        found = self._least_squares(effect, torque * unit, activation[0])
        excitation = (found + teacher.LEAD * (found - active)).clamp(0.0, 1.0)
        return excitation[None], found[None]

    def _geometry(self, angle: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Lengths [m] (39,), moment arms [m] (39, 23), the joints' own load [N m] (23,)."""
        share = (angle - (self.low + self.high) / 2) / ((self.high - self.low) / 2)
        share = torch.cat([share.clamp(-1.1, 1.1), share.new_ones(1)])
        a, b, c = (share[self.factors[:, slot]] for slot in range(3))
        arms = (self.lengths * (b * c)) @ self.chosen0
        arms = arms + (self.lengths * (a * c)) @ self.chosen1
        arms = arms + (self.lengths * (a * b)) @ self.chosen2
        values = a * b * c
        load = self.gravity @ values + self.gravity_constant
        return self.lengths @ values + self.constant, arms, load

    def _forces(
        self, length_m: torch.Tensor, speed_m_s: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """As ``teacher.Muscles.forces``, for one hand."""
        least, most = self.muscle_least, self.muscle_most
        a, b = 0.5 * (least + 1.0), 0.5 * (1.0 + most)
        x = self.muscle_low + (length_m - self.muscle_start_m) / self.muscle_unit_m
        v = speed_m_s / self.muscle_fastest_m_s
        x = x.clamp(min=0.0)
        rising = torch.where(
            x <= a,
            0.5 * ((x - least) / (a - least)) ** 2,
            1.0 - 0.5 * ((1.0 - x) / (1.0 - a)) ** 2,
        )
        falling = torch.where(
            x <= b,
            1.0 - 0.5 * ((x - 1.0) / (b - 1.0)) ** 2,
            0.5 * ((most - x) / (most - b)) ** 2,
        )
        by_length = torch.where(x <= 1.0, rising, falling) * ((x > least) & (x <= most))
        strongest = self.muscle_eccentric
        y = strongest - 1.0
        stretched = torch.where(v <= y, strongest - (y - v) ** 2 / y, strongest)
        by_speed = torch.where(v <= 0.0, (v + 1.0).clamp(min=0.0) ** 2, stretched)
        taut = torch.where(x <= b, 0.5 * ((x - 1.0) / (b - 1.0)) ** 2, 0.5 + (x - b) / (b - 1.0))
        passive = self.muscle_stiff * torch.where(x <= 1.0, torch.zeros_like(x), taut)
        return -self.muscle_peak_n * by_length * by_speed, -self.muscle_peak_n * passive

    def _weights(
        self, angle: torch.Tensor, target: torch.Tensor, error: torch.Tensor
    ) -> torch.Tensor:
        far = (error.square().sum() > teacher.FAR_RAD**2).float()
        weights = 1.0 + far * (self.far - 1.0)
        at, there = teacher.AT_LIMIT_RAD, teacher.WANTS_LIMIT_RAD
        low = (angle < self.low + at) & (target < self.low + there)
        high = (angle > self.high - at) & (target > self.high - there)
        return torch.where(low | high, weights * teacher.LIMIT_WEIGHT, weights)

    def _least_squares(
        self, effect: torch.Tensor, wanted: torch.Tensor, start: torch.Tensor
    ) -> torch.Tensor:
        """As the teacher's, by accelerated projected gradients, each muscle in its own scale."""
        square = effect @ effect.T + teacher.EFFORT * torch.eye(len(MUSCLES))
        scale = torch.diagonal(square).sqrt()
        square = square / (scale[:, None] * scale[None, :])
        wish = (effect @ wanted) / scale
        step = 1.0 / square.abs().sum(dim=1).max()
        found = ahead = (start * scale).clamp(min=0.0)
        pace = 1.0
        for _ in range(ITERATIONS):
            new = (ahead + step * (wish - square @ ahead)).clamp(min=0.0).minimum(scale)
            following = 0.5 * (1.0 + (1.0 + 4.0 * pace**2) ** 0.5)
            ahead = new + ((pace - 1.0) / following) * (new - found)
            found, pace = new, following
        return found / scale


def contract(geometry: Geometry) -> Contract:
    """The contract of the file."""
    observation = posture.observation(posture.OWN_TERMS)
    return Contract(
        contract_version=CONTRACT_VERSION,
        skill=posture.NAME,
        terms=list(zip(observation.names, observation.sizes, strict=True)),
        muscles=list(MUSCLES),
        rate_hz=1.0 / posture.CONTROL_STEP_S,
        versions={**versions(), "torch": torch.__version__.split("+")[0]},
        provenance={
            "method": "computed muscle control in a graph; nothing is learned",
            "moment arms' error [mm]": round(geometry.error_m * 1e3, 3),
            "of [mm]": round(geometry.spread_m * 1e3, 3),
        },
    )


def write(target: Path) -> Geometry:
    """Fit, export, check that the contract's reader takes it."""
    geometry = fit()
    graph = Reflex(geometry, PoseHands(1, "official"))
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
    load_pose_model()
    target = Path(sys.argv[1])
    geometry = write(target)
    print(
        f"{target}: moment arms off by {geometry.error_m * 1e3:.2f} mm "
        f"of {geometry.spread_m * 1e3:.2f} mm (root mean squares)"
    )


if __name__ == "__main__":
    main()
