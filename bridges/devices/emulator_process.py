"""An emulated device of our own, on a pty, that ends with the process that uses it."""

import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Final

from bridges.processes import end_with_parent

EMULATOR: Final = "emulator"
"""What stands in place of a port's path to ask for one."""


def start_emulator(kind: tuple[str, ...], link: Path) -> subprocess.Popen[bytes]:
    """Start ``myoloop emulate``, a kind and its options; ``link`` is its port once it is there."""
    with suppress(FileNotFoundError):
        link.unlink()
    return subprocess.Popen(
        [sys.executable, "-m", "controller.cli", "emulate", *kind, "--link", str(link)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        preexec_fn=end_with_parent,  # safe: its callers have no other Python threads
    )
