"""Decoder, daemon, driver and device as one chain: what ``myoloop hil`` looks at as a whole."""

import os
import shutil
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import numpy as np
import yaml
import zmq
from numpy.typing import NDArray

from bridges import processes
from bridges.control.client import Client
from bridges.control.messages import Reply, Verb
from bridges.control.status import text_of
from bridges.zeromq.messages import IntentionMessage, encode
from controller import rundir
from controller.board import BoardReader
from controller.cell import CellReader
from controller.closing import Closing
from controller.errors import HostError, MyoloopError
from controller.follower import STATUS, FollowerState
from controller.skills.skill import Channel
from controller.supervisor.states import State

START_UP_S: Final = 30.0
END_S: Final = 10.0
SAMPLE_S: Final = 0.01  # between two intentions
LOOK_S: Final = 0.001  # between two looks at what the driver did


class Emulator:
    """An emulated device in a process of its own, and its diary.

    Args:
        kind: of the device, and options of its own.
        folder: for its files.
        fault: as ``--fault`` takes it.

    Raises:
        HostError: it does not start.
    """

    def __init__(self, kind: tuple[str, ...], folder: Path, fault: str = "") -> None:
        self.link, self._log = folder / "port", folder / "diary"
        self._log.unlink(missing_ok=True)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "controller.cli", "emulate", *kind, "--link", str(self.link)]
            + ["--log", str(self._log), "--fault", fault],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )
        deadline = time.monotonic() + START_UP_S
        while not (self.link.exists() and self.words):
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise HostError(f"the emulator {kind[0]} does not start")
            time.sleep(SAMPLE_S)

    @property
    def words(self) -> str:
        """How it is."""
        with suppress(FileNotFoundError):
            lines = self._log.read_text().splitlines()
            return lines[-1].partition(" ")[2] if lines else ""
        return ""

    def when(self, wanted: Callable[[str], bool], after_ns: int) -> int | None:
        """CLOCK_MONOTONIC [ns] of its first state of this kind after a time, None for none."""
        for line in self._log.read_text().splitlines():
            stamp, _, words = line.partition(" ")
            if int(stamp) > after_ns and wanted(words):
                return int(stamp)
        return None

    def pull(self) -> None:
        """Pull its cable for two seconds."""
        self._process.send_signal(signal.SIGUSR1)

    def close(self) -> None:
        """End it."""
        self._process.terminate()
        self._process.wait()


class Chain(Closing):
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
        self.name = f"hil-{uuid.uuid4()}"
        self.to_wire_ns: list[int] = []
        self._labels = tuple(channel.label for channel in channels)
        self._values, self.engage = rest, 0.0
        self._context, self._seq = zmq.Context(), 0
        self._socket = self._context.socket(zmq.PUB)
        self._errors = folder / "daemon.err"
        self._board: BoardReader | None = None
        self._status: CellReader | None = None
        self._seen_tick = -1
        address = f"ipc://{folder}/intention"
        device = session["followers"][0]
        device["options"]["report_session"] = self.name
        self._follower = device["use"]
        plain = {**session, "name": self.name}
        plain["source"] = {"use": "zmq", "options": {"bind": address, "wait_s": START_UP_S}}
        file = folder / "session.yaml"
        file.write_text(yaml.safe_dump(plain), encoding="utf-8")
        with self._errors.open("wb") as said:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "controller.cli", "run", str(file)]
                + ["--report", str(folder / "report.json")],
                stdin=subprocess.DEVNULL,
                stderr=said,
                start_new_session=True,
            )
        self._socket.connect(address)
        self.until(self._ticks, START_UP_S, "the daemon does not start")

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

    def until(self, wanted: Callable[[], bool], wait_s: float, otherwise: str) -> None:
        """Let the intention flow until it is as wanted.

        Raises:
            MyoloopError: it never is; says so in these words.
        """
        deadline = time.monotonic() + wait_s
        while not wanted():
            if self._process.poll() is not None:
                said = self._errors.read_text(errors="replace").strip()
                raise HostError(f"the daemon ended: {said or 'without a word'}")
            if time.monotonic() > deadline:
                raise MyoloopError(otherwise)
            self.play(SAMPLE_S)

    # --- the daemon ----------------------------------------------------------------

    def _ticks(self) -> bool:
        folder = rundir.root() / self.name
        with suppress(HostError):  # not there yet
            self._board = self._board or BoardReader(folder / "board")
            self._status = self._status or CellReader(folder / f"{self._follower}.status", STATUS)
            return self._board.newest >= 0
        return False

    @property
    def record(self) -> NDArray[np.void]:
        """The newest tick."""
        assert self._board is not None  # it ticks
        found = None
        while found is None:
            found = self._board.read(self._board.newest)
        return found

    @property
    def state(self) -> State:
        """Where the supervisor is."""
        return State(int(self.record["state"]))

    @property
    def note(self) -> str:
        """The newest trouble, in words."""
        return text_of(self.record["note"])

    @property
    def driver(self) -> tuple[FollowerState, str]:
        """How the driver says it is, and why."""
        status = self._status.read() if self._status else None
        if status is None:
            return FollowerState.STARTING, ""
        return FollowerState(int(status["state"])), text_of(status["reason"])

    def _note_wire(self) -> None:
        status = self._status.read() if self._status else None
        if status is None or self._board is None or int(status["tick"]) <= self._seen_tick:
            return
        self._seen_tick = int(status["tick"])
        record = self._board.read(self._seen_tick)
        if record is not None:
            self.to_wire_ns.append(int(status["left_ns"]) - int(record["time_ns"]))

    def ask(self, verb: Verb) -> Reply:
        """Over the control port, while the intention flows."""
        replies: list[Reply | None] = []

        def answered() -> bool:
            replies.append(client.answer())
            return replies[-1] is not None

        with Client(rundir.endpoint(rundir.find(self.name))) as client:
            client.send(verb)
            self.until(answered, 5.0, f"{verb}: no answer")
        assert replies[-1] is not None  # answered
        return replies[-1]

    def work(self) -> None:
        """Arm, as soon as everything is there, and engage.

        Raises:
            MyoloopError: it can't be armed.
        """
        self.engage = 0.0
        deadline = time.monotonic() + START_UP_S
        while not (reply := self.ask("arm")).ok:
            if time.monotonic() > deadline:
                raise MyoloopError(reply.message)
            self.play(0.1)
        self.engage = 1.0
        self.until(lambda: self.state is State.ACTIVE, 5.0, "it does not start to work")

    def kill(self) -> None:
        """The daemon dies, and nothing of it has time for anything."""
        os.kill(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def close(self) -> None:
        """End the daemon in order."""
        processes.end(self._process, END_S)
        self._context.destroy(linger=0)
        shutil.rmtree(rundir.root() / self.name, ignore_errors=True)  # of one that was killed
