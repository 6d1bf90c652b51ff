"""What goes wrong between a device and whoever listens, by name."""

import random
import re
from collections import deque
from dataclasses import dataclass, field
from typing import Final

from controller.errors import SettingsError

SHARES: Final = ("drop", "corrupt", "duplicate", "reorder", "truncate", "wrong")
"""Name=share of the replies."""
TIMES: Final = ("delay", "unplug")
"""Name=milliseconds: each reply so late; unplugged so long after its start, for 2 s."""
MUTE: Final = "mute"
"""No word any more."""
STUCK, SLOW = "stuck", "slow"
"""Of what moves: it does not; at a tenth of its speed."""
ELECTRODE: Final = "electrode"
"""electrode=OUTPUT: of a stimulator, fallen off."""
UNPLUGGED_S: Final = 2.0
OVERTAKEN_S: Final = 0.05  # a reply that is to be overtaken comes so late when none follows it


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

    @classmethod
    def parse(cls, text: str, own: tuple[str, ...] = ()) -> "Faults":
        """Read ``drop=0.1,delay=20,mute``.

        Args:
            text: faults, joined by commas.
            own: of ``stuck``, ``slow`` and ``electrode`` those that this device can have.

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
            elif name == ELECTRODE and name in own and re.fullmatch("[1-8]", value):
                found.electrode = int(value)
            elif name in (MUTE, *own) and name != ELECTRODE and not value:
                found.plain.add(name)
            else:
                allowed = [f"{n}=SHARE" for n in SHARES] + [f"{n}=MS" for n in TIMES]
                allowed += [MUTE, *(f"{n}=1-8" if n == ELECTRODE else n for n in own)]
                raise SettingsError(f"--fault {one!r}; allowed: {', '.join(allowed)}")
        return found

    def unplugged(self, age_s: float) -> bool:
        """Whether the cable is out, so long after the start."""
        at_s = self.ms.get("unplug", float("inf")) / 1e3
        return at_s <= age_s < at_s + UNPLUGGED_S


class Way:
    """What a device says on its way to whoever listens: late, spoilt, overtaken or lost.

    The same faults come at the same replies in each run.
    """

    def __init__(self, faults: Faults) -> None:
        self._faults, self._random = faults, random.Random(0)
        self._late_s = faults.ms.get("delay", 0.0) / 1e3
        self._out = deque[tuple[float, bytes]]()
        self._overtaken: tuple[float, bytes] | None = None

    def send(self, frame: bytes, now_s: float) -> None:
        """A reply sets out."""
        if MUTE in self._faults.plain or self._hits("drop"):
            return
        frame = self._spoilt(frame)
        if self._hits("reorder") and self._overtaken is None:
            self._overtaken = (now_s + OVERTAKEN_S, frame)
            return
        for _ in range(2 if self._hits("duplicate") else 1):
            self._out.append((now_s + self._late_s, frame))
        self._let_go(now_s)

    def arrived(self, now_s: float) -> list[bytes]:
        """What arrives now, in its order."""
        if self._overtaken is not None and self._overtaken[0] <= now_s:
            self._let_go(now_s)
        found = []
        while self._out and self._out[0][0] <= now_s:
            found.append(self._out.popleft()[1])
        return found

    def _let_go(self, now_s: float) -> None:
        if self._overtaken is not None:
            self._out.append((now_s + self._late_s, self._overtaken[1]))
            self._overtaken = None

    def _spoilt(self, frame: bytes) -> bytes:
        if self._hits("corrupt"):
            at, bit = self._random.randrange(len(frame)), self._random.randrange(8)
            frame = frame[:at] + bytes([frame[at] ^ 1 << bit]) + frame[at + 1 :]
        if self._hits("truncate"):
            frame = frame[: self._random.randrange(len(frame))]
        if self._hits("wrong"):
            frame = bytes(self._random.randrange(256) for _ in frame)
        return frame

    def _hits(self, name: str) -> bool:
        return self._random.random() < self._faults.share.get(name, 0.0)
