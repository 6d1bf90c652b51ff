"""An emulated device as a bench has it: in a process of its own, with a diary."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from bridges import processes
from controller.closing import Closing
from controller.errors import HostError

START_UP_S: Final = 30.0
END_S: Final = 10.0
LOOK_S: Final = 0.01


class Emulator(Closing):
    """``myoloop emulate``, and what it writes down.

    Args:
        kind: of the device, and options of its own.
        folder: for its port and its diary.
        fault: as ``--fault`` takes it.

    Attributes:
        link: its port.

    Raises:
        HostError: it does not start.
    """

    def __init__(self, kind: tuple[str, ...], folder: Path, fault: str = "") -> None:
        self.link, self._log = folder / "port", folder / "diary"
        self._log.unlink(missing_ok=True)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "controller.cli", "emulate", *kind, "--link", str(self.link)]
            + ["--log", str(self._log), "--fault", fault],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )
        deadline = time.monotonic() + START_UP_S
        while not (self.link.exists() and self.diary()):
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise HostError(f"the emulator {kind[0]} does not start")
            time.sleep(LOOK_S)

    def diary(self) -> list[tuple[int, str]]:
        """CLOCK_MONOTONIC [ns] and words of each change."""
        if not self._log.exists():
            return []
        *whole, _unfinished = self._log.read_text().split("\n")
        pairs = [line.split(" ", 1) for line in whole]
        return [(int(stamp), words) for stamp, words in pairs]

    @property
    def words(self) -> str:
        """How it is."""
        return self.diary()[-1][1]

    def when(self, wanted: Callable[[str], bool], after_ns: int) -> int | None:
        """CLOCK_MONOTONIC [ns] of its first state of this kind after a time, None for none."""
        found = (at_ns for at_ns, words in self.diary() if at_ns > after_ns and wanted(words))
        return next(found, None)

    def pull(self) -> None:
        """Pull its cable for two seconds."""
        self._process.send_signal(signal.SIGUSR1)

    def close(self) -> None:
        """End it."""
        processes.end(self._process, END_S)
