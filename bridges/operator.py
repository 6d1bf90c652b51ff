"""The demo's operator: arms through the control port, as a person would, and has an E-STOP key."""

import math
import os
import select
import sys
import termios
import time
import tty
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Any, Final, Self

from bridges.control.client import Client
from bridges.control.messages import Verb
from controller.board import BoardReader
from controller.closing import Closing
from controller.errors import MyoloopError
from controller.supervisor.judge import ENGAGED
from controller.supervisor.states import State

KEYS: Final[dict[str, Verb]] = {"e": "estop", " ": "estop", "r": "reset", "d": "disarm"}
MAX_KEYS: Final = 100
HINT: Final = "E or space: E-STOP   R: go on   D: disarm   Ctrl-C: end"
PATIENCE_S: Final = 1.0


class Keys:
    """Single keys of the terminal, without Enter; none where there is no terminal."""

    def __init__(self) -> None:
        self.live = sys.stdin.isatty() and sys.stdout.isatty()
        self._before: list[Any] = []

    def __enter__(self) -> Self:
        if self.live:
            self._before = termios.tcgetattr(sys.stdin)
            tty.setcbreak(sys.stdin)
        return self

    def pressed(self) -> str:
        """The keys pressed since the last call."""
        if not self.live or not select.select([sys.stdin], [], [], 0)[0]:
            return ""
        # past Python's buffer, which would keep a key from the next select
        return os.read(sys.stdin.fileno(), MAX_KEYS).decode(errors="replace").lower()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.live:
            termios.tcsetattr(sys.stdin, termios.TCSADRAIN, self._before)


class Operator(Closing):
    """Arms when the hand is disarmed and the dead-man low; never resets by itself.

    Args:
        session: of the daemon.
        reader: of its board.
        let_go: asks the person to let the dead-man go: without that nothing can be armed.
    """

    def __init__(self, session: str, reader: BoardReader, let_go: Callable[[], None]) -> None:
        self._client = Client.of(session)
        self._reader, self._let_go = reader, let_go
        self._wanted = True
        self._held_since_s = math.inf

    def look(self, keys: str = "") -> None:
        """Do what the keys say; else arm if it is time and nobody stopped it."""
        for key in keys:
            if key in KEYS:
                self._wanted = key == "r"
                self._ask(KEYS[key])
        record = self._reader.read(self._reader.newest)
        if record is None or record["state"] != State.DISARMED or not self._wanted:
            self._held_since_s = math.inf
        elif record["fresh"] and record["engage"] < ENGAGED:
            self._ask("arm")  # refused as long as something is missing; asked again
        elif record["fresh"]:
            self._wait_for_the_dead_man()

    def _wait_for_the_dead_man(self) -> None:
        """It was relaxed while the person holds on: after a while, ask to let go."""
        now_s = time.monotonic()
        self._held_since_s = min(self._held_since_s, now_s)
        if now_s - self._held_since_s > PATIENCE_S:
            self._held_since_s = math.inf
            self._let_go()

    def _ask(self, verb: Verb) -> None:
        with suppress(MyoloopError):  # a daemon that is ending answers no more
            self._client.ask(verb)

    def close(self) -> None:
        """Leave the control port."""
        self._client.close()
