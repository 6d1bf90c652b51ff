import pytest
import torch
from torch import nn

from training.descent import descend, held


@pytest.fixture
def weights() -> nn.Parameter:
    return nn.Parameter(torch.tensor([3.0, 4.0]))


def test_a_step_is_of_one_length_whatever_else_has_a_gradient(weights: nn.Parameter) -> None:
    other = nn.Parameter(torch.ones(2))
    other.grad = torch.full((2,), 1e6)
    optimiser = torch.optim.SGD([weights], 0.1)
    loss = 100.0 * weights.square().sum() / 2
    assert descend(optimiser, loss, {"w": weights}, "the cost", "network") == ""
    assert weights.tolist() == pytest.approx([3.0 - 0.06, 4.0 - 0.08])


@pytest.mark.parametrize(
    ("factor", "said"),
    [(torch.nan, "the cost"), (torch.inf, "the cost"), (0.0, "the gradient of the network's 'w'")],
)
def test_what_is_not_finite_is_named_and_moves_nothing(
    weights: nn.Parameter, factor: float, said: str
) -> None:
    loss = (weights - weights).norm() * 0.0 + factor
    if factor == 0.0:
        loss = (weights * 0.0).sqrt().sum()  # its slope at 0 is infinite
    optimiser = torch.optim.SGD([weights], 0.1)
    assert descend(optimiser, loss, {"w": weights}, "the cost", "network") == said
    assert weights.tolist() == [3.0, 4.0]


def test_each_hand_passes_back_at_most_its_share_of_the_mean() -> None:
    gradient = torch.tensor([[0.0, 4.0], [0.3, 0.0]])
    found = held(gradient, gradient.norm(dim=1, keepdim=True), 2.0)
    assert torch.equal(found, torch.tensor([[0.0, 1.0], [0.3, 0.0]]))
