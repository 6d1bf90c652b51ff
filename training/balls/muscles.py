"""Muscle activation over a control step, exactly as the physics integrates it.

First-order dynamics with time constants that depend on the activation
(``mju_muscleDynamics`` of MuJoCo's engine_util_misc.c), in explicit Euler steps.
"""

import torch

from controller.skills.baoding import CONTROL_STEP_S
from training.posture.course import FALL_S, RISE_S


def activate(
    active: torch.Tensor, excitation: torch.Tensor, substeps: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Activations at the end of a control step, and their means over it, (n, 39) each.

    Args:
        active: at its beginning, (n, 39).
        excitation: during it, 0-1, (n, 39).
        substeps: physics steps of a control step.
    """
    step, mean = CONTROL_STEP_S / substeps, torch.zeros_like(active)
    for _ in range(substeps):
        mean = mean + active / substeps
        slow = 0.5 + 1.5 * active.clamp(0.0, 1.0)
        constant = torch.where(excitation > active, RISE_S * slow, FALL_S / slow)
        active = active + step * (excitation - active) / constant
    return active, mean
