"""An emulated device in a process of its own, its diary, and a daemon that drives it."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest

PATIENCE_S = 20.0


class Device:
    """An emulator under test."""

    def __init__(self, process, link: Path, log: Path) -> None:
        self.process, self.link, self._log = process, link, log

    def diary(self) -> list[tuple[int, str]]:
        """(CLOCK_MONOTONIC [ns], words) of each change."""
        lines = self._log.read_text().splitlines() if self._log.exists() else []
        pairs = [line.split(" ", 1) for line in lines]
        return [(int(pair[0]), pair[1]) for pair in pairs if len(pair) == 2]

    @property
    def now(self) -> str:
        """How it is."""
        found = self.diary()
        return found[-1][1] if found else ""

    def wait(self, wanted: Callable[[str], bool]) -> str:
        """Until its newest state is as wanted."""
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            if wanted(self.now):
                return self.now
            time.sleep(0.02)
        raise AssertionError(f"not within {PATIENCE_S} s; the last was {self.now!r}")


@pytest.fixture
def make_device(start, tmp_path) -> Callable[..., Device]:
    def make(kind: str, fault: str = "") -> Device:
        link, log = tmp_path / "port", tmp_path / "diary"
        options = ["--link", str(link), "--log", str(log), "--fault", fault]
        process = start("-m", "controller.cli", "emulate", kind, *options)
        device = Device(process, link, log)
        device.wait(lambda words: bool(words) and link.exists())
        return device

    return make


@pytest.fixture
def driver_of() -> Callable[..., int]:
    def find(run) -> int:
        """Process number of the daemon's driver."""
        children = Path(f"/proc/{run.process.pid}/task/{run.process.pid}/children")
        (pid,) = [
            int(one)
            for one in children.read_text().split()
            if "bridges.devices.driver" in Path(f"/proc/{one}/cmdline").read_text()
        ]
        return pid

    return find
