"""Updates of one size in every direction of a matrix (Muon, Jordan et al. 2024).

A gradient through contacts is large along a few directions, which change from update to update,
and small along those that last. The momentum of each matrix is made orthogonal, so that all of
its directions count alike. torch.optim.Muon takes matrices only and scales by their shape.
"""

from collections.abc import Iterable
from typing import Any, Final

import torch
from torch import nn

MOMENTUM: Final = 0.9
ROUNDS: Final = 5
QUINTIC: Final = (3.4445, -4.7750, 2.0315)  # Jordan's coefficients: singular values to 0.7-1.2
SMALLEST: Final = 1e-9


def orthogonal(matrix: torch.Tensor) -> torch.Tensor:
    """The nearest matrix whose singular values are all about 1, by Newton and Schulz."""
    a, b, c = QUINTIC
    x = matrix / (matrix.norm() + SMALLEST)
    tall = x.shape[0] > x.shape[1]
    x = x.T if tall else x
    for _ in range(ROUNDS):
        square = x @ x.T
        x = a * x + (b * square + c * square @ square) @ x
    found: torch.Tensor = x.T if tall else x
    return found


class Muon(torch.optim.Optimizer):
    """Descends by ``lr`` in every direction of a matrix, and by ``lr`` in all of a vector."""

    def __init__(self, parameters: Iterable[nn.Parameter], lr: float) -> None:
        super().__init__(parameters, {"lr": lr})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """One step along the gradients that are there."""
        for group in self.param_groups:
            for value in group["params"]:
                if value.grad is None:
                    continue
                state = self.state[value]
                if not state:
                    state["momentum_buffer"] = torch.zeros_like(value)
                momentum = state["momentum_buffer"].mul_(MOMENTUM).add_(value.grad)
                matrix = momentum.dim() == 2
                way = orthogonal(momentum) if matrix else momentum / (momentum.norm() + SMALLEST)
                value.sub_(group["lr"] * way)
