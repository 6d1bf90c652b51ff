import numpy as np
import pytest
import torch

from training.balls.muscles import activate
from training.balls.state import ACTIVE, seen, tensor
from training.batch import Hands, Physics


@pytest.mark.parametrize("name", ["coarse", "official"])
def test_activation_is_mujocos(name: str) -> None:
    rng, physics = np.random.default_rng(0), Physics.named(name)
    hands = Hands(3, physics, threads=1)
    active = seen(hands)[:, ACTIVE]
    for _ in range(8):
        excitation = rng.beta(0.5, 1.5, (3, 39))
        hands.step(excitation)
        before = active
        active, mean = activate(before, tensor(excitation), physics.substeps)
        assert (active - seen(hands)[:, ACTIVE]).abs().max() < 1e-5
        low, high = torch.minimum(before, active), torch.maximum(before, active)
        assert ((mean >= low - 1e-6) & (mean <= high + 1e-6)).all()
