"""Colours shared by the pictures and the terminal, so that both say the same thing."""

import math
from typing import Final

from controller.supervisor.states import State

STATES: Final = {
    State.DISARMED: "#8b95a1",
    State.ARMING: "#2f80ed",
    State.ACTIVE: "#1fa463",
    State.HOLD: "#e09b1a",
    State.RELAXING: "#e0602f",
    State.FAULT: "#d4081a",
}
BALLS: Final = ("#f0a81f", "#3478d2")  # ball 1, ball 2, and their targets
GOOD: Final = "#1fa463"
BAD: Final = "#e0602f"
DRIVE: Final = "#2f80ed"
MUSCLE_REST: Final = "#dfc9bf"
MUSCLE_FULL: Final = "#d4081a"


def tone(activation: float) -> float:
    """How strongly an activation of 0-1 shows, 0-1: a skilled hand works with a few percent.

    The cube root makes 1 % visible and leaves room up to 100 %.
    """
    return math.cbrt(min(max(0.0, activation), 1.0))  # NaN shows as 0


def rgb(colour: str) -> tuple[float, float, float]:
    """Red, green and blue of ``#rrggbb``, each 0-1."""
    red, green, blue = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    return red, green, blue
