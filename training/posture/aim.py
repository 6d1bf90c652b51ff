"""What is learned: where the reflex aims, and what it weighs, in each state of the hand.

The reflex looks one step ahead and gets stuck on ways that are not straight. The network looks
at the whole hand and tells it where else to aim; untrained it says nothing, and the reflex is as
it was. By which posture a new target is approached is learned too (training/posture/ways.py).
"""

from typing import Final

import torch
from torch import nn

from controller.names import JOINTS, MUSCLES
from training.posture.ways import Ways, load_ways

FURTHEST_RAD: Final = 1.0  # beside the target
LOUDEST: Final = 1.5  # logarithm of a weight's factor
FAST_RAD_S: Final = 5.0  # scale of the velocities that it sees
FASTEST: Final = 3.0  # of them at most
SEEN: Final = 4 * len(JOINTS) + len(MUSCLES)


class Aim(nn.Module):
    """Offsets of the targets [rad] and logarithms of the weights' factors, (n, 23) each.

    Attributes:
        ways: chooses what is aimed at first.
    """

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(SEEN, hidden),
            nn.ELU(),
            nn.Linear(hidden, hidden),
            nn.ELU(),
            nn.Linear(hidden, 2 * len(JOINTS)),
        )
        for values in self.layers[-1].parameters():
            nn.init.zeros_(values)
        self.ways = Ways(load_ways())

    def forward(
        self,
        share: torch.Tensor,
        speed: torch.Tensor,
        active: torch.Tensor,
        wanted: torch.Tensor,
        error: torch.Tensor,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """What the reflex is told.

        Args:
            share: joint angles as shares of half their range, (n, 23).
            speed: of the joints [rad/s], (n, 23).
            active: activations, (n, 39).
            wanted: target angles as shares, (n, 23).
            error: target minus angle [rad], (n, 23).
        """
        quick = (speed / FAST_RAD_S).clamp(-FASTEST, FASTEST)
        said = self.layers(torch.cat([share, quick, 2.0 * active, wanted, error], dim=1))
        offset, louder = said.chunk(2, dim=1)
        return FURTHEST_RAD * torch.tanh(offset), LOUDEST * torch.tanh(louder)
