"""The numbers of the reflex (training/posture/reflex.py) as data, and as one vector to search."""

from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
import numpy as np
import yaml
from msgspec import Meta

from controller.messages import Array
from controller.names import JOINTS
from controller.settings import load
from training.curriculum import Positive, Settings

FILE: Final = Path(__file__).with_name("reflex.yaml")
DIGITS: Final = ("thumb", "index", "middle", "ring", "little")
FIRST: Final = (3, 7, 11, 15, 19)  # of each digit's four joints in names.JOINTS
OFF_DIAGONAL: Final = ~np.eye(4, dtype=bool)

Three = tuple[float, float, float]
Four = tuple[float, float, float, float]
Matrix = tuple[Four, Four, Four, Four]


class Digit(Settings, frozen=True, kw_only=True):
    """Of a thumb or a finger; joints from its base: its first two, the middle one, the tip."""

    gain: Positive
    """Wanted velocity for each radian of error [1/s]."""
    weight: Four
    """Of each joint's error in the least squares."""
    away: Four
    """What a weight is multiplied by, while the other end of the digit (of the first two joints
    the last two, and the other way round) is ``far_rad`` away or more; in between by a power."""
    far_rad: Positive
    detour: Matrix
    """How much each joint (row) aims beyond its target for each radian that another (column)
    is away: the muscles cross several joints, and not every way to a posture is open."""


class Law(Settings, frozen=True, kw_only=True):
    """The whole reflex."""

    wrist_gain: Positive
    """As a digit's [1/s]."""
    wrist_weight: Three
    """Of pronation, deviation and flexion."""
    effort: Positive
    """Weight of activation squared against position error squared [rad^2]."""
    lead: float
    """By what share of its change an excitation overshoots: muscles take 10-40 ms to follow."""
    at_limit: Annotated[float, Meta(gt=0.0, le=1.0)]
    """Weight of a joint that rests against its limit, where it is wanted."""
    thumb: Digit
    index: Digit
    middle: Digit
    ring: Digit
    little: Digit

    def digits(self) -> list[Digit]:
        """All five."""
        return [getattr(self, name) for name in DIGITS]

    def vector(self) -> Array:
        """All numbers in a row; of those that are above 0 the logarithms."""
        positive = [self.wrist_gain, *self.wrist_weight, self.effort, self.at_limit]
        for digit in self.digits():
            positive += [digit.gain, *digit.weight, *digit.away, digit.far_rad]
        detours = [np.array(digit.detour)[OFF_DIAGONAL] for digit in self.digits()]
        return np.concatenate([np.log(positive), [self.lead], *detours])

    @classmethod
    def of(cls, vector: Array) -> "Law":
        """The law of a row of numbers."""
        logarithms = 6 + 10 * len(DIGITS)
        plain = [*np.exp(vector[:logarithms]), *vector[logarithms:]]
        numbers = iter([float(f"{value:.5g}") for value in plain])

        def take(count: int) -> list[float]:
            return [next(numbers) for _ in range(count)]

        parts: dict[str, Any] = {
            "wrist_gain": take(1)[0],
            "wrist_weight": take(3),
            "effort": take(1)[0],
            "at_limit": min(1.0, take(1)[0]),
        }
        digits: dict[str, Any] = {
            name: {"gain": take(1)[0], "weight": take(4), "away": take(4), "far_rad": take(1)[0]}
            for name in DIGITS
        }
        parts["lead"] = take(1)[0]
        for digit in digits.values():
            detour = np.zeros((4, 4))
            detour[OFF_DIAGONAL] = take(12)
            digit["detour"] = detour.tolist()
        return msgspec.convert({**parts, **digits}, cls)

    def save(self, path: Path) -> None:
        """Write the file."""
        numbers = yaml.safe_dump(
            msgspec.to_builtins(self), default_flow_style=None, sort_keys=False
        )
        path.write_text(HEADER + numbers, encoding="utf-8")

    def by_joint(self) -> tuple[Array, Array, Array, Array]:
        """Gains [1/s], weights and their factors while away (23,), detours (23, 23)."""
        gain = np.full(len(JOINTS), self.wrist_gain)
        weight, away = np.ones(len(JOINTS)), np.ones(len(JOINTS))
        detour = np.zeros((len(JOINTS), len(JOINTS)))
        weight[:3] = self.wrist_weight
        for first, digit in zip(FIRST, self.digits(), strict=True):
            own = list(range(first, first + 4))
            gain[own], weight[own], away[own] = digit.gain, digit.weight, digit.away
            detour[np.ix_(own, own)] = digit.detour
        return gain, weight, away, detour


HEADER: Final = """# The reflex's numbers; training/posture/law.py says what they are. Found by
# python -m training.posture.search, which writes this file.
"""


def load_law(path: Path = FILE) -> Law:
    """Read the file.

    Raises:
        SettingsError: it is not there, or says what can't be.
    """
    return load(path, Law)
