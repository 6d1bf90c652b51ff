"""The board: what the loop did, tick by tick, in a mapped file that others may read.

One writer (the loop), any number of readers: drivers, recorder, page, control port. Each slot
carries the number of the tick it holds; a reader that was overrun sees another number and
skips. The loop only ever copies into preallocated memory: a reader that stalls, dies or comes
in tens can not delay it.

A tick is published in two steps. First, before the plant is written, everything that a driver
needs (``newest``); then, at its end, what is known only then (``settled``: what the plant took,
how well the task goes, how long it all took). Until then these fields hold the last tick's.
"""

import os
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from controller.errors import HostError
from controller.mapped import layout_of, open_mapped, prepare, unveil
from controller.names import JOINTS, MUSCLES

MAGIC: Final = 0x4D594F4C  # "MYOL"
MAX_CHANNELS: Final = 48  # passthrough of 39 excitations fits
MAX_OBJECTS: Final = 2
MAX_GOAL: Final = 64
MAX_OBSERVATION: Final = 256
TEXT: Final = 160  # bytes of a reason in words
SLOTS: Final = 4096  # 100 s at 40 Hz

HEADER: Final = np.dtype(
    [
        ("magic", np.uint32),
        ("layout", np.uint32),
        ("owner_pid", np.int64),
        ("slots", np.int64),
        ("newest", np.int64),  # number of the newest published tick, -1 before the first
        ("settled", np.int64),  # number of the newest tick that is over
        ("closed", np.int64),  # 1 once the loop has ended
    ]
)

RECORD: Final = np.dtype(
    [
        ("number", np.int64),  # tick number, -1 while being written
        ("time_ns", np.int64),  # CLOCK_MONOTONIC when the tick began
        ("lateness_ns", np.int64),
        ("missed", np.int64),  # deadlines missed since the start
        # the supervisor
        ("state", np.int64),  # states.State
        ("reasons", np.int64),  # bit set of states.Reason: why the command is not the wish
        ("violations", np.int64),  # bit set of states.Reason: what inputs and machine broke now
        ("missing", np.int64),  # bit set of states.Missing: what the last arming lacked
        ("arming", np.int64),  # number of armings so far; a driver that let go waits for the next
        ("ttl_ns", np.int64),  # a command older than this may not be applied
        ("taken", np.int64, (5,)),  # orders taken so far, see orders.ORDERS
        ("note", f"S{TEXT}"),  # the newest trouble, in words
        # intention
        ("channels", np.int64),
        ("intention", np.float64, (MAX_CHANNELS,)),
        ("engage", np.float64),
        ("age_s", np.float64),
        ("raw_stamp_s", np.float64),  # of the sender's clock
        ("correction_s", np.float64),  # added to it gives the local LSL clock
        ("fresh", np.int64),
        ("fault", f"S{TEXT}"),
        # policy
        ("goals", np.int64),
        ("goal", np.float64, (MAX_GOAL,)),  # of the skill, its fields one after the other
        ("observations", np.int64),
        ("observation", np.float32, (MAX_OBSERVATION,)),
        ("policy_state", np.uint32),  # CRC-32 of the recurrent state
        ("policy", np.int64),  # number of the policy: 1 more after each swap
        ("policy_sha256", "S64"),
        # commands
        ("wished", np.float32, (len(MUSCLES),)),
        ("excitation", np.float32, (len(MUSCLES),)),  # allowed
        ("sent", np.float32, (len(MUSCLES),)),  # what the plant took; settled
        # feedback
        ("plant_time_s", np.float64),
        ("feedback_age_s", np.float64),
        ("joint_pos", np.float64, (len(JOINTS),)),
        ("joint_vel", np.float64, (len(JOINTS),)),
        ("activation", np.float64, (len(MUSCLES),)),
        ("palm_pos", np.float64, (3,)),
        ("palm_rot", np.float64, (3, 3)),
        ("objects", np.int64),
        ("object_pos", np.float64, (MAX_OBJECTS, 3)),
        ("object_vel", np.float64, (MAX_OBJECTS, 3)),
        # task; settled
        ("target_pos", np.float64, (MAX_OBJECTS, 3)),
        ("error_m", np.float64, (MAX_OBJECTS,)),
        ("solved", np.int64),
        ("dropped", np.int64),
        ("judged", np.int64),
        # time by part
        ("read_ns", np.int64),
        ("think_ns", np.int64),  # goal, observation, inference
        ("gate_ns", np.int64),
        ("plant_ns", np.int64),  # settled
        ("took_ns", np.int64),  # the whole tick; settled
        ("left_ns", np.int64),  # from its beginning until the command was published; settled
    ]
)

SETTLED: Final = (
    *("sent", "target_pos", "error_m", "solved", "dropped", "judged"),
    *("plant_ns", "took_ns", "left_ns"),
)
"""What is known only at a tick's end."""


class BoardWriter:
    """The loop's end: fill ``record`` in place, then ``publish``; at the tick's end ``settle``."""

    def __init__(self, path: Path, slots: int = SLOTS) -> None:
        self.path = path
        size = HEADER.itemsize + slots * RECORD.itemsize
        self._map, unfinished = prepare(path, size, "board")
        self._header = np.frombuffer(self._map, HEADER, count=1)
        self._slots = np.frombuffer(self._map, RECORD, count=slots, offset=HEADER.itemsize)
        self._numbers = self._slots["number"]
        self._numbers[:] = -1
        self._header[0] = (MAGIC, layout_of(HEADER, RECORD), os.getpid(), slots, -1, -1, 0)
        self.record = np.zeros((), RECORD)
        unveil(unfinished, path, "board")

    def publish(self, number: int) -> None:
        """Make ``record`` visible as tick ``number``."""
        slot = number % len(self._slots)
        self._numbers[slot] = -1
        self.record["number"] = -1
        self._slots[slot] = self.record
        self._numbers[slot] = number
        self._header["newest"] = number

    def settle(self, number: int) -> None:
        """Complete tick ``number`` with what ``record`` now says, readable all the while."""
        slot = self._slots[number % len(self._slots)]
        for name in SETTLED:
            slot[name] = self.record[name]
        self._header["settled"] = number

    def close(self) -> None:
        """Tell the readers that no more will come."""
        self._header["closed"] = 1


class BoardReader:
    """Anybody's end."""

    def __init__(self, path: Path) -> None:
        self._map = open_mapped(path, "board")
        if len(self._map) < HEADER.itemsize:
            raise HostError(f"{path}: not a myoloop board")
        self._header = np.frombuffer(self._map, HEADER, count=1)[0]
        if self._header["magic"] != MAGIC or self._header["layout"] != layout_of(HEADER, RECORD):
            raise HostError(f"{path}: not a board of this myoloop")
        count = int(self._header["slots"])
        if count < 1 or len(self._map) < HEADER.itemsize + count * RECORD.itemsize:
            raise HostError(f"{path}: a truncated board: {len(self._map)} bytes for {count} ticks")
        self._slots = np.frombuffer(self._map, RECORD, count=count, offset=HEADER.itemsize)

    @property
    def owner_pid(self) -> int:
        """The process that ticks."""
        return int(self._header["owner_pid"])

    @property
    def slots(self) -> int:
        """How many ticks it holds before the first is overwritten."""
        return len(self._slots)

    @property
    def newest(self) -> int:
        """Number of the newest tick, -1 before the first."""
        return int(self._header["newest"])

    @property
    def settled(self) -> int:
        """Number of the newest tick that is over, -1 before the first."""
        return int(self._header["settled"])

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
