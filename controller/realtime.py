"""What is asked of the operating system; a refusal is reported and survived."""

import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager

from controller.errors import HostError
from controller.session import RealTimeSettings


@contextmanager
def scheduled(settings: RealTimeSettings) -> Iterator[list[str]]:
    """Run the body as the settings ask; yields a line for each refusal.

    Raises:
        HostError: something was refused and ``required`` is set.
    """
    affinity = os.sched_getaffinity(0)
    policy, parameters = os.sched_getscheduler(0), os.sched_getparam(0)
    try:
        refused = [*_pin(settings.cpu), *_raise_priority(settings.priority)]
        if refused and settings.required:
            raise HostError(f"realtime.required is set, but {refused[0]}")
        gc.collect()
        gc.freeze()
        gc.disable()
        yield refused
    finally:
        gc.enable()
        gc.unfreeze()
        os.sched_setaffinity(0, affinity)
        os.sched_setscheduler(0, policy, parameters)


def _pin(cpu: int | None) -> list[str]:
    if cpu is None:
        return []
    try:
        os.sched_setaffinity(0, {cpu})
    except (OSError, OverflowError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        allowed = ", ".join(map(str, sorted(os.sched_getaffinity(0))))
        return [f"realtime.cpu: processor {cpu} refused ({why}); allowed: {allowed}"]
    return []


def _raise_priority(priority: int) -> list[str]:
    if priority == 0:
        return []
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(priority))
    except OSError as error:
        return [
            f"realtime.priority: SCHED_FIFO {priority} refused ({error.strerror}); "
            "'myoloop doctor' says how to allow it"
        ]
    return []
