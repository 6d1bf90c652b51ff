"""The follower ``zmq``: publishes each tick's command and the twin's state."""

from typing import Annotated, Any

import msgspec
import zmq
from msgspec import Meta

from bridges.between import FeedRate
from bridges.control import curve
from bridges.follower_process import FollowerProcess
from bridges.zeromq.exchange import Socket
from controller.errors import HostError
from controller.follower import FollowerContext, FollowerInfo
from controller.settings import convert

Address = Annotated[str, Meta(min_length=1)]


class PublisherOptions(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Where to publish, and who may listen."""

    bind: Address = "tcp://127.0.0.1:5612"
    """ZeroMQ endpoint; beyond this machine only with ``server_key`` and ``clients``."""
    server_key: str = ""
    """CURVE secret key file of this daemon (NAME.key_secret)."""
    clients: str = ""
    """Folder of the CURVE public keys (*.key) that may connect."""
    feed_hz: FeedRate | None = None
    """How often it publishes, between two ticks values between allowed commands; else each tick."""


def create(
    name: str, options: dict[str, Any], required: bool, context: FollowerContext, origin: str
) -> FollowerProcess:
    """Start publishing, in a process of its own.

    Raises:
        SettingsError: an option is unknown, or the port would be open to everybody.
        HostError: the endpoint is taken.
    """
    chosen = convert(options, PublisherOptions, origin)
    curve.check(chosen, origin)
    open_socket(zmq.PUB, chosen, f"{origin}.bind").close()  # refused now rather than later
    return FollowerProcess("bridges.zeromq.publish", FollowerInfo(name, required), options, context)


def open_socket(kind: int, settings: curve.Bound, origin: str, topic: bytes = b"") -> Socket:
    """Bind a socket.

    Raises:
        HostError: the endpoint is taken, or is none.
    """
    try:
        return Socket(kind, settings, topic)
    except zmq.ZMQError as error:
        raise HostError(f"{origin}: {settings.bind}: {error.strerror}") from None
