"""The reward of a step with a slope everywhere; training/env.py has the one of PPO."""

from typing import Final

import torch

from training.balls.plan import SmoothReward
from training.balls.state import PLACE
from training.env import CLOSE_M, NEAR_M, REWARD_SCALE

EDGE_M: Final = 0.0145  # where a ball is half solved: a little inside of the official limit
WIDTH_M: Final = 0.0015  # of that edge
FARTHEST: Final = 4.0  # distances cost up to this, in units of NEAR_M


def reward(weights: SmoothReward, state: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Reward, (n,), of states (n, 109) with these targets in the palm's frame (n, 6) [m]."""
    apart = (state[:, PLACE] - targets).view(-1, 2, 3)
    distance = apart.square().sum(-1).add(1e-10).sqrt()
    solved = torch.sigmoid((EDGE_M - distance) / WIDTH_M).prod(-1)
    near = torch.exp(-((distance / NEAR_M) ** 2)).sum(-1)
    close = torch.exp(-((distance / CLOSE_M) ** 2)).sum(-1)
    far = (distance / NEAR_M).clamp(max=FARTHEST).sum(-1)
    most = weights.alive + weights.solved + 2 * (weights.near + weights.close)
    total = (
        weights.alive
        + weights.solved * solved
        + weights.near * near
        + weights.close * close
        - weights.far * far
    )
    found: torch.Tensor = REWARD_SCALE * total / most
    return found
