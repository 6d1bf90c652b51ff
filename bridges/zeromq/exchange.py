"""Sockets of a latest-value stream; how old a message is, and why one is not acted on."""

import math
from collections import Counter
from typing import Final

import zmq

from bridges.control import curve
from bridges.zeromq.messages import MAX_BYTES, Body, Rejected

DRIFT: Final = 1e-4  # share by which two clocks may run apart
HEARTBEAT_MS: Final = 1000
FAREWELL_MS: Final = 100
QUEUED: Final = 10  # messages kept for a receiver that is slow
BUFFER: Final = 32_768  # bytes of each kernel buffer: what a frozen receiver finds is soon read


class Socket:
    """A bound socket with a context of its own.

    Args:
        kind: zmq.PUB, which sends and never waits, or zmq.SUB, which keeps the newest only.
        settings: where it listens, and who may come.
        topic: that a SUB hears.

    Raises:
        zmq.ZMQError: the endpoint is taken or is none.
    """

    def __init__(self, kind: int, settings: curve.Bound, topic: bytes = b"") -> None:
        self._context = zmq.Context()
        self._socket = socket = self._context.socket(kind)
        socket.heartbeat_ivl = HEARTBEAT_MS
        socket.maxmsgsize = MAX_BYTES
        socket.sndbuf = socket.rcvbuf = BUFFER
        if kind == zmq.SUB:
            socket.conflate = True  # on this side only: a sender that conflates loses its last
            socket.subscribe(topic)
        else:
            socket.sndhwm = QUEUED
        self._guard = (
            curve.serve(socket, settings.server_key, settings.clients)
            if settings.server_key
            else None
        )
        try:
            socket.bind(settings.bind)
        except zmq.ZMQError:
            self.close()
            raise

    @property
    def address(self) -> str:
        """Where it listens, with the port that was chosen."""
        return bytes(self._socket.getsockopt(zmq.LAST_ENDPOINT)).decode().rstrip("\0")

    def send(self, frame: bytes) -> None:
        """Hand a message over; with nobody there, or somebody too slow, it is lost."""
        self._socket.send(frame, zmq.NOBLOCK)

    def newest(self) -> bytes | None:
        """The newest message since the last call, None when there was none."""
        try:
            return self._socket.recv(zmq.NOBLOCK)
        except zmq.Again:
            return None

    def close(self) -> None:
        """Stop listening; what was sent last still leaves, if somebody takes it."""
        self._socket.close(FAREWELL_MS)
        if self._guard:
            self._guard.stop()
        self._context.term()


class Lag:
    """How long messages lay somewhere, by the receiver's clock, without knowing the sender's.

    The quickest message on record is taken as new; the record fades by what two clocks may
    drift apart. So a backlog, which a thawed receiver finds, is seen to be old.
    """

    def __init__(self) -> None:
        self.offset_ns = math.inf
        self._at_ns = 0

    def of(self, stamp_ns: int, now_ns: int) -> float:
        """Age [ns] of a message that was stamped then and arrived now."""
        difference = now_ns - stamp_ns
        self.offset_ns = min(difference, self.offset_ns + DRIFT * (now_ns - self._at_ns))
        self._at_ns = now_ns
        return difference - self.offset_ns


class Rejections:
    """Counts by reason what was not acted on.

    Attributes:
        counts: messages by reason.
        newest: the newest one, in words.
    """

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.newest = ""

    def add(self, rejected: Rejected) -> None:
        """Enter one."""
        self.counts[rejected.reason] += 1
        self.newest = str(rejected)

    def words(self) -> str:
        """Such as ``rejected: 3 schema, 1 names (newest: ...)``; "" for none."""
        if not self.counts:
            return ""
        counts = ", ".join(f"{count} {reason}" for reason, count in self.counts.most_common())
        return f"rejected: {counts} (newest: {self.newest})"


class Sequence:
    """Rises, or the message is an old one."""

    def __init__(self) -> None:
        self.newest = -1
        self.lost = 0

    def check(self, message: Body) -> None:
        """Take the next.

        Raises:
            Rejected: not newer than the last.
        """
        if message.seq <= self.newest:
            raise Rejected("old", f"seq {message.seq} after {self.newest}")
        self.lost += message.seq - self.newest - 1 if self.newest >= 0 else 0
        self.newest = message.seq
