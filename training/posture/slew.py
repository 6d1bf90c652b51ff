"""What the gate sends of what a policy asks for: an excitation moves only so far in a step."""

from typing import Final

import torch

from controller.skills import posture
from controller.supervisor.limits import Limits

FARTHEST: Final = Limits().slew_per_s * posture.CONTROL_STEP_S


def slewed(wished: torch.Tensor, sent: torch.Tensor) -> torch.Tensor:
    """The next excitations, (n, 39), on the way from those sent before to those wished."""
    return torch.minimum(torch.maximum(wished, sent - FARTHEST), sent + FARTHEST)
