"""The board: what the loop did, tick by tick, in a mapped file that others may read.

One writer (the loop), any number of readers. Each slot carries the number of the
tick it holds; a reader that was overrun sees another number and skips. The loop
only ever copies into preallocated memory: a reader that stalls, dies or comes in
tens can not delay it.
"""

import mmap
import os
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from controller.errors import HostError
from controller.names import JOINTS, MUSCLES

LAYOUT_VERSION: Final = 1
MAGIC: Final = 0x4D594F4C  # "MYOL"
MAX_CHANNELS: Final = 48  # passthrough of 39 excitations fits
MAX_OBJECTS: Final = 2

HEADER: Final = np.dtype(
    [
        ("magic", np.uint32),
        ("layout", np.uint32),
        ("owner_pid", np.int64),
        ("slots", np.int64),
        ("newest", np.int64),  # number of the newest whole record, -1 before the first
        ("closed", np.int64),  # 1 once the loop has ended
    ]
)

RECORD: Final = np.dtype(
    [
        ("number", np.int64),  # tick number, -1 while being written
        ("time_ns", np.int64),  # CLOCK_MONOTONIC when the tick began
        ("lateness_ns", np.int64),
        ("took_ns", np.int64),
        ("missed", np.int64),  # deadlines missed since the start
        ("state", np.int64),  # gate.State
        ("reasons", np.int64),  # bit set of gate.Reason
        ("channels", np.int64),
        ("intention", np.float64, (MAX_CHANNELS,)),
        ("engage", np.float64),
        ("age_s", np.float64),
        ("excitation", np.float32, (len(MUSCLES),)),
        ("wished", np.float32, (len(MUSCLES),)),
        ("activation", np.float32, (len(MUSCLES),)),
        ("joint_pos", np.float64, (len(JOINTS),)),
        ("objects", np.int64),
        ("object_pos", np.float64, (MAX_OBJECTS, 3)),
        ("target_pos", np.float64, (MAX_OBJECTS, 3)),
        ("error_m", np.float64, (MAX_OBJECTS,)),
        ("solved", np.int64),
    ]
)


class BoardWriter:
    """The loop's end: fill ``record`` in place, then ``publish``."""

    def __init__(self, path: Path, slots: int = 4096) -> None:
        self.path = path
        size = HEADER.itemsize + slots * RECORD.itemsize
        unfinished = path.with_name(path.name + ".new")  # no reader ever sees half a header
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with unfinished.open("w+b") as file:
                os.posix_fallocate(file.fileno(), 0, size)  # never a bus error on a full disk
                self._map = mmap.mmap(file.fileno(), size)
        except OSError as error:
            raise HostError(f"board {path}: can't be written: {error.strerror}") from None
        self._header = np.frombuffer(self._map, HEADER, count=1)
        self._slots = np.frombuffer(self._map, RECORD, count=slots, offset=HEADER.itemsize)
        self._numbers = self._slots["number"]
        self._numbers[:] = -1
        self._header[0] = (MAGIC, LAYOUT_VERSION, os.getpid(), slots, -1, 0)
        self.record = np.zeros((), RECORD)
        try:
            unfinished.replace(path)
        except OSError as error:
            raise HostError(f"board {path}: can't be written: {error.strerror}") from None

    def publish(self, number: int) -> None:
        """Make ``record`` visible as tick ``number``."""
        slot = number % len(self._slots)
        self._numbers[slot] = -1
        self.record["number"] = -1
        self._slots[slot] = self.record
        self._numbers[slot] = number
        self._header["newest"] = number

    def close(self) -> None:
        """Tell the readers that no more will come."""
        self._header["closed"] = 1


class BoardReader:
    """Anybody's end."""

    def __init__(self, path: Path) -> None:
        try:
            with path.open("rb") as file:
                self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except (OSError, ValueError) as error:
            raise HostError(f"{path}: can't read the board: {error}") from None
        if len(self._map) < HEADER.itemsize:
            raise HostError(f"{path}: not a myoloop board")
        self._header = np.frombuffer(self._map, HEADER, count=1)[0]
        if self._header["magic"] != MAGIC or self._header["layout"] != LAYOUT_VERSION:
            raise HostError(f"{path}: not a myoloop board of layout {LAYOUT_VERSION}")
        count = int(self._header["slots"])
        if count < 1 or len(self._map) < HEADER.itemsize + count * RECORD.itemsize:
            raise HostError(f"{path}: a truncated board: {len(self._map)} bytes for {count} ticks")
        self._slots = np.frombuffer(self._map, RECORD, count=count, offset=HEADER.itemsize)

    @property
    def newest(self) -> int:
        """Number of the newest tick, -1 before the first."""
        return int(self._header["newest"])

    @property
    def closed(self) -> bool:
        """Whether the loop has ended."""
        return bool(self._header["closed"])

    def read(self, number: int) -> NDArray[np.void] | None:
        """A copy of tick ``number``, or None when it is gone or not yet there."""
        slot = self._slots[number % len(self._slots)]
        copy = slot.copy()
        whole = copy["number"] == number == slot["number"]
        return copy if whole and number >= 0 else None
