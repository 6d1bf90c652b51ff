"""Learns what each way to a new target costs, by trying."""

from typing import Any, Final

import torch
from torch import nn

from training.posture.ways import ASKED, Ways

RATE: Final = 1e-3  # of Adam
REMEMBERED: Final = 65_536  # trials, the newest
BATCH: Final = 512
PASSES: Final = 8  # minibatches an update


class Trials:
    """Which way each hand of a batch took from where to where, and what came of it.

    The trials themselves are not in a checkpoint: after a resume it learns nothing new until there
    are ``BATCH`` of them again.

    Attributes:
        on_policy: 0 for hands that took a way by chance, 1 for the others, (n,).
    """

    def __init__(self, ways: Ways, hands: int) -> None:
        self._ways = ways
        self._optimiser = torch.optim.Adam(ways.cost.parameters(), RATE)
        self.on_policy = torch.ones(hands)
        self._asked, self._way = torch.zeros(hands, ASKED), torch.zeros(hands)
        self._kept = [torch.zeros(REMEMBERED, ASKED), *torch.zeros(2, REMEMBERED)]
        self._count = 0

    @torch.no_grad()
    def note(self, leapt: torch.Tensor, asked: torch.Tensor, way: torch.Tensor) -> None:
        """Remember what was chosen where the target has leapt.

        Args:
            leapt: (n, 1).
            asked: angles and target, as ``Ways.best`` takes them, (n, 46).
            way: number of the way, (n,).
        """
        self._asked = torch.where(leapt, asked, self._asked)
        self._way = torch.where(leapt[:, 0], way, self._way)
        self.on_policy = (self._ways.best(self._asked)[:, 0] == self._way).float()

    def learn(self, cost: torch.Tensor, counts: torch.Tensor) -> float:
        """Enter what each hand's way cost, (n,), where that counts, and learn from all trials.

        Returns:
            The mean squared error of what was expected; 0 while there are too few trials.
        """
        self._enter(cost, counts)
        filled = min(self._count, REMEMBERED)
        if filled < BATCH:
            return 0.0
        return sum(self._pass(torch.randint(0, filled, (BATCH,))) for _ in range(PASSES)) / PASSES

    def _enter(self, cost: torch.Tensor, counts: torch.Tensor) -> None:
        new = self._asked[counts], self._way[counts], cost[counts]
        place = torch.arange(self._count, self._count + len(new[1])) % REMEMBERED
        for kept, values in zip(self._kept, new, strict=True):
            kept[place] = values
        self._count += len(new[1])

    @torch.enable_grad()
    def _pass(self, some: torch.Tensor) -> float:
        asked, way, cost = (kept[some] for kept in self._kept)
        expected = self._ways.cost(asked).gather(1, way.long()[:, None])[:, 0]
        error = nn.functional.mse_loss(expected, cost)
        self._optimiser.zero_grad()
        error.backward()  # type: ignore[no-untyped-call]
        self._optimiser.step()
        return error.item()

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        return self._optimiser.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take up what ``state_dict`` gave."""
        self._optimiser.load_state_dict(state)
