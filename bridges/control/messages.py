"""What goes over the control port: MessagePack, typed, versioned, bounded in size."""

from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from controller.errors import MyoloopError

VERSION: Final = 1
MAX_BYTES: Final = 16_384  # a status of some followers is 2 kB

Verb = Literal["arm", "disarm", "estop", "reset", "status", "swap", "hold"]


class Request(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Client to daemon."""

    version: int = VERSION
    number: int = 0
    """The client's own; its answer carries the same."""
    verb: Verb
    text: Annotated[str, Meta(max_length=1000)] = ""
    """Of ``swap``: path of the policy, as the daemon's machine sees it."""


class Reply(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Daemon to client.

    Attributes:
        number: of the request that it answers.
        ok: whether what was asked for has happened.
        message: what happened, or why not, in words.
        status: of ``status``; see docs/control.md.
    """

    version: int = VERSION
    number: int = 0
    ok: bool
    message: str = ""
    state: str = ""
    status: dict[str, Any] = {}


_requests = msgspec.msgpack.Decoder(Request)
_replies = msgspec.msgpack.Decoder(Reply)


def decode_request(frame: bytes) -> Request:
    """Read a request.

    Raises:
        MyoloopError: too large, not MessagePack, not of this version, not a known verb.
    """
    if len(frame) > MAX_BYTES:
        raise MyoloopError(f"{len(frame)} bytes; at most {MAX_BYTES}")
    try:
        request = _requests.decode(frame)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        why = str(error).encode("unicode_escape").decode()  # it quotes what came: one line
        raise MyoloopError(f"not a request: {why}") from None
    if request.version != VERSION:
        raise MyoloopError(f"version {request.version}; this daemon speaks {VERSION}")
    return request


def decode_reply(frame: bytes) -> Reply:
    """Read a reply.

    Raises:
        MyoloopError: the other side is no control port of this version.
    """
    try:
        return _replies.decode(frame)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise MyoloopError(f"the answer is not one of a control port: {error}") from None


encode = msgspec.msgpack.Encoder().encode
