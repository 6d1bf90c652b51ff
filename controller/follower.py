"""Followers: what is told of each tick in a process of its own. Devices, recorder, ports, streams.

A follower reads the board. The loop wakes it, looks at the cell in which it reports, and never
waits for it.
"""

from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Any, Final, Protocol

import msgspec
import numpy as np

from controller.board import TEXT


class FollowerState(IntEnum):
    """What a follower says of itself."""

    STARTING = 0
    READY = 1
    """It answers and does its work."""
    FAULT = 2
    """It does nothing; the reason says why."""
    ENDED = 3


STATUS: Final = np.dtype(
    [
        ("beat_ns", np.int64),  # CLOCK_MONOTONIC of its last sign of life
        ("state", np.int64),  # FollowerState
        ("reason", f"S{TEXT}"),
        ("tick", np.int64),  # the newest tick that it handled
        ("left_ns", np.int64),  # CLOCK_MONOTONIC when its last command left
        ("dropped", np.int64),  # ticks that it never saw
    ]
)


@dataclass(frozen=True, slots=True)
class FollowerHealth:
    """What the loop knows of a follower.

    Attributes:
        beat_ns: CLOCK_MONOTONIC of its last sign of life, 0 before the first.
        reason: in words, "" while all is well.
    """

    state: FollowerState
    beat_ns: int
    reason: str = ""


@dataclass(frozen=True, slots=True)
class FollowerInfo:
    """A follower's handshake.

    Attributes:
        name: the name that it was asked for by, unique in a session.
        required: whether the hand may work only while it answers.
        loses: what of the command it can not carry out, a sentence each; printed at the start.
        woken: whether the loop tells it of each tick at once; else it looks from time to time.
    """

    name: str
    required: bool
    loses: tuple[str, ...] = ()
    woken: bool = True


class FollowerContext(msgspec.Struct, frozen=True, kw_only=True):
    """What a follower is given to know."""

    session: str
    """Name of the session: of its lock, its streams and its files."""
    board: str
    """Path of the board."""
    folder: str
    """Of the session's cells; in memory, private to the user."""
    rate_hz: float
    """Of the loop."""
    about: dict[str, Any]
    """Policy, settings and versions with their hashes, as in the report."""

    def cell(self, name: str) -> Path:
        """Where the cell of this name is."""
        return Path(self.folder) / name


class Follower(Protocol):
    """The loop's side of a follower; nothing here may block but ``close``."""

    @property
    def info(self) -> FollowerInfo:
        """The handshake."""
        ...

    def wake(self) -> None:
        """Tell it that a new tick stands on the board."""
        ...

    def health(self) -> FollowerHealth:
        """How it is, as far as is known now."""
        ...

    def close(self) -> None:
        """Have it stop its device and end; waits a few seconds at most."""
        ...
