"""The process of the follower ``zmq``."""

import os
import sys
import time
import uuid
from typing import Final

import numpy as np
import zmq
from numpy.typing import NDArray

from bridges.between import Between
from bridges.feed import Command as Allowed
from bridges.feed import Feed
from bridges.follow import Follow
from bridges.zeromq.follower import PublisherOptions, open_socket
from bridges.zeromq.messages import Command, Twin, encode
from controller.clock import Grid
from controller.errors import MyoloopError
from controller.follower import FollowerState
from controller.names import JOINTS, MUSCLES
from controller.settings import convert
from controller.supervisor.states import State

LOOK_S: Final = 0.01
AGAIN_NS: Final = 100_000_000  # between two messages while the loop is silent


class Publisher:
    """Turns ticks into messages.

    Args:
        rate_hz: of the loop.
        between: whether there is a message whenever asked, on the way to the newest tick.
    """

    def __init__(self, rate_hz: float, between: bool = False) -> None:
        self._feed = Feed()
        self._between = Between(rate_hz) if between else None
        self._session, self._seq = uuid.uuid4().hex, 0
        self._rate_hz = rate_hz
        self._last, self._again_ns = (-1, True), 0

    @property
    def trouble(self) -> str:
        """Why nothing may be done, until the next arming."""
        return self._feed.trouble

    @property
    def tick(self) -> int:
        """The newest tick that was sent."""
        return self._last[0]

    def frame(self, record: NDArray[np.void] | None, now_ns: int) -> bytes | None:
        """What has to be sent now: a tick once, a silent loop again and again."""
        if record is None:
            return None
        allowed = self._feed.judge(record, now_ns)
        if self._between:
            allowed = self._between.at(allowed, now_ns)
        key = (int(record["number"]), allowed.live)
        told = key == self._last and not (self._between and allowed.live)
        if told and now_ns < self._again_ns:
            return None
        self._last, self._again_ns = key, now_ns + AGAIN_NS
        return self._encoded(allowed)

    def farewell(self, record: NDArray[np.void] | None) -> bytes | None:
        """The last message: rest."""
        if record is None:
            return None
        over = Allowed(False, self._feed.rest, record, "the daemon has ended")
        return self._encoded(over)

    def _encoded(self, allowed: Allowed) -> bytes:
        self._seq += 1
        return encode(self._message(allowed))

    def _message(self, allowed: Allowed) -> Command:
        record = allowed.record
        assert record is not None  # nothing is said before the first tick
        return Command(
            session=self._session,
            seq=self._seq,
            t_mono_ns=int(record["time_ns"]),
            valid=allowed.live,
            ttl_ms=int(record["ttl_ns"]) / 1e6,
            state=State(int(record["state"])).name,
            reason=allowed.reason,
            rate_hz=self._rate_hz,
            muscles=MUSCLES,
            excitation=allowed.excitation.tolist(),
            joints=JOINTS,
            twin=twin_of(record),
        )


def twin_of(record: NDArray[np.void]) -> Twin:
    """The hand of a tick."""
    count = int(record["objects"])
    return Twin(
        time_s=float(record["plant_time_s"]),
        joint_pos=record["joint_pos"].tolist(),
        joint_vel=record["joint_vel"].tolist(),
        activation=record["activation"].tolist(),
        palm_pos=record["palm_pos"].tolist(),
        palm_rot=record["palm_rot"].tolist(),
        object_pos=record["object_pos"][:count].tolist(),
        object_vel=record["object_vel"][:count].tolist(),
    )


def main() -> None:
    """Publish until the daemon ends; the last word is rest."""
    follow = Follow.from_arguments()
    settings = convert(follow.job.options, PublisherOptions, follow.job.name)
    try:
        socket = open_socket(zmq.PUB, settings, follow.job.name)
    except MyoloopError as error:
        follow.tell(FollowerState.FAULT, str(error))
        sys.exit(f"myoloop: {error}")
    print(f"myoloop: {follow.job.name}: publishes on {socket.address}", file=sys.stderr)
    publisher = Publisher(follow.job.context.rate_hz, settings.feed_hz is not None)
    grid = Grid(settings.feed_hz or 1.0 / LOOK_S)
    grid.start()
    while follow.wait(grid.remaining_s() if settings.feed_hz else LOOK_S):
        frame = publisher.frame(follow.newest(), time.monotonic_ns())
        if frame is not None:
            socket.send(frame)
        state = FollowerState.FAULT if publisher.trouble else FollowerState.READY
        follow.tell(state, publisher.trouble, publisher.tick, time.monotonic_ns())
    farewell = publisher.farewell(follow.newest())
    if farewell is not None:
        socket.send(farewell)
    socket.close()


if __name__ == "__main__":
    main()
    os._exit(0)  # no thread of a library keeps it
