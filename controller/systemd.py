"""Readiness and watchdog for systemd (sd_notify(3)): one datagram, nothing without a socket."""

import os
import socket
from contextlib import suppress
from typing import Final

EVERY_NS: Final = 500_000_000  # far more often than a sensible WatchdogSec


class Notifier:
    """Says READY with the first tick, and WATCHDOG while ticks go on."""

    def __init__(self) -> None:
        self._address = os.environ.get("NOTIFY_SOCKET", "")
        self._socket: socket.socket | None = None
        self._due_ns = 0
        if self._address:
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            self._socket.setblocking(False)

    def alive(self, now_ns: int) -> None:
        """A tick is over."""
        if self._socket is None or now_ns < self._due_ns:
            return
        word = b"WATCHDOG=1" if self._due_ns else b"READY=1\nWATCHDOG=1"
        self._due_ns = now_ns + EVERY_NS
        with suppress(OSError):  # systemd is busy or gone; the hand is not
            self._socket.sendto(word, self._address.replace("@", "\0", 1))

    def close(self) -> None:
        """Say no more."""
        if self._socket is not None:
            self._socket.close()
