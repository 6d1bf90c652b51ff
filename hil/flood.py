"""Floods a control port on this machine: ``python -m hil.flood tcp://127.0.0.1:PORT``.

Bounded in number and time; for ``myoloop hazards`` and its tests.
"""

import os
import sys
import time
from typing import Final

import zmq

from bridges.control.curve import is_loopback
from bridges.control.messages import Request, encode

MESSAGES: Final = 200_000
SECONDS: Final = 5.0
CLIENTS: Final = 4


def main() -> None:
    """Send garbage and requests for status, four clients at once."""
    address = sys.argv[1]
    if not is_loopback(address):
        sys.exit(f"{address}: only this machine's own port is flooded")
    context = zmq.Context()
    sockets = [context.socket(zmq.DEALER) for _ in range(CLIENTS)]
    for socket in sockets:
        socket.linger = 0
        socket.connect(address)
    status, deadline = encode(Request(verb="status")), time.monotonic() + SECONDS
    for number in range(MESSAGES):
        frame = status if number % 3 else os.urandom(number % 512)
        for socket in sockets:
            try:
                socket.send_multipart([b"", frame], zmq.NOBLOCK)
                while socket.poll(0):
                    socket.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                pass
        if time.monotonic() > deadline:
            break


if __name__ == "__main__":
    main()
