"""Weights of a network that was told less, for one that is told more.

What is new comes after what was known and has weights of zero, so at first nothing changes.
"""

from collections.abc import Mapping

import torch
from torch import nn


def widened(weights: Mapping[str, torch.Tensor], network: nn.Module) -> dict[str, torch.Tensor]:
    """The weights by name, with inputs added until they are as many as the network's.

    What does not fit because of something else is left as it is, to be refused.
    """
    learned = dict(network.named_parameters())
    found = dict(weights)
    for name, fresh in network.state_dict().items():
        old = weights.get(name)
        if old is None or not old.dim() or old.shape[:-1] != fresh.shape[:-1]:
            continue
        more = fresh[..., old.shape[-1] :]
        if more.numel():
            more = torch.zeros_like(more) if name in learned else more  # else a normaliser's own
            found[name] = torch.cat([old, more], dim=-1)
    return found
