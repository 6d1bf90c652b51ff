"""What the one driver asks of a device's own rules. No port and no clock in here."""

from collections.abc import Mapping
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from bridges.feed import Command


class Dialogue(Protocol):
    """Talks with one device: bytes in, bytes out.

    Attributes:
        heard_s: when it last said something whole [s].
        channels: what its reports hold, a label and a unit each.
        delays_s: what is known beforehand of the time from a command to its effect, by cause [s].
        reports: reports that came since they were last taken away, (channels,) each.
    """

    heard_s: float
    channels: tuple[tuple[str, str], ...]
    delays_s: Mapping[str, float]
    reports: list[NDArray[np.float32]]

    @property
    def identified(self) -> bool:
        """Whether the device has answered as what it should be."""
        ...

    @property
    def trouble(self) -> str:
        """Why it must not be driven, "" while all is well."""
        ...

    @property
    def stopped(self) -> bool:
        """Whether the newest stop was confirmed."""
        ...

    def greet(self) -> bytes:
        """Ask who it is; forgets what was known."""
        ...

    def hear(self, data: bytes, now_s: float) -> None:
        """Take in what it sent."""
        ...

    def ask(self) -> bytes:
        """Ask for a sign of life that moves nothing; b"" when it gives one by itself."""
        ...

    def move(self, command: Command, now_s: float) -> bytes:
        """Carry out a command that is live."""
        ...

    def stop(self, emergency: bool) -> bytes:
        """Its own stop."""
        ...
