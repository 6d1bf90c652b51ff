"""By which way a hand goes to a new target: straight, or by another posture first.

The long flexors and extensors cross three joints, so there are postures that can be held but not
approached from everywhere. Passing by another one for a moment opens the way to many of them.
Which way ends nearer is learned from trying.
"""

from pathlib import Path
from typing import Annotated, Final

import numpy as np
import torch
from msgspec import Meta
from torch import nn

from controller.names import JOINTS
from controller.settings import load
from controller.skills.posture import CONTROL_STEP_S, table
from training.curriculum import Positive, Settings
from training.posture.muscles import keep

FILE: Final = Path(__file__).with_name("ways.yaml")
LEAP_RAD: Final = 0.5  # in one control step, over all joints: a new target, not a moving one
WORTH: Final = 0.03  # of cost that a detour has to save
UNKNOWN: Final = 0.5  # cost of each way before any was tried
WIDTH: Final = 128
ASKED: Final = 2 * len(JOINTS)
MEMORY: Final = len(JOINTS) + 2


class Way(Settings, frozen=True, kw_only=True):
    """A detour."""

    by: Annotated[str, Meta(min_length=1)]
    """Name of the posture that is aimed at first."""
    for_s: Positive
    """How long."""


def load_ways(path: Path = FILE) -> list[Way]:
    """Read the file.

    Raises:
        SettingsError: it is not there, or says what can't be.
    """
    return load(path, list[Way])


class Ways(nn.Module):
    """Chooses a way at each leap of the target, and remembers it.

    Its memory is, for each hand, the last target [rad] (23), the number of its way, 0 for
    straight, and how long ago the target leapt [s]; all zeros at first.

    Attributes:
        explore: share of the choices that are made by chance, while it learns.
    """

    by: torch.Tensor
    for_s: torch.Tensor

    def __init__(self, ways: list[Way]) -> None:
        super().__init__()
        postures = table()
        keep(self, "by", np.array([np.zeros(len(JOINTS)), *(postures.named(w.by) for w in ways)]))
        keep(self, "for_s", np.array([0.0, *(way.for_s for way in ways)]))
        self.explore = 0.0
        last = nn.Linear(WIDTH, len(ways) + 1)
        nn.init.zeros_(last.weight)
        nn.init.constant_(last.bias, UNKNOWN)
        layers = [nn.Linear(ASKED, WIDTH), nn.ELU(), nn.Linear(WIDTH, WIDTH), nn.ELU(), last]
        self.cost = nn.Sequential(*layers)

    def forward(
        self, target: torch.Tensor, share: torch.Tensor, wanted: torch.Tensor, memory: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """One control step.

        Args:
            target: wanted joint angles [rad], (n, 23).
            share: joint angles as shares of half their range, (n, 23).
            wanted: the target, as shares.
            memory: (n, 25).

        Returns:
            What is to be aimed at now [rad], (n, 23), and the memory.
        """
        way, ago_s = way_of(memory), memory[:, -1:]
        leapt = leaps(target, memory)
        way = torch.where(leapt, self._chosen(torch.cat([share, wanted], dim=1)), way)
        ago_s = torch.where(leapt, torch.zeros_like(ago_s), ago_s + CONTROL_STEP_S)
        number = way[:, 0].long()
        detour = ago_s < self.for_s[number][:, None] - 0.5 * CONTROL_STEP_S  # sums are inexact
        return torch.where(detour, self.by[number], target), torch.cat([target, way, ago_s], dim=1)

    def best(self, asked: torch.Tensor) -> torch.Tensor:
        """The way that is expected to cost least, (n, 1); ``asked``: angles and target, (n, 46)."""
        expected = self.cost(asked)
        least, best = expected.min(dim=1, keepdim=True)
        worth: torch.Tensor = least < expected[:, :1] - WORTH
        return torch.where(worth, best, torch.zeros_like(best)).to(asked.dtype)

    def _chosen(self, asked: torch.Tensor) -> torch.Tensor:
        best = self.best(asked)
        if self.explore == 0.0:
            return best
        chance = torch.randint(0, len(self.for_s), best.shape).to(best.dtype)
        return torch.where(torch.rand(best.shape) < self.explore, chance, best)


def way_of(memory: torch.Tensor) -> torch.Tensor:
    """The number of each hand's way, (n, 1), of a memory that ends with ``MEMORY`` numbers."""
    return memory[:, -2:-1]


def leaps(target: torch.Tensor, memory: torch.Tensor) -> torch.Tensor:
    """Whether the target is a new one, (n, 1), by a memory that ends with ``MEMORY`` numbers."""
    last = memory[:, -MEMORY:-2]
    far: torch.Tensor = (target - last).norm(dim=1, keepdim=True)
    return far > LEAP_RAD
