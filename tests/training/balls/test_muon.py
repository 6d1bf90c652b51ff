import pytest
import torch
from torch import nn

from training.balls.muon import Muon


def test_it_descends_by_its_rate_whatever_the_gradients_size() -> None:
    for scale in (1e-4, 1e4):
        weights, bias = nn.Parameter(torch.eye(4)), nn.Parameter(torch.ones(4))
        optimiser = Muon([weights, bias], lr=0.1)
        (scale * (weights.square().sum() + bias.sum())).backward()
        optimiser.step()
        assert torch.linalg.matrix_norm(torch.eye(4) - weights.detach(), 2) == pytest.approx(
            0.1, rel=0.3
        )
        assert (1.0 - bias.detach()).norm() == pytest.approx(0.1, rel=1e-3)
        assert weights.trace() < 4.0


def test_it_goes_downhill() -> None:
    torch.manual_seed(0)
    wanted, weights = torch.randn(5, 3), nn.Parameter(torch.zeros(5, 3))
    optimiser = Muon([weights], lr=0.05)
    costs = []
    for _ in range(60):
        optimiser.zero_grad()
        cost = (weights - wanted).square().sum()
        cost.backward()
        optimiser.step()
        costs.append(cost.item())
    assert costs[-1] < 0.2 * costs[0]
