"""MuJoCo's muscle model as a network: force = gain * activation + passive.

``mju_muscleGain`` and ``mju_muscleBias`` of engine_util_misc.c, with the parameters of the
hand, which are the same for all muscles but for the peak force.
"""

from typing import Any

import numpy as np
import torch
from torch import nn


def keep(module: nn.Module, name: str, value: Any) -> None:
    """Give a network a constant, as float32."""
    module.register_buffer(name, torch.tensor(np.asarray(value), dtype=torch.float32))


class Muscles(nn.Module):
    """Lengths [m] and speeds [m/s] of muscles (n, 39) -> their forces [N]."""

    peak_n: torch.Tensor
    start_m: torch.Tensor
    unit_m: torch.Tensor
    fastest_m_s: torch.Tensor

    def __init__(self, model: Any) -> None:
        super().__init__()
        low, high, _, _, self._least, self._most, speed, self._stiff, self._eccentric = (
            float(value) for value in model.actuator_gainprm[0, :9]
        )
        self._low = low
        unit_m = np.diff(model.actuator_lengthrange, axis=1)[:, 0] / (high - low)
        constants = {
            "peak_n": model.actuator_gainprm[:, 2],
            "start_m": model.actuator_lengthrange[:, 0],
            "unit_m": unit_m,
            "fastest_m_s": unit_m * speed,
        }
        for name, value in constants.items():
            keep(self, name, value)

    def forward(
        self, length_m: torch.Tensor, speed_m_s: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Force for each unit of activation, and force at rest, both (n, 39), <= 0."""
        x = (self._low + (length_m - self.start_m) / self.unit_m).clamp(min=0.0)
        gain = self._force_length(x) * self._force_velocity(speed_m_s / self.fastest_m_s)
        return -self.peak_n * gain, -self.peak_n * self._passive(x)

    def _force_length(self, x: torch.Tensor) -> torch.Tensor:
        least, most = self._least, self._most
        a, b = 0.5 * (least + 1.0), 0.5 * (1.0 + most)
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
        return torch.where(x <= 1.0, rising, falling) * ((x > least) & (x <= most))

    def _force_velocity(self, v: torch.Tensor) -> torch.Tensor:
        most = self._eccentric
        y = most - 1.0
        stretched = torch.where(v <= y, most - (y - v) ** 2 / y, torch.full_like(v, most))
        return torch.where(v <= 0.0, (v + 1.0).clamp(min=0.0) ** 2, stretched)

    def _passive(self, x: torch.Tensor) -> torch.Tensor:
        b = 0.5 * (1.0 + self._most)
        taut = torch.where(x <= b, 0.5 * ((x - 1.0) / (b - 1.0)) ** 2, 0.5 + (x - b) / (b - 1.0))
        return self._stiff * torch.where(x <= 1.0, torch.zeros_like(x), taut)
