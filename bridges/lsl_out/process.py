"""The process of ``lsl-out``: it stamps samples and markers with the tick's own time."""

import hashlib
import json
import sys
import time
from collections import deque
from typing import Any, Final

import msgspec

from bridges.follow import Follow
from bridges.lsl_api import MarkerOutlet, Outlet, Tree, clock_offset_s
from bridges.lsl_out import LslOutOptions
from bridges.lsl_out.events import SCHEMA_VERSION, Event, Events
from bridges.lsl_out.tables import Record, Table, tables
from bridges.lsl_session import use_session
from controller import registry
from controller.errors import MyoloopError
from controller.follower import FollowerContext, FollowerState
from controller.settings import convert

WAIT_S: Final = 0.1
BUFFER_S: Final = 60  # what a recorder that stalls gets after all
FLUSH_S: Final = 0.3  # liblsl sends in threads of its own, which end with the outlet


class LslOut:
    """Sends every tick that it sees: the command at once, how the task goes once it is known."""

    def __init__(self, follow: Follow, options: LslOutOptions) -> None:
        use_session(options.session)
        context = follow.job.context
        skill = registry.find("skills", context.about["skill"], "lsl-out")
        about = description(context)
        self._follow, self._events = follow, Events()
        self._offset_s = clock_offset_s()
        self._outlets = [(table, _open(table, context, about)) for table in tables(skill.CHANNELS)]
        name = f"{context.session}-markers"
        self._markers = MarkerOutlet(name, name, {**about, "schema_version": str(SCHEMA_VERSION)})
        self._unsettled: deque[int] = deque()
        self._newest, self._left_ns = -1, 0

    def run(self) -> None:
        """Until the daemon ends."""
        while self._follow.wait(WAIT_S):
            self._take()
            self._follow.tell(FollowerState.READY, tick=self._newest, left_ns=self._left_ns)
        self._take()
        self._settle(self._newest)  # a daemon that was killed settles no more
        self._mark(self._events.end(), time.monotonic_ns())
        if any(outlet.read for _, outlet in self._outlets):
            time.sleep(FLUSH_S)

    def _take(self) -> None:
        for record in self._follow.ticks(settled=False):
            self._send(record, settled=False)
            self._newest, self._left_ns = int(record["number"]), time.monotonic_ns()
            self._unsettled.append(self._newest)
        self._settle(self._follow.board.settled)

    def _settle(self, last: int) -> None:
        while self._unsettled and self._unsettled[0] <= last:
            record = self._follow.board.read(self._unsettled.popleft())
            if record is not None:
                for event in self._events.of(record):
                    self._mark(event, int(record["time_ns"]))
                self._send(record, settled=True)

    def _send(self, record: Record, settled: bool) -> None:
        stamp_s = self._stamp_s(int(record["time_ns"]))
        for table, outlet in self._outlets:
            if table.settled is settled:
                outlet.push(table.pick(record).tolist(), stamp_s)

    def _mark(self, event: Event, time_ns: int) -> None:
        self._markers.push(json.dumps(event, allow_nan=False), self._stamp_s(time_ns))

    def _stamp_s(self, time_ns: int) -> float:
        return time_ns / 1e9 + self._offset_s


def _open(table: Table, context: FollowerContext, about: Tree) -> Outlet:
    name = f"{context.session}-{table.name}"
    columns = [column.elements() for column in table.columns]
    return Outlet(name, table.type, name, context.rate_hz, columns, about, BUFFER_S)


def description(context: FollowerContext) -> Tree:
    """What every stream says of the run, below desc."""
    about = context.about
    return {
        "schema_version": "1",
        "session": context.session,
        "skill": str(about["skill"]),
        "config_sha256": sha256_of(about["settings"]),
        "policy_file": str(about["policy"].get("file", "")),
        "policy_sha256": str(about["policy"]["sha256"]),
        "safety_sha256": str(about["safety"]["sha256"]),
        "versions": {name: str(found) for name, found in about["versions"].items()},
        "acquisition": {"manufacturer": "myoloop", "model": str(about["skill"])},
        # a stamp is the tick's own beginning: nothing is added, a missed tick has no sample
        "synchronization": {"offset_mean": "0", "can_drop_samples": "true"},
    }


def sha256_of(settings: Any) -> str:
    """Of the settings as JSON with sorted keys: the same for the same settings."""
    return hashlib.sha256(msgspec.json.encode(settings, order="sorted")).hexdigest()


def main() -> None:
    """Send until the daemon ends."""
    follow = Follow.from_arguments()
    try:
        LslOut(follow, convert(follow.job.options, LslOutOptions, "lsl-out")).run()
    except MyoloopError as error:
        follow.tell(FollowerState.FAULT, str(error))
        sys.exit(f"myoloop: lsl-out: {error}")


if __name__ == "__main__":
    main()
