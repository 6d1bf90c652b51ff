"""Sends numbers to itself over LSL: ``python -m bridges.lsl_probe``, for ``myoloop doctor``.

A process of its own, because a session holds for a whole process.
"""

import time
import uuid
from typing import Final

import numpy as np

from bridges import lsl_api
from bridges.lsl_session import use_session
from controller.errors import StreamError

ROUND_TRIPS: Final = 20
RESOLVE_S: Final = 1.0
TIMEOUT_S: Final = 5.0


def round_trip_ms() -> float:
    """Median time from here to here, in a session that nobody else sees [ms].

    Raises:
        StreamError: not found, or not what was sent.
    """
    name = f"myoloop-doctor-{uuid.uuid4()}"
    use_session(name)
    outlet = lsl_api.Outlet(name, "Control", name, 0.0, [{"label": "number"}], {})
    found = [stream for stream in lsl_api.streams(RESOLVE_S) if stream.source_id == name]
    if not found:
        raise StreamError("this machine does not find its own stream: multicast is blocked")
    inlet = lsl_api.Inlet(found[0])
    inlet.describe(TIMEOUT_S)
    inlet.open(TIMEOUT_S)
    times_ms = []
    for number in range(ROUND_TRIPS):
        before = time.perf_counter()
        outlet.push([float(number)], 0.0)
        _receive(inlet, number)
        times_ms.append((time.perf_counter() - before) * 1e3)
    return float(np.median(times_ms))


def clock_offset_us() -> float:
    """LSL's clock minus CLOCK_MONOTONIC, by the tightest of some looks [us]."""
    looks = []
    for _ in range(ROUND_TRIPS):
        before, lsl_s, after = time.monotonic(), lsl_api.local_clock_s(), time.monotonic()
        looks.append((after - before, lsl_s - (before + after) / 2))
    return min(looks)[1] * 1e6


def _receive(inlet: lsl_api.Inlet, number: int) -> None:
    rows = np.empty((1, 1), np.float32)
    deadline = time.monotonic() + TIMEOUT_S
    while not len(inlet.pull(rows)):
        if time.monotonic() > deadline:
            raise StreamError(f"a sample sent did not arrive within {TIMEOUT_S:g} s")
    if rows[0, 0] != number:
        raise StreamError(f"sent {number}, received {rows[0, 0]:g}")


if __name__ == "__main__":
    print(f"round trip {round_trip_ms():.2f} ms, clock {clock_offset_us():+.0f} µs off Python's")
