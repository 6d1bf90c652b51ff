"""A daemon under measurement: its session, its intention, pushed from here, and its ticks."""

import signal
import tempfile
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from bridges.lsl_outlet import IntentionOutlet
from controller import rundir
from controller.board import RECORD
from controller.errors import HostError, MyoloopError
from controller.session import FollowerSettings, RealTimeSettings
from controller.skills.baoding import CHANNELS
from controller.skills.skill import Channel
from controller.supervisor.states import State
from hil.daemon_process import START_UP_S, DaemonProcess, derived

SESSION: Final = "configs/baoding.yaml"
SAMPLE_S: Final = 0.01
ROTATION: Final = 0.1  # one turn in 40 s


class Rig(DaemonProcess):
    """Runs one daemon after the other, each as ``work`` asks; one LSL session for all.

    Args:
        session: file of the session to start from.
        channels: of its skill.
        values: what the person wants all the time, (channels,).
    """

    def __init__(
        self,
        session: str = SESSION,
        channels: tuple[Channel, ...] = CHANNELS,
        values: tuple[float, ...] = (ROTATION,),
    ) -> None:
        self._template, self._values, self._engage = session, values, 0.0
        self._temporary = tempfile.TemporaryDirectory(prefix="myoloop-rig-")
        super().__init__(f"rig-{uuid.uuid4()}", Path(self._temporary.name), self.play)
        self._outlet = IntentionOutlet(channels, self.name, self.name)

    @property
    def lsl_session(self) -> str:
        """The LSL session in which everything of this rig is, and its intention's source_id."""
        return self.name

    def cell(self, follower: str) -> Path:
        """Where a follower of the daemon says how it is."""
        return rundir.root() / self.name / f"{follower}.status"

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
        changes = {
            "rate_hz": rate_hz,
            "plant": {"use": plant},
            "followers": msgspec.to_builtins(followers),
            "realtime": msgspec.to_builtins(realtime),
        }
        self.start(derived(self._template, self.name) | changes)
        self.arm()
        self._next = self.board.settled + 1
        self._engage = 1.0
        if not self.until(lambda: self.state is State.ACTIVE, START_UP_S):
            raise MyoloopError(f"the daemon does not work: it is {self.state.name}")

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
        found, last = [], self.board.settled
        while self._next <= last:
            record = self.board.read(self._next)
            if record is None:
                raise HostError(f"tick {self._next} was overwritten before it was read")
            found.append(record)
            self._next += 1
        return found

    def stall(self, seconds: float, after_s: float) -> NDArray[np.void]:
        """Stop the daemon's process for a while; the ticks round that, (n,) board records."""
        before = self.watch(after_s)
        self.signal(signal.SIGSTOP)
        self.play(seconds)
        self.signal(signal.SIGCONT)
        return np.concatenate([before, self.watch(after_s)])

    def close(self) -> None:
        """End the daemon, and leave nothing behind."""
        super().close()
        self._temporary.cleanup()
