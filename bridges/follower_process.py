"""A follower as a process: the daemon's side. ``bridges.follow`` is the other one.

The process is spawned, never forked. It is woken through an eventfd, tells how it is through a
cell, and is asked to end by SIGTERM.
"""

import os
import subprocess
import sys
from contextlib import suppress
from typing import Any, Final

import msgspec

from bridges import processes
from controller.board import TEXT
from controller.cell import CellReader
from controller.errors import HostError
from controller.follower import (
    STATUS,
    FollowerContext,
    FollowerHealth,
    FollowerInfo,
    FollowerState,
)

END_S: Final = 5.0  # a device is stopped and a file closed in less


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """What a follower's process is started with, as JSON in its one argument."""

    name: str
    wake_fd: int
    status: str
    """Path of the cell in which it tells how it is."""
    options: dict[str, Any]
    context: FollowerContext


class FollowerProcess:
    """Runs ``python -m module`` for one follower."""

    def __init__(
        self, module: str, info: FollowerInfo, options: dict[str, Any], context: FollowerContext
    ) -> None:
        self.info = info
        self._status_path = context.cell(f"{info.name}.status")
        self._status_path.unlink(missing_ok=True)  # of a run before
        self._status: CellReader | None = None
        self._wake_fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        job = Job(
            name=info.name,
            wake_fd=self._wake_fd,
            status=str(self._status_path),
            options=options,
            context=context,
        )
        self._process = subprocess.Popen(
            [sys.executable, "-m", module, msgspec.json.encode(job).decode()],
            stdin=subprocess.DEVNULL,
            pass_fds=(self._wake_fd,),
            start_new_session=True,  # Ctrl-C is the daemon's, which ends it in order
        )

    def wake(self) -> None:
        """Tell it that a new tick stands on the board."""
        with suppress(BlockingIOError):  # it has not looked 2^64 - 2 times
            os.eventfd_write(self._wake_fd, 1)

    def health(self) -> FollowerHealth:
        """How it is; a process that is gone is a fault."""
        code = self._process.poll()
        if code is not None:
            reason = self._last_reason() or f"its process ended with code {code}"
            return FollowerHealth(FollowerState.ENDED, 0, reason)
        record = self._read()
        if record is None:
            return FollowerHealth(FollowerState.STARTING, 0, "starting")
        beat_ns, state, reason, *_ = record.item()
        return FollowerHealth(FollowerState(state), beat_ns, reason.decode(errors="replace"))

    def _last_reason(self) -> str:
        record = self._read()
        return "" if record is None else bytes(record["reason"]).decode(errors="replace")

    def _read(self) -> Any:
        if self._status is None:
            with suppress(HostError):  # not there yet
                self._status = CellReader(self._status_path, STATUS)
        return self._status.read() if self._status else None

    def close(self) -> None:
        """Ask it to end, and make sure."""
        processes.end(self._process, END_S)
        if self._wake_fd >= 0:
            os.close(self._wake_fd)
            self._wake_fd = -1


def words(text: str) -> bytes:
    """A reason, cut to what fits into a cell or a record."""
    return text.encode()[:TEXT]
