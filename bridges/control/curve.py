"""CURVE keys: who may connect to a socket that is bound beyond this machine (RFC 26/ZMTP-CURVE).

Key files are those of ``zmq.auth.create_certificates``: NAME.key and NAME.key_secret.
"""

from pathlib import Path
from typing import Final, Protocol
from urllib.parse import urlsplit

import zmq
import zmq.auth
from zmq.auth.thread import ThreadAuthenticator

from controller.errors import SettingsError

LOOPBACK: Final = ("127.0.0.1", "localhost", "[::1]")


class Bound(Protocol):
    """Settings of a socket that listens."""

    @property
    def bind(self) -> str:
        """ZeroMQ endpoint."""
        ...

    @property
    def server_key(self) -> str:
        """CURVE secret key file of this daemon (NAME.key_secret)."""
        ...

    @property
    def clients(self) -> str:
        """Folder of the CURVE public keys (*.key) that may connect."""
        ...


def check(settings: Bound, origin: str, key: str = "bind") -> None:
    """Refuse an open port.

    Args:
        settings: where it listens.
        origin: where they came from, for errors.
        key: under which the endpoint stands there.

    Raises:
        SettingsError: the endpoint reaches beyond this machine and has no keys, or keys are
            missing.
    """
    if bool(settings.server_key) != bool(settings.clients):
        raise SettingsError(f"{origin}: server_key and clients belong together; one is missing")
    if not settings.server_key and not is_loopback(settings.bind):
        raise SettingsError(
            f"{origin}.{key}: {settings.bind!r} is reachable from other machines; give server_key "
            "and clients, or bind to tcp://127.0.0.1:*"
        )
    if settings.server_key:
        load_keys(settings.server_key, f"{origin}.server_key")
        if not list(Path(settings.clients).glob("*.key")):
            raise SettingsError(f"{origin}.clients: {settings.clients}: no *.key file in it")


def is_loopback(address: str) -> bool:
    """Whether an endpoint can only be reached from this machine."""
    parts = urlsplit(address)
    return parts.scheme == "ipc" or parts.netloc.rpartition(":")[0] in LOOPBACK


def load_keys(path: str, origin: str) -> tuple[bytes, bytes]:
    """Public and secret key of a NAME.key_secret file.

    Raises:
        SettingsError: not such a file.
    """
    try:
        public, secret = zmq.auth.load_certificate(path)
    except (OSError, ValueError) as error:
        raise SettingsError(f"{origin}: {path}: not a key file: {error}") from None
    if secret is None:
        raise SettingsError(f"{origin}: {path}: no secret key in it; NAME.key_secret is needed")
    return public, secret


def serve(socket: "zmq.Socket[bytes]", server_key: str, clients: str) -> ThreadAuthenticator:
    """Let only clients in whose public key lies in the folder; stop what is returned at the end."""
    guard = ThreadAuthenticator(socket.context)
    guard.start()
    guard.configure_curve(domain="*", location=clients)
    socket.curve_publickey, socket.curve_secretkey = load_keys(server_key, "server_key")
    socket.curve_server = True
    return guard


def connect(socket: "zmq.Socket[bytes]", address: str, client_key: str, server_public: str) -> None:
    """Connect to a daemon, with keys as the owner of a key file.

    Args:
        socket: that connects.
        address: ZeroMQ endpoint.
        client_key: NAME.key_secret, "" for a daemon without keys.
        server_public: the daemon's public key, "" for none.

    Raises:
        SettingsError: one of them is none.
    """
    if client_key or server_public:
        socket.curve_publickey, socket.curve_secretkey = load_keys(client_key, "--key")
        try:
            socket.curve_serverkey = server_public.encode()
        except zmq.ZMQError:
            raise SettingsError(
                f"--server-key {server_public!r}: no public key; it stands in the daemon's NAME.key"
            ) from None
    try:
        socket.connect(address)
    except zmq.ZMQError:
        raise SettingsError(f"{address!r}: no endpoint, such as tcp://10.0.0.2:5601") from None
