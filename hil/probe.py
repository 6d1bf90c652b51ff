"""The follower ``probe``: stands where a device driver stands and writes down what it would do.

Same process, same rules (``bridges.feed``), no device: what ``myoloop hazards`` measures with.
"""

import time
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np

from bridges.feed import Feed
from bridges.follow import Follow
from bridges.follower_process import FollowerProcess
from controller.follower import FollowerContext, FollowerInfo, FollowerState
from controller.names import MUSCLES
from controller.settings import convert

LOOK_S: Final = 0.005
DESERTED_S: Final = 10.0  # long enough to see what a device would do after its daemon's death

ENTRY: Final = np.dtype(
    [
        ("time_ns", np.int64),  # CLOCK_MONOTONIC when the device would be told
        ("tick", np.int64),
        ("live", np.int64),
        ("excitation", np.float32, (len(MUSCLES),)),
    ]
)


class ProbeOptions(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Where to write."""

    log: str
    """A file of ENTRY records, appended to."""


def create(
    name: str, options: dict[str, Any], required: bool, context: FollowerContext, origin: str
) -> FollowerProcess:
    """Start the probe.

    Raises:
        SettingsError: no log is named.
    """
    convert(options, ProbeOptions, origin)
    return FollowerProcess("hil.probe", FollowerInfo(name, required), options, context)


def main() -> None:
    """Write an entry for each command, and one when rest begins, until the file is deleted.

    It outlives a daemon that was killed, as a device does, for a while.
    """
    follow = Follow.from_arguments()
    log = Path(convert(follow.job.options, ProbeOptions, "probe").log)
    feed, entry = Feed(), np.zeros((), ENTRY)
    last, deserted = (-1, True), 0
    with log.open("ab", buffering=0) as file:
        while follow.wait(LOOK_S) or not follow.asked_to_end:
            record = follow.newest()
            command = feed.judge(record, time.monotonic_ns())
            now = (-1 if record is None else int(record["number"]), command.live)
            if now != last:
                entry["time_ns"], entry["tick"] = time.monotonic_ns(), now[0]
                entry["live"], entry["excitation"] = command.live, command.excitation
                file.write(entry.tobytes())
                last = now
            state = FollowerState.FAULT if feed.trouble else FollowerState.READY
            follow.tell(state, feed.trouble, tick=now[0])
            if follow.over:
                time.sleep(LOOK_S)
                deserted += 1
            if not log.exists() or deserted * LOOK_S > DESERTED_S:
                break


if __name__ == "__main__":
    main()
