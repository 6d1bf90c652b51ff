"""What every skill is made of: channels of intention and terms of observation."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from controller.errors import ContractError
from controller.messages import Array, Feedback


@dataclass(frozen=True, slots=True)
class Channel:
    """One intention channel: its label and its range, in normalised units."""

    label: str
    low: float
    high: float
    meaning: str


@dataclass(frozen=True, slots=True)
class Term:
    """One named part of an observation: its size and how to compute it, (..., size)."""

    size: int
    compute: Callable[[Feedback, Any], Array]


class Observation:
    """Selected terms, written side by side into one preallocated array."""

    def __init__(self, skill: str, known: Mapping[str, Term], names: Sequence[str]) -> None:
        unknown = [name for name in names if name not in known]
        if unknown:
            raise ContractError(
                f"observation term {unknown[0]!r} is unknown to the skill {skill!r}; "
                f"it knows: {', '.join(known)}"
            )
        self.names = tuple(names)
        self.sizes = tuple(known[name].size for name in names)
        self.size = sum(self.sizes)
        ends = np.cumsum(self.sizes)
        self._parts = [
            (slice(int(end) - known[name].size, int(end)), known[name].compute)
            for name, end in zip(names, ends, strict=True)
        ]

    def observe(self, feedback: Feedback, goal: Any, out: NDArray[np.float32]) -> None:
        """Write the observation into ``out``, (..., size)."""
        for part, compute in self._parts:
            out[..., part] = compute(feedback, goal)
