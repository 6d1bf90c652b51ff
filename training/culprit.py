"""Finds what is not finite in an update, from where it enters to what it spoils."""

from collections.abc import Iterator

import torch
from rsl_rl.algorithms import PPO

from controller.skills.skill import Observation


def culprit(ppo: PPO, observation: Observation, losses: dict[str, float]) -> str | None:
    """The first thing that is not finite, in words; None when all is well.

    What the hands gave is looked at first, then the losses, then the weights: a NaN
    spreads in that order.
    """
    for name, values in _things(ppo, observation, losses):
        if not torch.isfinite(values).all():
            return name
    return None


def _things(
    ppo: PPO, observation: Observation, losses: dict[str, float]
) -> Iterator[tuple[str, torch.Tensor]]:
    rollout = ppo.storage
    seen = rollout.observations["policy"].split(list(observation.sizes), dim=-1)
    for term, values in zip(observation.names, seen, strict=True):
        yield f"the observation term {term!r}", values
    yield "what only the critic sees", rollout.observations["privileged"]
    yield "the reward", rollout.rewards
    yield "the action", rollout.actions
    yield "the value of a state", rollout.values
    for name, loss in losses.items():
        yield f"the loss {name!r}", torch.tensor(loss)
    for network, module in (("actor", ppo.actor), ("critic", ppo.critic)):
        for name, weights in module.state_dict().items():
            yield f"the {network}'s {name!r}", weights
