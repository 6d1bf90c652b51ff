"""The source ``simulated``: a person who is not there, for a device that is not there either.

A process of its own sends the posture story over real LSL, as a decoder would, and looks at the
hand's state, as a person would: the dead-man is let go until the hand is armed, and again as soon
as it is not. So that one command runs a whole chain, and `myoloop arm` starts it.
"""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

import msgspec

from bridges import processes
from controller import rundir
from controller.board import BoardReader
from controller.errors import HostError, SettingsError
from controller.messages import Intention
from controller.settings import convert
from controller.skills import posture
from controller.skills.skill import Channel
from controller.supervisor.states import State

if TYPE_CHECKING:
    from bridges.lsl_outlet import IntentionOutlet
    from bridges.simulated_intention import Signals
    from controller.ports import IntentionSource

NAME: Final = "simulated"
WAIT_S: Final = 30.0
END_S: Final = 5.0
ENGAGES: Final = (State.ARMING, State.ACTIVE, State.HOLD)


class SimulatedOptions(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Nothing to set."""


def create(options: dict[str, Any], channels: tuple[Channel, ...], origin: str) -> SimulatedPerson:
    """Start the person, and connect to what they send.

    Raises:
        SettingsError: an option is given, or the skill is another than ``posture``.
        StreamError: the stream does not appear.
    """
    from bridges import lsl

    convert(options, SimulatedOptions, origin)
    if channels != posture.CHANNELS:
        raise SettingsError(f"{origin}: the simulated person knows the skill 'posture' alone")
    name = f"myoloop-person-{uuid.uuid4()}"  # an LSL session of its own: two do not meet
    process = subprocess.Popen(
        [sys.executable, "-m", "bridges.simulated_person", name],
        stdin=subprocess.DEVNULL,
        preexec_fn=processes.end_with_parent,  # safe: the daemon has no other Python threads
    )
    try:
        wanted = {"session": name, "source_id": name, "wait_s": WAIT_S}
        person = SimulatedPerson(process, lsl.create(wanted, channels, origin))
    except BaseException:
        processes.end(process, END_S)
        raise
    print("myoloop: a simulated person waits for `myoloop arm`", file=sys.stderr)
    return person


class SimulatedPerson:
    """The stream of a process that ends with it."""

    def __init__(self, process: subprocess.Popen[bytes], stream: IntentionSource) -> None:
        self._process, self._stream = process, stream

    def read(self, now_s: float) -> Intention:
        """The newest intention."""
        return self._stream.read(now_s)

    def close(self) -> None:
        """Send the person home."""
        self._stream.close()
        processes.end(self._process, END_S)


# --- the person's process --------------------------------------------------------------


def engages(board: BoardReader) -> bool:
    """Whether the dead-man is held: from the arming on, while the hand works."""
    record = board.read(board.newest)
    return record is not None and State(int(record["state"])) in ENGAGES


def play(outlet: IntentionOutlet, armed: Callable[[], bool], signals: Signals) -> None:
    """Wait for the arming, then tell the story again and again until the hand is disarmed."""
    from bridges.simulated_intention import scenes
    from bridges.simulated_posture import REST, STORY

    for rest in scenes((REST,), 1.0, True, signals):
        if armed():
            break
        outlet.push(rest.values(), 0.0)
    for scene in scenes([one for one in STORY if one.engage], 1.0, True, signals):
        if not armed():
            return
        outlet.push(scene.values(), scene.engage)


def board_of(pid: int) -> BoardReader:
    """The board of the daemon with this process number.

    Raises:
        HostError: it has none.
    """
    for folder in rundir.root().iterdir():
        with suppress(HostError):
            board = BoardReader(folder / "board")
            if board.owner_pid == pid:
                return board
    raise HostError(f"process {pid} is no daemon")


def main(session: str) -> None:
    """Be the person, for the daemon that started this process."""
    from bridges.lsl_outlet import IntentionOutlet
    from bridges.simulated_intention import Signals

    signals, board = Signals(), board_of(os.getppid())
    outlet = IntentionOutlet(posture.CHANNELS, session, session)
    while not signals.stop:
        play(outlet, lambda: engages(board), signals)


if __name__ == "__main__":
    main(sys.argv[1])
