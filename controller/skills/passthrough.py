"""Skills without a policy: the intention is the command itself, behind the same supervisor.

``passthrough-muscles`` takes 39 excitations. ``passthrough-joints`` takes 23 joint angles: the
muscles stay at rest, and the plant's joints go there, at a limited speed, so that whatever
follows the twin's joints follows. What comes in is judged, held, limited and relaxed like any
other intention.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from controller.messages import Array, Excitation, Feedback, Goal
from controller.names import JOINT_RANGE_RAD, JOINTS, MUSCLES
from controller.policy import CONTRACT_VERSION, Contract
from controller.skills.skill import Channel, Observation, Term

SPEED_RAD_S: Final = 8.07  # of a joint: the fastest hand that follows (Ability Hand ICD)


@dataclass(frozen=True, slots=True)
class PassthroughGoal(Goal):
    """What is passed through.

    Attributes:
        excitation: 0-1, (39,).
        joint_pos: [rad], (23,).
    """

    excitation: Array
    joint_pos: Array


TERMS: Final[Mapping[str, Term]] = {"excitation": Term(len(MUSCLES), lambda f, g: g.excitation)}


class PassOn:
    """Stands where a policy does and adds nothing: the goal's excitations are the wish."""

    path = Path()
    sha256 = ""

    def __init__(self, skill: str, rate_hz: float) -> None:
        self.contract = Contract(
            contract_version=CONTRACT_VERSION,
            skill=skill,
            terms=[(name, term.size) for name, term in TERMS.items()],
            muscles=list(MUSCLES),
            rate_hz=rate_hz,
            versions={},
        )

    @property
    def terms(self) -> tuple[str, ...]:
        """The excitations of the goal."""
        return tuple(TERMS)

    def state_crc(self) -> int:
        """It remembers nothing."""
        return 0

    def reset(self) -> None:
        """It remembers nothing."""

    def infer(self, observation: NDArray[np.float32]) -> Excitation:
        """What was observed, (39,)."""
        return observation


class Passthrough:
    """Excitations as they come; also the part that every passthrough shares.

    Args:
        name: of the skill.
        channels: of its intention.
    """

    OBJECTS = 0
    SUCCESS = ""  # it has no task

    def __init__(self, name: str, channels: tuple[Channel, ...]) -> None:
        self.NAME, self.CHANNELS = name, channels

    def said(self, values: Array) -> str:
        """The channel that is furthest from 0."""
        index = int(np.nanargmax(np.abs(values))) if np.isfinite(values).any() else 0
        return f"{self.CHANNELS[index].label} {values[index]:+.2f}, the largest of {len(values)}"

    def begin(self, feedback: Feedback) -> PassthroughGoal:
        """Muscles at rest, joints where they are."""
        return PassthroughGoal(np.zeros(len(MUSCLES)), feedback.joint_pos.copy())

    def still(self, values: Array) -> Array:
        """No news: NaN, which never comes from outside, leaves the goal as it is."""
        return np.full_like(values, np.nan)

    def advance(self, goal: PassthroughGoal, intention: Array, dt_s: float) -> PassthroughGoal:
        """Take over the intention, (channels,)."""
        if np.isnan(intention).any():
            return goal
        return self._take(goal, intention, dt_s)

    def _take(self, goal: PassthroughGoal, intention: Array, dt_s: float) -> PassthroughGoal:
        return replace(goal, excitation=intention.copy())

    def observation(self, terms: tuple[str, ...]) -> Observation:
        """The observation made of these terms."""
        return Observation(self.NAME, TERMS, terms)

    def markers(self, feedback: Feedback, goal: PassthroughGoal) -> Array:
        """It wants no object anywhere else, (n, 3)."""
        return feedback.object_pos

    def errors_m(self, feedback: Feedback, goal: PassthroughGoal) -> Array:
        """None, (n,)."""
        return np.zeros(len(feedback.object_pos))

    def solved(self, feedback: Feedback, goal: PassthroughGoal) -> bool:
        """There is no task."""
        return False

    def dropped(self, feedback: Feedback) -> bool:
        """There is no task."""
        return False


class PosturePassthrough(Passthrough):
    """Joint angles instead of excitations: the plant is posed, its muscles stay at rest.

    Args:
        name: of the skill.
        channels: of its intention.
        joints_of: the 23 joint angles [rad] that an intention, (channels,), asks for.
    """

    def __init__(
        self, name: str, channels: tuple[Channel, ...], joints_of: Callable[[Array], Array]
    ) -> None:
        super().__init__(name, channels)
        self._joints_of = joints_of

    def _take(self, goal: PassthroughGoal, intention: Array, dt_s: float) -> PassthroughGoal:
        most = SPEED_RAD_S * dt_s
        step = np.clip(self._joints_of(intention) - goal.joint_pos, -most, most)
        return replace(goal, joint_pos=goal.joint_pos + step)

    def posture(self, goal: PassthroughGoal) -> Array:
        """Where the plant's joints are to be [rad], (23,)."""
        return goal.joint_pos


muscles: Final = Passthrough(
    "passthrough-muscles", tuple(Channel(name, 0.0, 1.0, "excitation") for name in MUSCLES)
)
joints: Final = PosturePassthrough(
    "passthrough-joints",
    tuple(Channel(name, *JOINT_RANGE_RAD[name], "angle [rad]") for name in JOINTS),
    np.copy,
)
