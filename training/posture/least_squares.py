"""Least squares within bounds, for a batch: which activations have a wanted effect."""

from typing import Any, Final

import torch

ITERATIONS: Final = 20  # they start from the last control step's
SOFT: Final = 0.1  # of each muscle's own weight, added in the gradient: else it may be of any size


def least_squares(
    effect: torch.Tensor, wanted: torch.Tensor, effort: float, start: torch.Tensor
) -> torch.Tensor:
    """Activations 0-1 (n, 39) whose summed effect (n, 39, 23) is nearest to ``wanted`` (n, 23).

    By accelerated projected gradients, each muscle in its own scale.

    Args:
        effect: of each muscle at full activation on each joint.
        wanted: of all muscles together.
        effort: weight of activations squared.
        start: activations to start from.
    """
    square = effect @ effect.transpose(1, 2) + effort * torch.eye(effect.shape[1])
    scale = torch.diagonal(square, dim1=1, dim2=2).sqrt()
    square = square / (scale[:, :, None] * scale[:, None, :])
    wish = (effect @ wanted[..., None])[..., 0] / scale
    with torch.no_grad():
        found = _iterated(square, wish, scale, (start * scale).clamp(min=0.0))
    if torch.is_grad_enabled():
        found = _Solution.apply(square, wish, scale, found)  # type: ignore[no-untyped-call]
    return found / scale


def _iterated(
    square: torch.Tensor, wish: torch.Tensor, most: torch.Tensor, start: torch.Tensor
) -> torch.Tensor:
    step = 1.0 / square.abs().sum(dim=2).amax(dim=1, keepdim=True)
    found = ahead = start
    pace = 1.0
    for _ in range(ITERATIONS):
        slope = (square @ ahead[..., None])[..., 0] - wish
        new = (ahead - step * slope).clamp(min=0.0).minimum(most)
        following = 0.5 * (1.0 + (1.0 + 4.0 * pace**2) ** 0.5)
        ahead = new + ((pace - 1.0) / following) * (new - found)
        found, pace = new, following
    return found


class _Solution(torch.autograd.Function):
    """Gives what was found the gradient of the solution; what is at a bound moves with it."""

    @staticmethod
    def forward(
        ctx: Any, square: torch.Tensor, wish: torch.Tensor, most: torch.Tensor, found: torch.Tensor
    ) -> torch.Tensor:
        ctx.save_for_backward(square, most, found)
        return found.clone()

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        square, most, found = ctx.saved_tensors
        gradient = gradients[0]
        full = found >= most
        free = ((found > 0.0) & ~full).to(square.dtype)
        both = free[:, :, None] * free[:, None, :]
        inner = both * square + torch.diag_embed(1.0 - free + SOFT * free)
        of_wish = torch.linalg.solve(inner, gradient * free)
        of_square = -of_wish[:, :, None] * found[:, None, :]
        of_most = torch.where(full, gradient - (square @ of_wish[..., None])[..., 0], 0.0)
        return of_square, of_wish, of_most, None
