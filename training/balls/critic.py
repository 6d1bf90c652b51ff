"""The critic: what a state is worth to the policy, followed as the policy changes."""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Final

import torch
from rsl_rl.models import MLPModel
from tensordict import TensorDict
from torch import nn

from training.balls.plan import CriticFit

LARGEST_STEP: Final = 1.0  # norm of a gradient


@dataclass
class Record:
    """What a stretch of T steps of n hands tells the critic, step by step.

    Attributes:
        observation: (n, 108) each, one more than steps.
        hidden: what only the critic sees, (n, 13) each, one more than steps.
        gain: rewards, (n,).
        kept: whether the balls stayed in the hand, (n,).
        goes_on: whether the episode did, (n,); else the next observation is of another one.
    """

    observation: list[torch.Tensor] = field(default_factory=list)
    hidden: list[torch.Tensor] = field(default_factory=list)
    gain: list[torch.Tensor] = field(default_factory=list)
    kept: list[torch.Tensor] = field(default_factory=list)
    goes_on: list[torch.Tensor] = field(default_factory=list)

    @classmethod
    def joined(cls, parts: Sequence["Record"]) -> "Record":
        """The record of all hands, by those of parts of them."""
        found = cls()
        for each in fields(cls):
            steps = zip(*(getattr(part, each.name) for part in parts), strict=True)
            getattr(found, each.name).extend(map(torch.cat, steps))
        return found


def value(critic: MLPModel, observation: torch.Tensor, hidden: torch.Tensor) -> torch.Tensor:
    """What states are worth, (n,), by observations (n, 108) and hidden parts (n, 13)."""
    groups = {"policy": observation, "privileged": hidden}
    worth: torch.Tensor = critic(TensorDict(groups, batch_size=[len(observation)]))[:, 0]
    return worth


def returns(values: torch.Tensor, record: Record, gamma: float, lam: float) -> torch.Tensor:
    """TD(lambda) returns, (T, n), by values (T + 1, n) of all observations.

    After a drop nothing comes; an episode that ended in time is worth what its last state was.
    """
    steps = len(record.gain)
    found, after = torch.empty(steps, values.shape[1]), values[-1]
    for step in reversed(range(steps)):
        mixed = (1.0 - lam) * values[step + 1] + lam * after
        ended = torch.where(record.kept[step], values[step], torch.zeros_like(after))
        after = record.gain[step] + gamma * torch.where(record.goes_on[step], mixed, ended)
        found[step] = after
    return found


def follow(
    critic: MLPModel,
    optimiser: torch.optim.Optimizer,
    record: Record,
    settings: CriticFit,
    gamma: float,
) -> tuple[float, float]:
    """One pass over a stretch.

    Returns:
        The share of the returns' variance that the critic explained before, and the mean loss.
    """
    observation, hidden = torch.stack(record.observation), torch.stack(record.hidden)
    with torch.no_grad():
        flat = value(critic, observation.flatten(0, 1), hidden.flatten(0, 1))
        values = flat.view(observation.shape[:2])
        wanted = returns(values, record, gamma, settings.lam)
        unexplained = float((wanted - values[:-1]).var() / wanted.var())
    seen, unseen, goal = observation[:-1].flatten(0, 1), hidden[:-1].flatten(0, 1), wanted.flatten()
    critic.mlp.requires_grad_(True)
    total = 0.0
    for drawn in torch.split(torch.randperm(len(goal)), settings.batch):
        loss = nn.functional.mse_loss(value(critic, seen[drawn], unseen[drawn]), goal[drawn])
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(critic.mlp.parameters(), LARGEST_STEP)
        optimiser.step()
        total += loss.item() * len(drawn) / len(goal)
    critic.mlp.requires_grad_(False)
    return 1.0 - unexplained, total
