"""The control port: a process between clients and the loop, which only ever reads a cell.

Each request becomes a count in the cell of orders; the answer is what the board shows once the
loop has taken it. Flooding this port costs the loop nothing.
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
import zmq
from numpy.typing import NDArray

from bridges.control import curve
from bridges.control.estop_stream import EstopStream
from bridges.control.messages import (
    MAX_BYTES,
    Reply,
    Request,
    decode_request,
    encode,
)
from bridges.control.status import lacking, status_of, text_of
from bridges.follow import Follow
from controller.errors import MyoloopError
from controller.follower import FollowerState
from controller.orders import ORDERS, SWAP, OrderWriter
from controller.rundir import ENDPOINT, Endpoint
from controller.session import ControlSettings
from controller.settings import convert
from controller.supervisor.states import Order, State

LOOK_MS: Final = 10
TAKEN_S: Final = 1.0  # the loop takes an order at its next tick, or never: orders.TTL_NS
SHADOW_S: Final = 2.0
VET_S: Final = 50.0
ATTENDED_S: Final = 0.5  # a dead-man client sends five times as often
MAX_PENDING: Final = 64
MAX_BURST: Final = 20  # requests between two looks at everything else
ORDER_OF: Final = {
    "arm": Order.ARM,
    "disarm": Order.DISARM,
    "estop": Order.ESTOP,
    "reset": Order.RESET,
}
Record = NDArray[np.void]


@dataclass(frozen=True)
class Asker:
    """Where an answer goes, and to which of its requests."""

    frames: list[bytes]
    number: int = 0


@dataclass(frozen=True)
class Pending:
    """An answer that is owed; ``answer`` gives None as long as there is none."""

    to: Asker
    answer: Callable[[Record], Reply | None]
    deadline_s: float
    late: str


class Server:
    """Takes requests, gives orders, answers."""

    def __init__(self, follow: Follow, settings: ControlSettings) -> None:
        self._follow, self._context = follow, follow.job.context
        self._settings = settings
        self._orders = OrderWriter(self._context.cell("orders"))
        self._pending: list[Pending] = []
        self._held_s = -ATTENDED_S
        self._zmq = zmq.Context()
        self._socket = self._zmq.socket(zmq.ROUTER)
        self._socket.linger = 0
        self._socket.maxmsgsize = MAX_BYTES
        self._socket.rcvhwm = self._socket.sndhwm = 100
        self._guard = (
            curve.serve(self._socket, settings.server_key, settings.clients)
            if settings.server_key
            else None
        )
        self._socket.bind(settings.bind)
        self._estop = EstopStream(settings.estop_stream) if settings.estop_stream else None
        self._announce()

    def _announce(self) -> None:
        address = bytes(self._socket.getsockopt(zmq.LAST_ENDPOINT)).decode().rstrip("\0")
        key = self._settings.server_key
        public = curve.load_keys(key, "server_key")[0].decode() if key else ""
        path = self._context.cell(ENDPOINT)
        part = path.with_suffix(".new")
        part.write_bytes(msgspec.json.encode(Endpoint(address=address, server_key=public)))
        part.replace(path)

    def run(self) -> None:
        """Until the daemon ends."""
        while not self._follow.over:
            self._socket.poll(LOOK_MS)
            for _ in range(MAX_BURST):
                if not self._take():
                    break
            if self._estop and self._estop.take():
                self._orders.give(Order.ESTOP)
            self._orders.attend(time.monotonic() - self._held_s < ATTENDED_S)
            self._answer()
            self._tell()
        self._socket.close()
        if self._guard:
            self._guard.stop()
        if self._estop:
            self._estop.close()

    def _tell(self) -> None:
        trouble = self._estop.trouble if self._estop else ""
        self._follow.tell(FollowerState.FAULT if trouble else FollowerState.READY, trouble)

    def _take(self) -> bool:
        try:
            *frames, frame = self._socket.recv_multipart(zmq.NOBLOCK)
        except zmq.Again:
            return False
        to = Asker(frames)
        try:
            request = decode_request(frame)
            to = Asker(frames, request.number)
            reply = self._begin(to, request)
        except MyoloopError as error:
            reply = Reply(ok=False, message=str(error))
        if reply:
            self._send(to, reply)
        return True

    def _send(self, to: Asker, reply: Reply) -> None:
        frame = encode(msgspec.structs.replace(reply, number=to.number))
        try:
            self._socket.send_multipart([*to.frames, frame], zmq.NOBLOCK)
        except zmq.ZMQError:
            return  # it went away, or reads nothing: its loss

    def _begin(self, to: Asker, request: Request) -> Reply | None:
        """Act on a request; a reply if it can be given at once."""
        if request.verb == "estop":  # nothing comes before it, no queue is too long
            self._order(to, request)
            return None
        if len(self._pending) >= MAX_PENDING:
            return Reply(ok=False, message="too many requests wait for the loop")
        if request.verb == "hold":
            self._held_s = time.monotonic()
            return self._status()
        if request.verb == "status":
            return self._status()
        if request.verb == "swap":
            self._vet(to, request.text)
        else:
            self._order(to, request)
        return None

    def _status(self) -> Reply:
        record = self._follow.newest()
        if record is None:
            return Reply(ok=False, message="the loop has not ticked yet")
        status = status_of(record, self._context)
        return Reply(ok=True, state=status["state"], status=status)

    def _order(self, to: Asker, request: Request) -> None:
        order = ORDER_OF[request.verb]
        count, index = self._orders.give(order), ORDERS.index(order)

        def answer(record: Record) -> Reply | None:
            return _outcome(order, record) if record["taken"][index] >= count else None

        then = "it will at its next" if order in (Order.ESTOP, Order.DISARM) else "nothing was done"
        self._owe(to, answer, TAKEN_S, f"the loop does not tick; {then}")

    def _owe(
        self, to: Asker, answer: Callable[[Record], Reply | None], wait_s: float, late: str
    ) -> None:
        if len(self._pending) < MAX_PENDING:
            self._pending.append(Pending(to, answer, time.monotonic() + wait_s, late))

    def _answer(self) -> None:
        record = self._follow.newest()
        left = []
        for one in self._pending:
            reply = None if record is None else one.answer(record)
            if reply is None and time.monotonic() > one.deadline_s:
                reply = Reply(ok=False, message=one.late)
            if reply is None:
                left.append(one)
            else:
                self._send(one.to, reply)
        self._pending = left

    # --- swap ----------------------------------------------------------------------

    def _vet(self, to: Asker, path: str) -> None:
        """Have the policy checked by a process of its own; then order it."""
        about = self._context.about
        file = str(Path(path).resolve())
        vetting = subprocess.Popen(
            [
                *(sys.executable, "-m", "controller.vet"),
                *(file, about["skill"], f"{self._context.rate_hz!r}"),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        ordered: list[tuple[int, int, float]] = []  # count, policy's number before, since when

        def answer(record: Record) -> Reply | None:
            if vetting.poll() is None:
                return None
            if not ordered:
                out, err = vetting.communicate()
                if vetting.returncode:
                    last = (err.strip().splitlines() or ["it could not be checked"])[-1]
                    return Reply(ok=False, message=last, state=_state(record))
                count = self._orders.swap(f"{out.strip()} {file}")
                ordered.append((count, int(record["policy"]), time.monotonic()))
            return _swapped(record, *ordered[0])

        self._owe(to, answer, VET_S, "it was not taken over in time")


def _state(record: Record) -> str:
    return State(int(record["state"])).name


def _swapped(record: Record, count: int, before: int, since_s: float) -> Reply | None:
    if record["policy"] > before:
        return Reply(ok=True, message="the new policy is in charge", state=_state(record))
    note = text_of(record["note"])
    if record["taken"][SWAP] >= count and note.startswith("swap refused"):
        return Reply(ok=False, message=note, state=_state(record))
    if time.monotonic() - since_s > SHADOW_S:
        waits = "checked: it takes over as soon as the hand is relaxed or held"
        return Reply(ok=True, message=waits, state=_state(record))
    return None


def _outcome(order: Order, record: Record) -> Reply:
    """What came of an order that the loop has taken."""
    state = State(int(record["state"]))
    if order is Order.ARM:
        lacks = lacking(record)
        ok = not lacks and (state is State.ARMING or state.working)
        message = "armed: raise engage to start" if ok else "not armed: " + "; ".join(lacks)
    elif order is Order.ESTOP:
        ok, message = state is State.FAULT, "stopped"
    elif order is Order.DISARM:
        ok, message = state is not State.ARMING and not state.working, "disarmed"
    else:
        ok = state is State.DISARMED
        message = "reset" if ok else f"not reset: {text_of(record['note']) or 'not at rest yet'}"
    return Reply(ok=ok, message=message, state=state.name)


def main() -> None:
    """Serve until the daemon ends."""
    follow = Follow.from_arguments()
    settings = convert(follow.job.options, ControlSettings, "control")
    try:
        Server(follow, settings).run()
    except (MyoloopError, zmq.ZMQError) as error:
        follow.tell(FollowerState.FAULT, f"{settings.bind}: {error}")
        sys.exit(f"myoloop: control port {settings.bind}: {error}")


if __name__ == "__main__":
    main()
    os._exit(0)  # no thread of a library keeps it
