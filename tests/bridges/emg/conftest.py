"""A simulated subject's calibration, made once: without waiting, and as a person makes it."""

import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml

from bridges.emg.calibration import Calibration, Cut
from bridges.emg.examples import Trial
from bridges.emg.fit import fit
from bridges.emg.rehearsal import cut as cut_to
from bridges.emg.rehearsal import rehearse

ROOT = Path(__file__).parents[3]
MYOLOOP = [sys.executable, "-m", "controller.cli"]
ROWS, COLUMNS = 24, 80


@pytest.fixture(scope="session")
def cut() -> Cut:
    return cut_to(100.0)


@pytest.fixture(scope="session")
def trials() -> list[Trial]:
    return rehearse(3, record_s=1.5)


@pytest.fixture(scope="session")
def calibration(trials: list[Trial], cut: Cut) -> Calibration:
    return fit(trials, cut)


@dataclass
class Terminal:
    """A program in a terminal of its own, and everything that it drew."""

    command: list[str]
    drawn: bytearray = field(default_factory=bytearray)

    def __post_init__(self) -> None:
        self._screen, inside = pty.openpty()
        fcntl.ioctl(inside, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        self.process = subprocess.Popen(
            self.command, cwd=ROOT, stdin=inside, stdout=inside, stderr=inside, env=ENVIRONMENT
        )
        os.close(inside)
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        try:
            while part := os.read(self._screen, 65536):
                self.drawn += part
        except OSError:  # Linux: the program closed its end
            pass

    def wait(self, timeout_s: float) -> str:
        """Its end; what it drew, control sequences included."""
        self.process.wait(timeout_s)
        self._reader.join()
        return self.drawn.decode()

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        self._reader.join()
        os.close(self._screen)


ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm-256color"}


@dataclass(frozen=True)
class Calibrating:
    """``calibrate-emg`` at work; the file appears when its terminal ends."""

    config: Path
    file: Path
    source_id: str
    terminal: Terminal


@pytest.fixture(scope="session")
def calibrating(lsl_session: str, tmp_path_factory) -> Iterator[Calibrating]:
    """Half a minute of waiting: what goes on beside it costs nothing."""
    folder, source_id = tmp_path_factory.mktemp("calibrating"), f"{lsl_session}-person"
    plain = yaml.safe_load((ROOT / "configs/emg.yaml").read_text())
    plain |= {"session": lsl_session, "calibration": "me.json"}
    plain["emg"] = {"source_id": f"{source_id}-emg", "wait_s": 60.0}
    plain["engage"] = {"use": "stream", "source_id": f"{source_id}-pedal"}
    plain["intention"] = {"source_id": source_id}
    config = folder / "emg.yaml"
    config.write_text(yaml.safe_dump(plain))
    person = subprocess.Popen(
        [
            *(*MYOLOOP, "emulate", "emg", "--session", lsl_session),
            *("--source-id", f"{source_id}-emg", "--pedal", f"{source_id}-pedal"),
            *("--follow", f"{source_id}-emg-prompts"),
        ],
        cwd=ROOT,
        env=ENVIRONMENT,
    )
    short = ["--repetitions", "2", "--record-s", "0.5"]
    terminal = Terminal([*MYOLOOP, "calibrate-emg", str(config), *short])
    yield Calibrating(config, folder / "me.json", source_id, terminal)
    terminal.close()
    person.kill()
    person.wait()
