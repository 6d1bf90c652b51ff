"""Ends of processes: of one that was started, and of one whose parent is gone."""

import ctypes
import signal
import subprocess
from typing import Any, Final

PR_SET_PDEATHSIG: Final = 1


def end(process: "subprocess.Popen[Any]", wait_s: float) -> None:
    """Ask it to end by SIGTERM, and make sure."""
    if process.poll() is None:
        process.terminate()
    try:
        process.wait(wait_s)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def end_with_parent() -> None:
    """Ask the kernel for SIGTERM when the parent dies, however it dies (prctl(2)).

    For ``preexec_fn``, of a parent that has no other Python threads.
    """
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
