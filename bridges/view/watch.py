"""What the page knows of a run: found, followed tick by tick, found again after a restart."""

from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bridges.control.status import troubles_of
from controller import registry, rundir
from controller.board import BoardReader
from controller.errors import MyoloopError
from controller.histogram import Histogram
from controller.ports import Skill

Record = NDArray[np.void]  # a board.RECORD
SHOWN_S: Final = 10.0  # of the signals
MOST: Final = 600  # samples in a plot: a screen shows no more
MOST_CHANNELS: Final = 8  # of the intention in a plot: nobody tells more lines apart
SILENT_S: Final = 1.0  # without a tick: look whether another daemon took over
FIND_S: Final = 0.5  # between two looks for a session
SIGNALS: Final = (
    *("time_s", "engage", "error1_mm", "error2_mm"),
    *("lateness_ms", "took_ms", "age_ms"),
)


@dataclass
class Ledger:
    """Times of all ticks seen, [us] and [ms], and how many were seen."""

    lateness_us: Histogram = field(default_factory=Histogram)
    took_us: Histogram = field(default_factory=Histogram)
    age_ms: Histogram = field(default_factory=Histogram)
    ticks: int = 0

    def add(self, record: Record) -> None:
        """Count a tick that is over."""
        self.ticks += 1
        self.lateness_us.add(float(record["lateness_ns"]) / 1e3)
        self.took_us.add(float(record["took_ns"]) / 1e3)
        if np.isfinite(record["age_s"]):
            self.age_ms.add(float(record["age_s"]) * 1e3)


class Watch:
    """Follows one session, by name or the only one that runs.

    Attributes:
        name: of the session, "" while none is followed.
        skill: that its hand works at, None before the first session.
        newest: its newest tick, kept after its end.
        ledger: of the ticks seen since it was found.
        trouble: why no session is followed, "" while one is.
    """

    def __init__(self, session: str = "") -> None:
        self._wanted = session
        self.name = ""
        self.skill: Skill | None = None
        self.newest: Record | None = None
        self.ledger = Ledger()
        self.trouble = ""
        self._folder: Path | None = None
        self._reader: BoardReader | None = None
        self._inode = self._next = self._find_due_ns = 0
        self._rows: deque[tuple[float, ...]] = deque()

    def look(self, now_ns: int) -> None:
        """Take over what is new.

        Args:
            now_ns: CLOCK_MONOTONIC.
        """
        lost = self._reader is None or self._reader.closed or self.silent_s(now_ns) > SILENT_S
        if lost and now_ns >= self._find_due_ns:
            self._find_due_ns = now_ns + round(FIND_S * 1e9)
            self._find()
        reader = self._reader
        if reader is None:
            return
        last = reader.settled
        for number in range(max(self._next, reader.newest - reader.slots + 2), last + 1):
            record = reader.read(number)
            if record is not None:
                self._take(record)
        self._next = last + 1
        newest = reader.read(reader.newest)
        self.newest = self.newest if newest is None else newest

    @property
    def over(self) -> bool:
        """Whether the loop that was followed has ended."""
        return self._reader is None or self._reader.closed

    def silent_s(self, now_ns: int) -> float:
        """How long ago the newest tick began."""
        return 0.0 if self.newest is None else (now_ns - int(self.newest["time_ns"])) / 1e9

    def rate_hz(self) -> float:
        """Ticks a second of late, NaN before the second."""
        times = self.signals()["time_s"]
        return (len(self._rows) - 1) / (times[-1] - times[0]) if len(times) > 1 else float("nan")

    def troubles(self) -> list[str]:
        """What is wrong beside the loop, in words."""
        return [] if self._folder is None or self.over else troubles_of(self._folder)

    @property
    def channels(self) -> list[str]:
        """Labels of the intention's channels that are kept."""
        return [one.label for one in self.skill.CHANNELS[:MOST_CHANNELS]] if self.skill else []

    def signals(self) -> dict[str, NDArray[np.float64]]:
        """The last seconds, each (n,), the intention's channels as shares of their ranges.

        Time is 0 at the newest tick.
        """
        names = (*SIGNALS, *self.channels)
        rows = np.array(self._rows, np.float64).reshape(-1, len(names))
        if len(rows):
            rows[:, 0] -= rows[-1, 0]
        step = max(1, -(-len(rows) // MOST))
        return dict(zip(names, rows[::-1][::step][::-1].T, strict=True))

    def _find(self) -> None:
        """Open the board that is there now, if it is another one."""
        try:
            folder = rundir.find(self._wanted)
            inode = (folder / "board").stat().st_ino
        except MyoloopError as error:
            self.trouble = str(error)
            return
        except OSError:  # it is only being made
            return
        self.trouble = ""
        if inode == self._inode and self._reader is not None:
            return
        try:
            skill = registry.find("skills", rundir.context(folder).about["skill"], folder.name)
            reader = BoardReader(folder / "board")
        except MyoloopError as error:
            self.trouble = str(error)
            return
        self._reader, self.skill = reader, skill
        self._folder, self.name, self._inode = folder, folder.name, inode
        self._next, self.newest, self.ledger = 0, None, Ledger()
        self._rows.clear()

    def _take(self, record: Record) -> None:
        self.ledger.add(record)
        count = int(record["objects"])
        errors = np.full(2, np.nan)
        errors[:count] = record["error_m"][:count] * 1e3
        times = (record["lateness_ns"] / 1e6, record["took_ns"] / 1e6, record["age_s"] * 1e3)
        now_s = record["time_ns"] / 1e9
        row = (now_s, record["engage"], *errors, *times, *self._shares(record))
        self._rows.append(tuple(float(value) for value in row))
        while now_s - self._rows[0][0] > SHOWN_S:
            self._rows.popleft()

    def _shares(self, record: Record) -> list[float]:
        """The intention's channels, each as a share of the end of its range."""
        channels = self.skill.CHANNELS[:MOST_CHANNELS] if self.skill else ()
        ends = [max(abs(one.low), abs(one.high)) for one in channels]
        return [float(value) / end for value, end in zip(record["intention"], ends, strict=False)]
