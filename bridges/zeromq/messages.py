"""What goes over ZeroMQ: one frame a message, ``kind NUL MessagePack``; see docs/zmq.md.

One frame, because a socket that keeps only the newest message (CONFLATE) delivers nothing of a
message of several. Every message stands alone: it says its version, whose it is, its place in
the sequence, and the names of all that it lists.
"""

from typing import Annotated, Any, Final, TypeVar

import msgspec
from msgspec import Meta

VERSION: Final = 1
MAX_BYTES: Final = 16_384  # the longest that is sent has 4 kB
MAX_LISTED: Final = 64

Text = Annotated[str, Meta(max_length=200)]
Count = Annotated[int, Meta(ge=0, le=2**62)]
Nanoseconds = Annotated[int, Meta(ge=-(2**62), le=2**62)]
Names = Annotated[tuple[str, ...], Meta(max_length=MAX_LISTED)]
Numbers = Annotated[list[float], Meta(max_length=MAX_LISTED)]
Vector = tuple[float, float, float]
Vectors = Annotated[list[Vector], Meta(max_length=8)]
Matrix = tuple[Vector, Vector, Vector]


class Body(msgspec.Struct, frozen=True, kw_only=True):
    """What every message begins with; further fields of a later sender are passed over."""

    version: int = VERSION
    session: Text
    """Whose it is: made anew at every start of a daemon; a decoder has its own."""
    seq: Count
    """Rises with every message of a session."""
    t_mono_ns: Nanoseconds
    """CLOCK_MONOTONIC of the sender; only differences mean something to others."""
    valid: bool
    """Whether it may be acted on."""


class Twin(msgspec.Struct, frozen=True, kw_only=True):
    """The hand as the loop knows it. SI units, in the world's frame."""

    time_s: float
    joint_pos: Numbers
    """[rad], of ``joints``."""
    joint_vel: Numbers
    """[rad/s], of ``joints``."""
    activation: Numbers
    """0-1, of ``muscles``."""
    palm_pos: Vector = (0.0, 0.0, 0.0)
    """[m]."""
    palm_rot: Matrix = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
    """Row by row."""
    object_pos: Vectors = []
    """[m]."""
    object_vel: Vectors = []
    """[m/s]."""


class Command(Body, frozen=True, kw_only=True):
    """Daemon to others, once a tick. Not valid, or older than its time to live: rest."""

    ttl_ms: float
    """From ``t_mono_ns`` on."""
    state: Text = ""
    """Of the supervisor; from the follower."""
    reason: Text = ""
    """Why it is not valid."""
    reset: Count = 0
    """To a plant: another number than before asks for the start of the task, paused."""
    rate_hz: float
    """Of the loop."""
    muscles: Names
    excitation: Numbers
    """0-1, of ``muscles``; zeros when it is not valid."""
    joints: Names
    joint_target: Numbers | None = None
    """[rad], of ``joints``: where a posture is passed through instead of excitations."""
    twin: Twin | None = None
    """From the follower; a plant knows its own hand."""


class FeedbackMessage(Body, frozen=True, kw_only=True):
    """A plant to the daemon; ``session`` is that of the command that it answers."""

    peer: Text
    """Its own identity, made anew at every start."""
    reply_to: Count
    """``seq`` of the newest command that it took."""
    reset: Count
    """The newest ``reset`` that it carried out."""
    reason: Text = ""
    """Why it is not valid, in words."""
    muscles: Names
    joints: Names
    hand: Twin


class IntentionMessage(Body, frozen=True, kw_only=True):
    """A decoder to the daemon."""

    channels: Names
    """Of the skill, in its order."""
    values: Numbers
    engage: float
    """The dead-man, 0-1."""


M = TypeVar("M", bound=Body)

KINDS: Final[dict[type[Body], bytes]] = {
    Command: b"command\0",
    FeedbackMessage: b"feedback\0",
    IntentionMessage: b"intention\0",
}
"""What a frame of each begins with: subscribe to it."""

_encode = msgspec.msgpack.Encoder().encode
_decoders: Final[dict[type[Body], msgspec.msgpack.Decoder[Any]]] = {
    kind: msgspec.msgpack.Decoder(kind) for kind in KINDS
}


class Rejected(Exception):
    """A message that is not acted on; ``reason`` is what it is counted by."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason


def encode(message: Body) -> bytes:
    """The one frame of a message."""
    return KINDS[type(message)] + _encode(message)


def decode(frame: bytes, kind: type[M]) -> M:
    """Read a frame.

    Raises:
        Rejected: too long, another kind, not MessagePack, another schema or version.
    """
    if len(frame) > MAX_BYTES:
        raise Rejected("size", f"{len(frame)} bytes, at most {MAX_BYTES}")
    topic = KINDS[kind]
    if not frame.startswith(topic):
        raise Rejected("kind", f"begins with {frame[:12]!r}, not {topic!r}")
    try:
        message: M = _decoders[kind].decode(memoryview(frame)[len(topic) :])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        why = str(error).encode("unicode_escape").decode()  # it quotes what came: one line
        raise Rejected("schema", why) from None
    if message.version != VERSION:
        raise Rejected("version", f"{message.version}, this myoloop speaks {VERSION}")
    return message
