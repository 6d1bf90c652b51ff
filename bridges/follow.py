"""A follower as a process: its own side.

    with Follow.from_arguments() as follow:
        while follow.wait(timeout_s):
            for record in follow.ticks(): ...

``wait`` ends with SIGTERM, with the loop, and with the daemon's death, however it dies.
"""

import os
import select
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Final, Self

import msgspec
import numpy as np
from numpy.typing import NDArray

from bridges.follower_process import Job, words
from controller.board import BoardReader
from controller.cell import CellWriter
from controller.follower import STATUS, FollowerState

START: Final = -1


class Follow:
    """Woken by the loop; reads the board; tells how it is.

    Attributes:
        job: name, options and context, as the daemon gave them.
        board: the board.
        dropped: ticks that were overwritten before they were read.
        asked_to_end: whether SIGTERM came.
    """

    def __init__(self, job: Job) -> None:
        self.job = job
        self.board = BoardReader(Path(job.context.board))
        self.dropped = 0
        self.asked_to_end = False
        self._next = 0  # the board began with this run: a slow start loses nothing
        self._status = CellWriter(Path(job.status), STATUS)
        self._poll = select.poll()
        self._poll.register(job.wake_fd, select.POLLIN)
        signal.signal(signal.SIGTERM, self._end)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        self.tell(FollowerState.STARTING)

    @classmethod
    def from_arguments(cls) -> Self:
        """From the command line of ``FollowerProcess``."""
        return cls(msgspec.json.decode(sys.argv[1], type=Job))

    def _end(self, _signal: int, _frame: FrameType | None) -> None:
        self.asked_to_end = True

    @property
    def orphaned(self) -> bool:
        """Whether the daemon is gone."""
        return os.getppid() != self.board.owner_pid

    @property
    def over(self) -> bool:
        """Whether it is time to end."""
        return self.asked_to_end or self.board.closed or self.orphaned

    def wait(self, timeout_s: float) -> bool:
        """Sleep until the loop has ticked, at most so long; False when it is time to end."""
        if self.over:
            return False
        if self._poll.poll(timeout_s * 1e3):
            os.eventfd_read(self.job.wake_fd)
        return not self.over

    def newest(self) -> NDArray[np.void] | None:
        """The newest tick, None before the first."""
        return self.board.read(self.board.newest)

    def ticks(self, settled: bool = True) -> Iterator[NDArray[np.void]]:
        """Every tick since the last call, the first time since the loop's start, in order.

        What was overwritten is counted in ``dropped``.

        Args:
            settled: only ticks that are over.
        """
        last = self.board.settled if settled else self.board.newest
        oldest = self.board.newest - self.board.slots + 2  # the loop may be writing the next
        if oldest > self._next:
            self.dropped += oldest - self._next
            self._next = oldest
        while self._next <= last:
            record = self.board.read(self._next)
            self._next += 1
            if record is None:
                self.dropped += 1
            else:
                yield record

    def tell(
        self, state: FollowerState, reason: str = "", tick: int = START, left_ns: int = 0
    ) -> None:
        """Say how it is: a sign of life.

        Args:
            state: whether it does its work.
            reason: in words, when it does not.
            tick: the newest tick that it handled.
            left_ns: CLOCK_MONOTONIC when its last command left.
        """
        record = self._status.record
        record["beat_ns"], record["state"] = time.monotonic_ns(), state
        record["reason"], record["dropped"] = words(reason), self.dropped
        record["tick"], record["left_ns"] = tick, left_ns
        self._status.publish()
