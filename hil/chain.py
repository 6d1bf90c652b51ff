"""Decoder, daemon, driver and device as one chain: what ``myoloop hil`` looks at as a whole."""

import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import numpy as np
import zmq
from numpy.typing import NDArray

from bridges.control.status import text_of
from bridges.zeromq.messages import IntentionMessage, encode
from controller import rundir
from controller.cell import CellReader
from controller.errors import HostError, MyoloopError
from controller.follower import STATUS, FollowerState
from controller.skills.skill import Channel
from controller.supervisor.states import State
from hil.daemon_process import START_UP_S, DaemonProcess

PRIORITY: Final = 50  # SCHED_FIFO of loop and driver, where it is granted: the device is on trial
WORK_S: Final = 5.0
SAMPLE_S: Final = 0.01  # between two intentions
LOOK_S: Final = 0.001  # between two looks at what the driver did


class Chain(DaemonProcess):
    """A daemon that passes an intention through to a device; the decoder is this process.

    Args:
        folder: for its files.
        session: as a session file has it, with a ZeroMQ source and the device as first follower.
        channels: of its skill.
        rest: values that ask for nothing, (channels,).

    Attributes:
        to_wire_ns: from the beginning of a tick to its command on the line, for each that was seen.
    """

    def __init__(
        self,
        folder: Path,
        session: dict[str, Any],
        channels: tuple[Channel, ...],
        rest: NDArray[np.float64],
    ) -> None:
        super().__init__(f"hil-{uuid.uuid4()}", folder, self.play)
        self.to_wire_ns: list[int] = []
        self._labels = tuple(channel.label for channel in channels)
        self._values, self.engage = rest, 0.0
        self._context, self._seq = zmq.Context(), 0
        self._socket = self._context.socket(zmq.PUB)
        self._status: CellReader | None = None
        self._seen_tick = -1
        address = f"ipc://{folder}/intention"
        device = session["followers"][0]
        device["options"]["report_session"] = self.name
        device["priority"] = PRIORITY - 1
        self._follower = device["use"]
        source = {"use": "zmq", "options": {"bind": address, "wait_s": START_UP_S}}
        realtime = {"priority": PRIORITY}
        self._socket.connect(address)
        self.start({**session, "name": self.name, "source": source, "realtime": realtime})
        self.wait_until(self._is_told_of, START_UP_S, "the driver does not start")

    # --- the decoder ---------------------------------------------------------------

    def aim(self, values: NDArray[np.float64]) -> None:
        """What is passed through from now on, (channels,)."""
        self._values = values

    def _say(self) -> None:
        self._seq += 1
        message = IntentionMessage(
            session=self.name,
            seq=self._seq,
            t_mono_ns=time.monotonic_ns(),
            valid=True,
            channels=self._labels,
            values=self._values.tolist(),
            engage=self.engage,
        )
        self._socket.send(encode(message))

    def play(self, seconds: float) -> None:
        """Let the intention flow, and note when commands leave."""
        end = time.monotonic() + seconds
        said_s = 0.0
        while time.monotonic() < end:
            if time.monotonic() - said_s >= SAMPLE_S:
                said_s = time.monotonic()
                self._say()
            self._note_wire()
            time.sleep(LOOK_S)

    def wait_until(self, wanted: Callable[[], bool], wait_s: float, otherwise: str) -> None:
        """Let the intention flow until it is as wanted.

        Raises:
            MyoloopError: it never is; says so in these words.
            HostError: the daemon ended, in its own words.
        """
        if self.until(wanted, wait_s):
            return
        if not self.alive:
            raise HostError(f"the daemon ended: {self.said or 'without a word'}")
        raise MyoloopError(otherwise)

    # --- the driver ----------------------------------------------------------------

    def _is_told_of(self) -> bool:
        with suppress(HostError):  # not there yet
            cell = rundir.root() / self.name / f"{self._follower}.status"
            self._status = CellReader(cell, STATUS)
        return self._status is not None

    @property
    def driver(self) -> tuple[FollowerState, str]:
        """How the driver says it is, and why."""
        status = self._status.read() if self._status else None
        if status is None:
            return FollowerState.STARTING, ""
        return FollowerState(int(status["state"])), text_of(status["reason"])

    def _note_wire(self) -> None:
        status = self._status.read() if self._status else None
        if status is None or int(status["tick"]) <= self._seen_tick:
            return
        self._seen_tick = int(status["tick"])
        record = self.board.read(self._seen_tick)
        if record is not None:
            self.to_wire_ns.append(int(status["left_ns"]) - int(record["time_ns"]))

    def work(self) -> None:
        """Arm, as soon as everything is there, and engage.

        Raises:
            MyoloopError: it can't be armed.
        """
        self.engage = 0.0
        self.arm()
        self.engage = 1.0
        self.wait_until(lambda: self.state is State.ACTIVE, WORK_S, "it does not start to work")

    def close(self) -> None:
        """End the daemon in order."""
        super().close()
        self._context.destroy(linger=0)
