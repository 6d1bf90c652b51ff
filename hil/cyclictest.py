"""``cyclictest`` of Debian's rt-tests: how late a bare C program wakes up on this machine.

https://wiki.linuxfoundation.org/realtime/documentation/howto/tools/cyclictest/start
"""

import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from controller.errors import HostError

LONGEST_US: Final = 1_000_000  # of its histogram; later wake-ups count as its maximum
MARGIN_S: Final = 30.0


class _Thread(msgspec.Struct):
    histogram: dict[str, int]
    cycles: int
    max: int


class _Result(msgspec.Struct):
    thread: dict[str, _Thread]


def missing() -> str:
    """Why there is no floor to compare with, "" when there is."""
    if shutil.which("cyclictest"):
        return ""
    return "cyclictest is not installed: sudo apt-get install rt-tests"


def lateness_us(rate_hz: float, seconds: float, cpu: int, priority: int) -> NDArray[np.float64]:
    """Run it on one processor; how late each wake-up was [us], (n,), in no order.

    Args:
        rate_hz: wake-ups a second.
        seconds: how long.
        cpu: the processor to run on.
        priority: SCHED_FIFO priority, 0 for the ordinary scheduler.

    Raises:
        HostError: it failed, with its own words.
    """
    scheduler = ["--priority", str(priority)] if priority else ["--policy", "other"]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "cyclictest.json"
        done = subprocess.run(
            [
                *("cyclictest", "--quiet", "--mlockall", f"--json={file}", *scheduler),
                *("--affinity", str(cpu), "--threads", "1"),
                *("--interval", str(round(1e6 / rate_hz))),
                *("--loops", str(round(rate_hz * seconds)), f"--histogram={LONGEST_US}"),
            ],
            capture_output=True,
            text=True,
            timeout=seconds + MARGIN_S,
        )
        if done.returncode or not file.exists():
            said = (done.stderr or done.stdout).strip().splitlines() or ["it said nothing"]
            raise HostError(f"cyclictest ended with code {done.returncode}: {said[-1]}")
        return parse(file.read_bytes())


def parse(content: bytes) -> NDArray[np.float64]:
    """The wake-ups that its JSON file holds [us], (n,)."""
    (thread,) = msgspec.json.decode(content, type=_Result).thread.values()
    values = np.array([float(value) for value in thread.histogram])
    found = np.repeat(values, list(thread.histogram.values()))
    beyond = np.full(thread.cycles - len(found), float(thread.max))
    return np.concatenate([found, beyond])
