"""Steps of one length along gradients that pass through a stretch of time."""

from collections.abc import Mapping
from typing import Final

import torch
from torch import nn

SMALLEST: Final = 1e-6  # norm of a gradient that still tells a direction


def descend(
    optimiser: torch.optim.Optimizer,
    loss: torch.Tensor,
    learning: Mapping[str, nn.Parameter],
    goal: str,
    whose: str,
) -> str:
    """Take the gradient of a loss and step against it, as ``step_against`` does."""
    optimiser.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    return step_against(optimiser, loss, learning, goal, whose)


def step_against(
    optimiser: torch.optim.Optimizer,
    loss: torch.Tensor,
    learning: Mapping[str, nn.Parameter],
    goal: str,
    whose: str,
) -> str:
    """Step against the gradient, its norm made 1, if it is finite; else leave all as it was.

    Args:
        optimiser: steps along what gradients there are.
        loss: a number, to be made small; its gradient is there.
        learning: what the optimiser moves, by name.
        goal: what the loss is, in words.
        whose: weights they are, in words.

    Returns:
        What was not finite, in words; nothing if all was.
    """
    gradients = {name: each.grad for name, each in learning.items() if each.grad is not None}
    norm = nn.utils.get_total_norm(gradients.values())
    if not torch.isfinite(loss):
        return goal
    if not torch.isfinite(norm):
        wrong = [repr(name) for name, each in gradients.items() if not each.isfinite().all()]
        return f"the gradient of the {whose}'s {', '.join(wrong)}"
    for gradient in gradients.values():
        gradient /= norm.clamp(min=SMALLEST)
    optimiser.step()
    return ""


def held(gradient: torch.Tensor, size: torch.Tensor, most: float) -> torch.Tensor:
    """The gradient of a mean over hands, (n, m), of which each hand's is at most so large.

    Args:
        gradient: by the state of each hand.
        size: of each hand's, (n, 1), in the unit of ``most``.
        most: of a hand's own, before the mean.
    """
    share = most / len(gradient)
    return gradient * (share / size.clamp(min=share))
