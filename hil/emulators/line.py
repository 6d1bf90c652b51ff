"""Serves a device's model on a pty, in real time, with its faults."""

import os
import pty
import select
import time
import tty
from contextlib import suppress
from pathlib import Path
from typing import Final, Protocol

from controller.errors import HostError
from hil.emulators.faults import Faults, Way
from hil.emulators.life import Life

STEP_S: Final = 0.002


class Model(Protocol):
    """A device without its line."""

    def hear(self, data: bytes, now_s: float) -> list[bytes]:
        """Take in bytes; the frames that it answers."""
        ...

    def advance(self, now_s: float) -> list[bytes]:
        """Go on in time; the frames that it says by itself."""
        ...

    def describe(self) -> str:
        """How it is, in a line."""
        ...


class Line:
    """A pty whose other end others open by its link."""

    def __init__(self, link: Path | None) -> None:
        self._link = link
        self.plug()

    def plug(self) -> None:
        """Put the cable in: a new pty behind the same link."""
        self.ours, self._theirs = pty.openpty()
        tty.setraw(self._theirs)
        os.set_blocking(self.ours, False)
        self.path = os.ttyname(self._theirs)
        if self._link is not None:
            part = self._link.with_name(self._link.name + ".new")
            with suppress(FileNotFoundError):
                part.unlink()
            try:
                part.symlink_to(self.path)
                part.replace(self._link)
            except OSError as error:
                raise HostError(f"--link {self._link}: {error.strerror}") from None

    def unplug(self) -> None:
        """Pull it: whoever holds the other end gets an error."""
        os.close(self.ours)
        os.close(self._theirs)
        if self._link is not None:
            self._link.unlink(missing_ok=True)


def serve(model: Model, link: Path | None, faults: Faults, log: Path | None) -> None:
    """Until SIGTERM or Ctrl-C; prints where it listens, writes to ``log`` what changes.

    SIGUSR1 pulls the cable for two seconds, as the fault ``unplug`` does after a time.
    """
    life, way, diary = Life(faults), Way(faults), Diary(log)
    line, plugged = Line(link), True
    print(link or line.path, flush=True)
    while not life.ended:
        now_s = time.monotonic()
        if life.plugged(now_s) != plugged:
            plugged = not plugged
            (line.plug if plugged else line.unplug)()
        for frame in model.advance(now_s) + _heard(model, line, plugged):
            way.send(frame, now_s)
        for frame in way.arrived(time.monotonic()):
            if plugged:
                with suppress(OSError):  # nobody reads: the driver of a real port drops as well
                    os.write(line.ours, frame)
        diary.note(now_s, model.describe())
    if plugged:
        line.unplug()


def _heard(model: Model, line: Line, plugged: bool) -> list[bytes]:
    """What the model answers to what comes within a step."""
    if not plugged:
        time.sleep(STEP_S)
        return []
    data = _read(line.ours, STEP_S)
    return model.hear(data, time.monotonic()) if data else []


def _read(fd: int, wait_s: float) -> bytes:
    try:
        return os.read(fd, 4096) if select.select([fd], [], [], wait_s)[0] else b""
    except OSError:  # nobody holds the other end
        time.sleep(wait_s)
        return b""


class Diary:
    """A line of CLOCK_MONOTONIC [ns] and state for each change."""

    def __init__(self, path: Path | None) -> None:
        try:
            self._file = None if path is None else path.open("a", buffering=1)
        except OSError as error:
            raise HostError(f"--log {path}: {error.strerror}") from None
        self._last = ""

    def note(self, now_s: float, words: str) -> None:
        """Write it down, if it is news."""
        if self._file is not None and words != self._last:
            self._last = words
            print(f"{now_s * 1e9:.0f} {words}", file=self._file)
