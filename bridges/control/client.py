"""The client's side of the control port."""

import time
from contextlib import suppress
from typing import Final, Self

import zmq

from bridges.control import curve
from bridges.control.messages import Reply, Request, Verb, decode_reply, encode
from controller import rundir
from controller.closing import Closing
from controller.errors import HostError, MyoloopError
from controller.rundir import Endpoint

ANSWER_S: Final = 3.0  # the loop answers within a tick; a swap has its own patience
SWAP_S: Final = 60.0


class Client(Closing):
    """Asks one daemon; a request at a time.

    Args:
        endpoint: where it listens.
        key: CURVE secret key file of this client, for a server with keys.
    """

    def __init__(self, endpoint: Endpoint, key: str = "") -> None:
        if endpoint.server_key and not key:
            raise MyoloopError(f"{endpoint.address} wants to know who asks: give --key")
        self._endpoint, self._key = endpoint, key
        self._context = zmq.Context()
        self._socket = self._connect()
        self._number = 0

    @classmethod
    def of(cls, session: str = "", key: str = "") -> Self:
        """To the daemon that runs this session here, or the only one that runs."""
        return cls(rundir.endpoint(rundir.find(session)), key)

    def _connect(self) -> "zmq.Socket[bytes]":
        socket = self._context.socket(zmq.DEALER)  # unlike REQ it survives a lost answer
        socket.linger = 0
        key = self._key if self._endpoint.server_key else ""  # a daemon without keys asks for none
        curve.connect(socket, self._endpoint.address, key, self._endpoint.server_key)
        return socket

    def ask(self, verb: Verb, text: str = "") -> Reply:
        """Send one request and wait for its answer.

        Raises:
            HostError: no answer; the daemon is gone, frozen, or refuses this key.
        """
        self.send(verb, text)
        patience_s = SWAP_S if verb == "swap" else ANSWER_S
        deadline = time.monotonic() + patience_s
        while (left_s := deadline - time.monotonic()) > 0:
            if self._socket.poll(int(left_s * 1e3) + 1) and (reply := self.answer()):
                return reply
        raise HostError(f"{self._endpoint.address} does not answer within {patience_s:g} s")

    def send(self, verb: Verb, text: str = "") -> None:
        """Send a request; ``answer`` has what comes of it."""
        self._number += 1
        frame = encode(Request(verb=verb, text=text, number=self._number))
        with suppress(zmq.Again):  # nobody is there, and the queue is full
            self._socket.send_multipart([b"", frame], zmq.NOBLOCK)

    def answer(self) -> Reply | None:
        """The answer to the newest request, if it has come; older ones are dropped."""
        while self._socket.poll(0):
            reply = decode_reply(self._socket.recv_multipart()[-1])
            if reply.number == self._number:
                return reply
        return None

    def close(self) -> None:
        """Disconnect."""
        self._socket.close()
        self._context.term()
