import pytest
import torch

from training.balls.critic import Record, follow
from training.balls.plan import CriticFit
from training.ppo import make_critic


def test_the_critic_follows() -> None:
    torch.manual_seed(0)
    seen = {"policy": torch.zeros(1, 3), "privileged": torch.zeros(1, 2)}
    critic = make_critic(seen, (16,)).eval().requires_grad_(False)
    optimiser = torch.optim.Adam(critic.mlp.parameters(), 1e-2)
    one = Record()
    for step in range(9):
        one.observation.append(torch.randn(16, 3))
        one.hidden.append(torch.randn(16, 2))
        if step < 8:
            one.gain.append(one.observation[-1][:, 0])
            one.kept.append(torch.ones(16, dtype=torch.bool))
            one.goes_on.append(torch.ones(16, dtype=torch.bool))
    settings = CriticFit(rate=1e-2, lam=0.0, batch=32)
    found = [follow(critic, optimiser, one, settings, gamma=0.1) for _ in range(30)]
    assert found[-1][0] > 0.8
    assert found[-1][0] > found[0][0]
    assert found[-1][1] == pytest.approx(0.0, abs=0.3)
    assert not any(value.requires_grad for value in critic.parameters())
