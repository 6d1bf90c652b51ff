import numpy as np
import pytest
import torch
from scipy.optimize import lsq_linear

from training.posture import least_squares as solver
from training.posture.least_squares import least_squares

EFFORT = 0.3


@pytest.fixture
def problem() -> tuple[torch.Tensor, torch.Tensor]:
    """Effects (5, 9, 4) of nine muscles on four joints, and what is wanted, (5, 4)."""
    rng = np.random.default_rng(3)
    return torch.tensor(rng.normal(size=(5, 9, 4))), torch.tensor(rng.normal(size=(5, 4)))


def solved(effect: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    """From the last solution again and again, as a control loop does."""
    found = torch.zeros(effect.shape[:2], dtype=effect.dtype)
    with torch.no_grad():
        for _ in range(100):
            found = least_squares(effect, wanted, EFFORT, found)
    return least_squares(effect, wanted, EFFORT, found)


def test_it_finds_what_scipy_finds(problem: tuple[torch.Tensor, torch.Tensor]) -> None:
    effect, wanted = problem
    found = solved(effect, wanted)
    assert ((found >= 0.0) & (found <= 1.0)).all()
    for one, (parts, goal) in enumerate(zip(effect.numpy(), wanted.numpy(), strict=True)):
        rows = np.concatenate([parts.T, np.sqrt(EFFORT) * np.eye(9)])
        best = lsq_linear(rows, np.concatenate([goal, np.zeros(9)]), (0.0, 1.0))
        assert found[one].numpy() == pytest.approx(best.x, abs=2e-3)


def test_its_gradient_is_that_of_the_solution(
    problem: tuple[torch.Tensor, torch.Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(solver, "SOFT", 0.0)
    effect, wanted = (part.clone().requires_grad_() for part in problem)
    rng = np.random.default_rng(0)
    weigh = torch.tensor(rng.normal(size=(5, 9)))
    (weigh * solved(effect, wanted)).sum().backward()
    for value in (effect, wanted):
        assert value.grad is not None
        way = torch.tensor(rng.normal(size=value.shape))
        ends = []
        for sign in (1.0, -1.0):
            moved = [
                part.detach() + (sign * 1e-5 * way if part is value else 0.0)
                for part in (effect, wanted)
            ]
            ends.append(float((weigh * solved(*moved)).sum()))
        expected = (ends[0] - ends[1]) / 2e-5
        assert float((value.grad * way).sum()) == pytest.approx(expected, rel=0.05)
