"""An emulated device of our own, on a pty, that ends with the process that uses it."""

import ctypes
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Final

EMULATOR: Final = "emulator"
"""What stands in place of a port's path to ask for one."""
PR_SET_PDEATHSIG: Final = 1


def start_emulator(kind: str, link: Path) -> subprocess.Popen[bytes]:
    """Start ``myoloop emulate kind``; ``link`` is its port once it is there."""
    with suppress(FileNotFoundError):
        link.unlink()
    return subprocess.Popen(
        [sys.executable, "-m", "controller.cli", "emulate", kind, "--link", str(link)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        preexec_fn=_end_with_parent,  # safe: its callers have no other Python threads
    )


def _end_with_parent() -> None:
    """Ask the kernel for SIGTERM when this process dies, however it dies (prctl(2))."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
