"""What is asked of the operating system; a refusal is reported and survived."""

import ctypes
import gc
import os
import struct
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from controller.errors import HostError
from controller.session import RealTimeSettings

IDLE: Final = Path("/dev/cpu_dma_latency")
"""Holds the processors out of deep sleep while it is open: Documentation/power/pm_qos_interface."""
SWITCH_S: Final = 5e-4
"""The longest that another Python thread keeps the loop waiting for the GIL; Python's own: 5 ms."""
MCL_CURRENT_AND_FUTURE: Final = 1 | 2  # mlockall(2)
MENDS: Final = "'myoloop doctor' says how to allow it"


@contextmanager
def scheduled(settings: RealTimeSettings) -> Iterator[list[str]]:
    """Run the body as the settings ask; yields a line for each refusal.

    Raises:
        HostError: something was refused and ``required`` is set.
    """
    with ExitStack() as undo:
        refused = [
            *_pin(settings.cpu, undo),
            *_raise_priority(settings.priority, undo),
            *(_lock_memory(undo) if settings.lock_memory else ()),
            *_stay_awake(settings.wake_within_us, undo),
        ]
        if refused and settings.required:
            raise HostError(f"realtime.required is set, but {refused[0]}")
        _quiet_python(settings.freeze_gc, undo)
        yield refused


@contextmanager
def raised(priority: int, setting: str) -> Iterator[list[str]]:
    """Give every thread and process that the body starts this SCHED_FIFO priority.

    Args:
        priority: 0 leaves them alone.
        setting: who asked for it, for the refusal.

    Yields:
        A line for a refusal.
    """
    with ExitStack() as undo:
        yield _raise_priority(priority, undo, setting)


def other_threads() -> list[str]:
    """Names of the Python threads beside the one that asks; each could hold the GIL."""
    own = threading.current_thread()
    return [thread.name for thread in threading.enumerate() if thread is not own]


def _quiet_python(freeze_gc: bool, undo: ExitStack) -> None:
    undo.callback(sys.setswitchinterval, sys.getswitchinterval())
    sys.setswitchinterval(SWITCH_S)
    if freeze_gc:
        gc.collect()
        gc.freeze()
        gc.disable()
        undo.callback(gc.unfreeze)
        undo.callback(gc.enable)


def _pin(cpu: int | None, undo: ExitStack) -> list[str]:
    if cpu is None:
        return []
    undo.callback(os.sched_setaffinity, 0, os.sched_getaffinity(0))
    try:
        os.sched_setaffinity(0, {cpu})
    except (OSError, OverflowError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        allowed = ", ".join(map(str, sorted(os.sched_getaffinity(0))))
        return [f"realtime.cpu: processor {cpu} refused ({why}); allowed: {allowed}"]
    return []


def _raise_priority(
    priority: int, undo: ExitStack, setting: str = "realtime.priority"
) -> list[str]:
    if priority == 0:
        return []
    before = os.sched_getscheduler(0), os.sched_getparam(0)
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(priority))
    except OSError as error:
        why = error.strerror
        return [f"{setting}: SCHED_FIFO {priority} refused ({why}); {MENDS}"]
    undo.callback(os.sched_setscheduler, 0, *before)
    return []


def _lock_memory(undo: ExitStack) -> list[str]:
    """Keep every page in memory: the loop waits for no disk."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mlockall(MCL_CURRENT_AND_FUTURE):
        why = os.strerror(ctypes.get_errno())
        return [f"realtime.lock_memory: mlockall refused ({why}); {MENDS}"]
    undo.callback(libc.munlockall)
    return []


def _stay_awake(wake_within_us: int | None, undo: ExitStack) -> list[str]:
    if wake_within_us is None:
        return []
    try:
        file = undo.enter_context(IDLE.open("wb", buffering=0))
        file.write(struct.pack("=i", wake_within_us))
    except OSError as error:
        return [f"realtime.wake_within_us: {IDLE} refused ({error.strerror}); {MENDS}"]
    return []
