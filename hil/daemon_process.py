"""A daemon of ours in a process of its own: started, asked, looked at through its board, ended."""

import shutil
import subprocess
import sys
import time
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
from bridges.control.messages import Reply, Verb
from bridges.control.status import text_of
from controller import data, rundir
from controller.board import BoardReader
from controller.closing import Closing
from controller.errors import HostError, MyoloopError
from controller.rundir import Endpoint
from controller.session import load_session
from controller.supervisor.states import State

START_UP_S: Final = 30.0
END_S: Final = 10.0
ANSWER_S: Final = 5.0
LOOK_S: Final = 0.01
ARM_AGAIN_S: Final = 0.2

Play = Callable[[float], None]
"""Lets the intention flow for a while [s]."""


def derived(template: str, name: str) -> dict[str, Any]:
    """A session as plain data, under another name, that can be written anywhere.

    Args:
        template: its file.
        name: of the session, and of the LSL session and the sender of its intention.
    """
    path = data.find(template)
    session = load_session(path)
    plain: dict[str, Any] = msgspec.to_builtins(session)
    plain["name"] = name
    plain["policy"] = str(data.find(session.policy, path.parent)) if session.policy else ""
    plain["safety"] = str(data.find(session.safety, path.parent))
    plain["source"]["options"] |= {"session": name, "source_id": name}
    return plain


class DaemonProcess(Closing):
    """One daemon after the other, each on a session of its own.

    Args:
        name: of their sessions.
        folder: for what they write.
        play: lets the intention flow while somebody waits here.

    Attributes:
        name: of their sessions.
        folder: for what they write.
        report: of the one that ended last.
    """

    def __init__(self, name: str, folder: Path, play: Play) -> None:
        self.name, self.folder, self._play = name, folder, play
        self.report: dict[str, Any] = {}
        self._process: subprocess.Popen[bytes] | None = None
        self._board: BoardReader | None = None

    def start(self, session: dict[str, Any]) -> None:
        """Start it; it ticks when this returns.

        Raises:
            HostError: it does not, with its own words.
        """
        file = self.folder / "session.yaml"
        file.write_text(yaml.safe_dump(session), encoding="utf-8")
        self._board = None
        with self._errors.open("wb") as said:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "controller.cli", "run", str(file)]
                + ["--report", str(self._report)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=said,
                start_new_session=True,  # Ctrl-C ends whoever started it, who ends it in order
            )
        if not self.until(self._ticks, START_UP_S):
            self.end()
            raise HostError(f"the daemon did not start: {self.said or 'it does not tick'}")

    @property
    def _report(self) -> Path:
        return self.folder / "report.json"

    @property
    def _errors(self) -> Path:
        return self.folder / "daemon.err"

    @property
    def said(self) -> str:
        """Its own words, on its standard error."""
        return self._errors.read_text(errors="replace").strip()

    def _ticks(self) -> bool:
        with suppress(HostError):  # not there yet
            board = BoardReader(rundir.root() / self.name / "board")
            if board.newest >= 0 and board.owner_pid == self.pid:
                self._board = board
        return self._board is not None

    def until(self, wanted: Callable[[], bool], wait_s: float) -> bool:
        """Let the intention flow until it is as wanted; False if it is not, or the daemon ends."""
        deadline = time.monotonic() + wait_s
        while not wanted():
            if not self.alive or time.monotonic() > deadline:
                return False
            self._play(LOOK_S)
        return True

    # --- what it does --------------------------------------------------------------

    @property
    def pid(self) -> int:
        """Of the daemon."""
        assert self._process is not None  # it was started
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self._process is not None and self._process.poll() is None

    @property
    def board(self) -> BoardReader:
        """What it publishes."""
        assert self._board is not None  # it ticks
        return self._board

    @property
    def record(self) -> NDArray[np.void]:
        """The newest tick."""
        while (found := self.board.read(self.board.newest)) is None:
            pass  # overwritten while it was read
        return found

    @property
    def state(self) -> State:
        """Where the supervisor is."""
        return State(int(self.record["state"]))

    @property
    def note(self) -> str:
        """The newest trouble, in words."""
        return text_of(self.record["note"])

    # --- what it is told -----------------------------------------------------------

    @property
    def endpoint(self) -> Endpoint:
        """Its control port."""
        return rundir.endpoint(rundir.find(self.name))

    def ask(self, verb: Verb, text: str = "", wait_s: float = ANSWER_S) -> Reply:
        """Over the control port, while the intention flows.

        Raises:
            MyoloopError: no answer.
        """
        reply = self._answer(verb, text, wait_s)
        if reply is None:
            raise MyoloopError(f"{verb}: no answer")
        return reply

    def _answer(self, verb: Verb, text: str, wait_s: float) -> Reply | None:
        found: list[Reply] = []
        with Client(self.endpoint) as client:
            client.send(verb, text)

            def answered() -> bool:
                reply = client.answer()
                found.extend([reply] if reply else [])
                return bool(found)

            self.until(answered, wait_s)
        return found[0] if found else None

    def arm(self) -> None:
        """Arm it as soon as everything is there; the dead-man has to be low.

        Raises:
            MyoloopError: it can't be armed, in its own words.
        """
        deadline = time.monotonic() + START_UP_S
        while (reply := self._answer("arm", "", ANSWER_S)) is None or not reply.ok:
            if not self.alive or time.monotonic() > deadline:
                raise MyoloopError(reply.message if reply else "the daemon can't be armed")
            self._play(ARM_AGAIN_S)

    def signal(self, number: int) -> None:
        """Send it a signal."""
        assert self._process is not None  # it was started
        self._process.send_signal(number)

    def kill(self) -> None:
        """It dies, and nothing of it has time for anything."""
        assert self._process is not None  # it was started
        self._process.kill()
        self._process.wait()

    def end(self) -> None:
        """End it in order, and make sure."""
        if self._process is None:
            return
        processes.end(self._process, END_S)
        self._process = None
        if self._report.exists():
            self.report = msgspec.json.decode(self._report.read_bytes())
            self._report.unlink()

    def close(self) -> None:
        """End it, and leave nothing behind."""
        self.end()
        shutil.rmtree(rundir.root() / self.name, ignore_errors=True)  # of one that was killed
