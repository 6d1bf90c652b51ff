"""What the loop asks of the things outside; adapters in ``bridges`` answer.

Nothing here may block: each call returns at once with what is known now.
"""

from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from controller.messages import Array, Excitation, Feedback, Intention
from controller.skills.skill import Channel, Observation


class IntentionSource(Protocol):
    """Where the person's intention comes from."""

    def read(self, now_s: float) -> Intention:
        """The newest intention and its age at ``now_s`` (CLOCK_MONOTONIC) [s]."""
        ...

    def close(self) -> None:
        """Let the stream go."""
        ...


@dataclass(frozen=True, slots=True)
class PlantInfo:
    """A plant's handshake: what it is, in its own words.

    Attributes:
        kind: the name it was asked for by.
        muscles: names in command order.
        joints: names in feedback order.
        rate_hz: commands a second that it integrates.
        versions: of what it is made of.
    """

    kind: str
    muscles: tuple[str, ...]
    joints: tuple[str, ...]
    rate_hz: float
    versions: dict[str, str]


class Plant(Protocol):
    """A hand that closes the loop: read and written each tick."""

    @property
    def info(self) -> PlantInfo:
        """The handshake."""
        ...

    def reset(self) -> None:
        """Put the task back to its start and pause there until the next write."""
        ...

    def read(self) -> Feedback:
        """The newest feedback, derived quantities refreshed; a write leaves it as it is."""
        ...

    def write(self, excitation: Excitation) -> Excitation:
        """Apply excitations, (39,), for one tick; what was really applied."""
        ...

    def close(self) -> None:
        """Let the hand go."""
        ...


@runtime_checkable
class Rejecting(Protocol):
    """A source or plant that does not take every message that comes."""

    @property
    def rejected(self) -> dict[str, int]:
        """Messages that were not acted on, by reason."""
        ...


class Skill(Protocol):
    """One file: channels, goal, observation, success."""

    NAME: str
    CHANNELS: tuple[Channel, ...]
    OBJECTS: int
    SUCCESS: str
    """What ``solved`` means, in words; "" of a skill without a task."""

    def said(self, values: Array) -> str:
        """What an intention asks for, (channels,), in a few words."""
        ...

    def begin(self, feedback: Feedback) -> Any:
        """The goal that asks for nothing but what is already there."""
        ...

    def still(self, values: Array) -> Array:
        """The intention that stops the goal's motion, (channels,)."""
        ...

    def advance(self, goal: Any, intention: Array, dt_s: float) -> Any:
        """The goal one control step later."""
        ...

    def observation(self, terms: tuple[str, ...]) -> Observation:
        """The observation made of these terms."""
        ...

    def markers(self, feedback: Feedback, goal: Any) -> Array:
        """Where the goal wants the objects, in the world [m], (n, 3)."""
        ...

    def errors_m(self, feedback: Feedback, goal: Any) -> Array:
        """How far each object is from where it should be [m], (n,)."""
        ...

    def solved(self, feedback: Feedback, goal: Any) -> Any:
        """The task's own success of this step."""
        ...

    def dropped(self, feedback: Feedback) -> Any:
        """Whether an object fell."""
        ...


@runtime_checkable
class Posing(Protocol):
    """A skill that asks for joint angles instead of excitations."""

    def posture(self, goal: Any) -> Array:
        """Where the plant's joints are to be [rad], (23,)."""
        ...


@runtime_checkable
class Posable(Protocol):
    """A plant whose joints go where they are told."""

    def pose(self, joint_pos: Array) -> None:
        """Where the joints are to be after the next write [rad], (23,)."""
        ...


class Policy(Protocol):
    """From observation to wished excitation."""

    @property
    def terms(self) -> tuple[str, ...]:
        """Names of the observation terms, in order."""
        ...

    @property
    def sha256(self) -> str:
        """Of the file that it was loaded from, "" for one that has none."""
        ...

    def state_crc(self) -> int:
        """CRC-32 of the recurrent state, 0 for a policy without one."""
        ...

    def reset(self) -> None:
        """Forget: zero the recurrent state."""
        ...

    def infer(self, observation: NDArray[np.float32]) -> Excitation:
        """Wished excitations, (39,); valid until the next call."""
        ...
