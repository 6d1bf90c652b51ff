"""What the gate sends of what a policy asks for: an excitation moves only so far in a step."""

import torch

from controller.supervisor.limits import Limits


def slewed(wished: torch.Tensor, sent: torch.Tensor, step_s: float) -> torch.Tensor:
    """The next excitations on the way from those sent before to those wished, (n, 39) each.

    The control step is in seconds; the slew is that of a policy's gate as it comes.
    """
    farthest = Limits().slew_per_s * step_s
    return torch.minimum(torch.maximum(wished, sent - farthest), sent + farthest)
