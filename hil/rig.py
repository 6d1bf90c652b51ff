"""A daemon under measurement: its session, its intention, pushed from here, and its ticks."""

import os
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
import yaml
from numpy.typing import NDArray

from bridges import processes
from bridges.control.client import Client
from bridges.lsl_outlet import IntentionOutlet
from controller import data, rundir
from controller.board import RECORD, BoardReader
from controller.closing import Closing
from controller.errors import HostError, MyoloopError
from controller.session import FollowerSettings, RealTimeSettings, load_session
from controller.skills.baoding import CHANNELS
from controller.skills.skill import Channel
from controller.supervisor.states import State

SESSION: Final = "configs/baoding.yaml"
SAMPLE_S: Final = 0.01
ROTATION: Final = 0.1  # one turn in 40 s
START_UP_S: Final = 30.0
END_S: Final = 10.0
ANSWER_S: Final = 3.0


class Rig(Closing):
    """Runs one daemon after the other, each as ``work`` asks; one LSL session for all.

    Args:
        session: file of the session to start from.
        channels: of its skill.
        values: what the person wants all the time, (channels,).

    Attributes:
        folder: for what the daemon writes; gone with the rig.
        report: of the daemon that ended last.
    """

    def __init__(
        self,
        session: str = SESSION,
        channels: tuple[Channel, ...] = CHANNELS,
        values: tuple[float, ...] = (ROTATION,),
    ) -> None:
        self._template, self._values = session, values
        self._temporary = tempfile.TemporaryDirectory(prefix="myoloop-rig-")
        self.folder = Path(self._temporary.name)
        self.report: dict[str, Any] = {}
        self._name = f"rig-{uuid.uuid4()}"
        self._outlet = IntentionOutlet(channels, self._name, self._name)
        self._process: subprocess.Popen[bytes] | None = None
        self._engage = 0.0

    @property
    def lsl_session(self) -> str:
        """The LSL session in which everything of this rig is, and its intention's source_id."""
        return self._name

    def cell(self, follower: str) -> Path:
        """Where a follower of the daemon says how it is."""
        return rundir.root() / self._name / f"{follower}.status"

    @property
    def pid(self) -> int:
        """Of the daemon."""
        assert self._process is not None  # work() started it
        return self._process.pid

    def work(
        self,
        rate_hz: float,
        plant: str,
        followers: list[FollowerSettings],
        realtime: RealTimeSettings,
    ) -> None:
        """Start a daemon, arm it, engage; it works when this returns.

        Raises:
            HostError: it does not start, with its own words.
            MyoloopError: it can not be brought to work.
        """
        self._engage = 0.0
        self._start(self._write_session(rate_hz, plant, followers, realtime))
        self._arm()
        self._next = self._board.settled + 1
        self._engage = 1.0
        deadline = time.monotonic() + START_UP_S
        while self.state is not State.ACTIVE:
            if time.monotonic() > deadline:
                raise MyoloopError(f"the daemon does not work: it is {self.state.name}")
            self.play(SAMPLE_S)

    def _write_session(
        self,
        rate_hz: float,
        plant: str,
        followers: list[FollowerSettings],
        realtime: RealTimeSettings,
    ) -> Path:
        template = data.find(self._template)
        session = load_session(template)
        plain: dict[str, Any] = msgspec.to_builtins(session)
        plain |= {
            "name": self._name,
            "rate_hz": rate_hz,
            "policy": str(data.find(session.policy, template.parent)) if session.policy else "",
            "safety": str(data.find(session.safety, template.parent)),
            "plant": {"use": plant},
            "followers": msgspec.to_builtins(followers),
            "realtime": msgspec.to_builtins(realtime),
        }
        plain["source"]["options"] |= {"session": self._name, "source_id": self._name}
        file = self.folder / "session.yaml"
        file.write_text(yaml.safe_dump(plain), encoding="utf-8")
        return file

    def _start(self, file: Path) -> None:
        errors = self.folder / "daemon.err"
        with errors.open("wb") as said:
            self._process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "controller.cli", "run", str(file)),
                    *("--report", str(self.folder / "report.json")),
                ],
                stdin=subprocess.DEVNULL,
                stderr=said,
                start_new_session=True,  # Ctrl-C ends the bench, which ends the daemon in order
            )
        deadline = time.monotonic() + START_UP_S
        while not self._ticks():
            if self._process.poll() is not None or time.monotonic() > deadline:
                reason = errors.read_text(errors="replace").strip()
                raise HostError(f"the daemon did not start: {reason or 'it does not tick'}")
            self._push()
            time.sleep(SAMPLE_S)
        self._next = self._board.newest

    def _ticks(self) -> bool:
        with suppress(HostError):  # not there yet
            self._board = BoardReader(rundir.root() / self._name / "board")
            return self._board.newest >= 0 and self._board.owner_pid == self.pid
        return False

    def _arm(self) -> None:
        with Client(rundir.endpoint(rundir.find(self._name))) as client:
            deadline = time.monotonic() + START_UP_S
            while True:
                self.play(0.2)
                client.send("arm")
                end, reply = time.monotonic() + ANSWER_S, None
                while reply is None and time.monotonic() < end:
                    self.play(SAMPLE_S)
                    reply = client.answer()
                if reply is not None and reply.ok:
                    return
                if time.monotonic() > deadline:
                    reason = "no answer" if reply is None else reply.message
                    raise MyoloopError(f"the daemon can't be armed: {reason}")

    @property
    def state(self) -> State:
        """Where the supervisor is."""
        record = self._board.read(self._board.newest)
        return State.DISARMED if record is None else State(int(record["state"]))

    @property
    def note(self) -> str:
        """The supervisor's newest trouble, in words."""
        record = self._board.read(self._board.newest)
        return "" if record is None else bytes(record["note"]).decode(errors="replace")

    def _push(self) -> None:
        self._outlet.push(self._values, self._engage)

    def play(self, seconds: float) -> None:
        """Let the intention flow."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self._push()
            time.sleep(SAMPLE_S)

    def watch(
        self, seconds: float, look: Callable[[], None] | None = None, look_s: float = SAMPLE_S
    ) -> NDArray[np.void]:
        """Let the intention flow; every tick since the arming or the last call, (n,) records.

        Args:
            seconds: how long.
            look: what else to look at.
            look_s: how often [s].

        Raises:
            HostError: a tick was overwritten before it was read.
        """
        end, found, push_s = time.monotonic() + seconds, [], 0.0
        while (now_s := time.monotonic()) < end:
            if now_s >= push_s:
                self._push()
                push_s = now_s + SAMPLE_S
                found += self._new_ticks()
            if look:
                look()
            time.sleep(look_s)
        return np.array(found, RECORD)

    def _new_ticks(self) -> list[NDArray[np.void]]:
        found, last = [], self._board.settled
        while self._next <= last:
            record = self._board.read(self._next)
            if record is None:
                raise HostError(f"tick {self._next} was overwritten before it was read")
            found.append(record)
            self._next += 1
        return found

    def stall(self, seconds: float, after_s: float) -> NDArray[np.void]:
        """Stop the daemon's process for a while; the ticks round that, (n,) board records."""
        before = self.watch(after_s)
        os.kill(self.pid, signal.SIGSTOP)
        self.play(seconds)
        os.kill(self.pid, signal.SIGCONT)
        return np.concatenate([before, self.watch(after_s)])

    def end(self) -> None:
        """End the daemon in order, and make sure."""
        if self._process is None:
            return
        processes.end(self._process, END_S)
        self._process = None
        file = self.folder / "report.json"
        if file.exists():
            self.report = msgspec.json.decode(file.read_bytes())

    def close(self) -> None:
        """End the daemon, and leave nothing behind."""
        self.end()
        self._outlet.close()
        self._temporary.cleanup()
