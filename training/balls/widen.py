"""Weights of a narrower network, or of one that was told less, for a wider one.

What is new comes after what was known. It reads all there is, with weights of its own, and what
was known reads nothing of it yet: so at first nothing changes.
"""

from collections.abc import Mapping
from typing import Final

import torch
from torch import nn

GATES: Final = 4  # of an LSTM, whose weights are one below the other


def widened(weights: Mapping[str, torch.Tensor], network: nn.Module) -> dict[str, torch.Tensor]:
    """The weights by name, with inputs and units added until they are as many as the network's.

    What does not fit because of something else is left as it is, to be refused.
    """
    learned = dict(network.named_parameters())
    found = dict(weights)
    for name, fresh in network.state_dict().items():
        old = weights.get(name)
        if old is None or old.dim() != fresh.dim() or old.shape == fresh.shape:
            continue
        if all(was <= now for was, now in zip(old.shape, fresh.shape, strict=True)):
            parts = GATES if name.startswith("rnn.") else 1
            pairs = zip(old.chunk(parts), fresh.chunk(parts), strict=True)
            found[name] = torch.cat([_within(*pair, name in learned) for pair in pairs])
    return found


def _within(old: torch.Tensor, fresh: torch.Tensor, learned: bool) -> torch.Tensor:
    """The old values in the corner of the fresh ones; what is learned there reads nothing new."""
    found = fresh.clone()
    known = tuple(slice(0, size) for size in old.shape)
    if learned and old.dim() > 1:
        found[known[0]] = 0.0
    found[known] = old
    return found
