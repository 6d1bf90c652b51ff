"""The plant ``hazard-hand``: the MuJoCo hand, which breaks when a file tells it how.

For ``myoloop hazards`` only: freezes, loses its numbers, or stalls the loop.
"""

import time
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np

from bridges.mujoco_hand import MujocoHand
from controller.messages import Excitation, Feedback
from controller.settings import convert

STALL_S: Final = 0.5


class HazardOptions(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Where to look."""

    fault: str
    """A file that holds ``freeze``, ``nan``, ``stall`` or ``raise``; without it all is well."""


def create(options: dict[str, Any], rate_hz: float, origin: str) -> "HazardHand":
    """Make the plant.

    Raises:
        SettingsError: no file is named.
    """
    return HazardHand(rate_hz, Path(convert(options, HazardOptions, origin).fault))


class HazardHand(MujocoHand):
    """A hand with faults by name."""

    def __init__(self, rate_hz: float, fault: Path) -> None:
        self._path = fault
        self._frozen: tuple[float, Feedback] | None = None
        self._stalled = False
        super().__init__(rate_hz)

    def _fault(self) -> str:
        try:
            return self._path.read_text()
        except FileNotFoundError:
            self._frozen, self._stalled = None, False
            return ""

    def read(self) -> Feedback:
        """The feedback, or what the fault makes of it."""
        fault = self._fault()
        feedback = super().read()
        if fault == "nan":
            return replace(feedback, joint_pos=np.full_like(feedback.joint_pos, np.nan))
        if fault == "freeze":
            now_s = time.monotonic()
            self._frozen = self._frozen or (now_s, feedback)
            since_s, kept = self._frozen
            return replace(kept, age_s=now_s - since_s)
        return feedback

    def write(self, excitation: Excitation) -> Excitation:
        """A step, or what the fault makes of it."""
        fault = self._fault()
        if fault == "raise":
            raise RuntimeError("the hand's process died")
        if fault == "stall" and not self._stalled:
            self._stalled = True
            time.sleep(STALL_S)
        return super().write(excitation)
