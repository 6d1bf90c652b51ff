"""What goes wrong on a line, by name: the bytes that a device sends, dropped, late or wrong."""

import random
import re
from dataclasses import dataclass, field
from typing import Final

from controller.errors import SettingsError

SHARES: Final = ("drop", "corrupt", "duplicate", "reorder", "truncate", "wrong")
"""Name=share of the replies."""
TIMES: Final = ("delay", "unplug")
"""Name=milliseconds: each reply so late; unplugged so long after its start, for 2 s."""
PLAIN: Final = ("stuck", "slow", "mute")
"""A motor that does not move; a tenth of the speed; no word any more."""
ELECTRODE: Final = "electrode"
"""electrode=OUTPUT: of a stimulator, fallen off."""
UNPLUGGED_S: Final = 2.0


@dataclass
class Faults:
    """A parsed ``--fault``.

    Attributes:
        share: of the replies, by name.
        ms: by name.
        plain: those that are either there or not.
        electrode: output that has lost its electrode, 0 for none.
    """

    share: dict[str, float] = field(default_factory=dict)
    ms: dict[str, float] = field(default_factory=dict)
    plain: set[str] = field(default_factory=set)
    electrode: int = 0

    def __post_init__(self) -> None:
        self._random = random.Random(0)
        self._held: list[bytes] = []

    @classmethod
    def parse(cls, text: str) -> "Faults":
        """Read ``drop=0.1,delay=20,stuck``.

        Raises:
            SettingsError: names the fault and what is allowed.
        """
        found = cls()
        for one in filter(None, text.split(",")):
            name, _, value = one.partition("=")
            number = float(value) if re.fullmatch(r"\d+(\.\d+)?", value) else None
            if name in SHARES and number is not None and number <= 1.0:
                found.share[name] = number
            elif name in TIMES and number is not None:
                found.ms[name] = number
            elif name in PLAIN and not value:
                found.plain.add(name)
            elif name == ELECTRODE and re.fullmatch("[1-8]", value):
                found.electrode = int(value)
            else:
                allowed = [f"{n}=SHARE" for n in SHARES] + [f"{n}=MS" for n in TIMES]
                allowed += [*PLAIN, f"{ELECTRODE}=1-8"]
                raise SettingsError(f"--fault {one!r}; allowed: {', '.join(allowed)}")
        return found

    def unplugged(self, age_s: float) -> bool:
        """Whether the cable is out, so long after the start."""
        at_s = self.ms.get("unplug", float("inf")) / 1e3
        return at_s <= age_s < at_s + UNPLUGGED_S

    def _hits(self, name: str) -> bool:
        return self._random.random() < self.share.get(name, 0.0)

    def spoil(self, frame: bytes) -> list[bytes]:
        """What becomes of a reply on its way."""
        if "mute" in self.plain or self._hits("drop"):
            return []
        if self._hits("corrupt"):
            at = self._random.randrange(len(frame))
            frame = (
                frame[:at] + bytes([frame[at] ^ 1 << self._random.randrange(8)]) + frame[at + 1 :]
            )
        if self._hits("truncate"):
            frame = frame[: self._random.randrange(len(frame))]
        if self._hits("wrong"):
            frame = bytes(self._random.randrange(256) for _ in frame)
        if self._hits("reorder") and not self._held:
            self._held = [frame]
            return []
        frames = (
            [frame, *self._held] if not self._hits("duplicate") else [frame, frame, *self._held]
        )
        self._held = []
        return frames
