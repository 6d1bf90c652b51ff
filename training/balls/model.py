"""A learned control step of hand and balls: only its slopes are used.

It says how the next state depends on this one and on the excitations. Where the hands really go
is said by MuJoCo, so an error of the model bends the gradient but never the path.
"""

from typing import Final

import torch
from torch import nn

from training.balls.features import SIZE as FEATURES
from training.balls.features import Features
from training.balls.state import ACTIVE, MADE

LEARNED: Final = 64  # parts of a state: all but the activations, and how balls are made
FARTHEST: Final = 8.0  # a feature's distance from its mean, in standard deviations
QUIET: Final = 0.1  # of the last layer's weights at first: nearly no change


def learned(state: torch.Tensor) -> torch.Tensor:
    """The parts of states (n, 109) that are learned, (n, 64)."""
    return torch.cat([state[:, : ACTIVE.start], state[:, ACTIVE.stop : MADE.start]], dim=1)


def whole(parts: torch.Tensor, active: torch.Tensor, made: torch.Tensor) -> torch.Tensor:
    """States (n, 109) of learned parts (n, 64), activations (n, 39) and how balls are made."""
    return torch.cat([parts[:, : ACTIVE.start], active, parts[:, ACTIVE.start :], made], dim=1)


class Model(nn.Module):
    """States (n, 109) and excitations (n, 39) -> the next states.

    Args:
        hidden: width of its two layers.

    Attributes:
        mean, std: of the features, (671,).
        shift, scale: of what changes besides the base, (64,).
    """

    mean: torch.Tensor
    std: torch.Tensor
    shift: torch.Tensor
    scale: torch.Tensor

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(FEATURES))
        self.register_buffer("std", torch.ones(FEATURES))
        self.register_buffer("scale", torch.ones(LEARNED))
        self.register_buffer("shift", torch.zeros(LEARNED))
        layers = [nn.Linear(FEATURES, hidden), nn.SiLU(), nn.Linear(hidden, hidden), nn.SiLU()]
        last = nn.Linear(hidden, LEARNED)
        self.net = nn.Sequential(*layers, last)
        self.skip = nn.Linear(FEATURES, LEARNED)
        with torch.no_grad():
            last.weight.mul_(QUIET)
            self.skip.weight.mul_(QUIET)

    def change(self, features: torch.Tensor) -> torch.Tensor:
        """What changes besides the base, (n, 64), in units of ``scale`` about ``shift``."""
        x = ((features - self.mean) / self.std).clamp(-FARTHEST, FARTHEST)
        found: torch.Tensor = self.net(x) + self.skip(x)
        return found

    def forward(
        self, told: Features, state: torch.Tensor, excitation: torch.Tensor
    ) -> torch.Tensor:
        """The states one control step later."""
        features, base, active = told(state, excitation)
        return whole(base + self.change(features) * self.scale + self.shift, active, state[:, MADE])
