"""The bench of ``myoloop hazards``: a decoder, an operator and an observer round one daemon."""

import os
import signal
import tempfile
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from bridges.control.client import Client
from bridges.lsl_api import MarkerOutlet, local_clock_s
from bridges.lsl_outlet import IntentionOutlet
from controller.errors import MyoloopError
from controller.skills.baoding import CHANNELS
from controller.supervisor.limits import load_limits
from controller.supervisor.states import State
from hil.daemon_process import DaemonProcess, derived
from hil.probe import ENTRY

SESSION: Final = "configs/baoding.yaml"
SAMPLE_S: Final = 0.01
PATIENCE_S: Final = 10.0
REST_S: Final = 2.0  # far longer than anything that is promised
WORK_S: Final = 0.5  # at work before it is broken
HOLD_S: Final = 0.1
ROTATION: Final = 0.1
TOLERANCE: Final = 1e-5


class Bench(DaemonProcess):
    """Runs the daemon, speaks to it, reads what it does."""

    def __init__(self) -> None:
        self._temporary = tempfile.TemporaryDirectory(prefix="myoloop-hazards-")
        super().__init__(f"hazards-{uuid.uuid4()}", Path(self._temporary.name), self.play)
        self._log, self._fault = self.folder / "probe.log", self.folder / "fault"
        self._session = self._derived()
        self._limits = load_limits(Path(self._session["safety"]))
        self._period_s = 1.0 / self._session["rate_hz"]
        self._outlet: IntentionOutlet | None = IntentionOutlet(CHANNELS, self.name, self.name)
        self._markers = MarkerOutlet("myoloop-estop", f"{self.name}-estop")
        self._holder: Client | None = None
        self._since_ns = 0
        self._first_tick = 0
        self._calm()

    def _derived(self) -> dict[str, Any]:
        """The demo's session, with a hand that breaks and the probe in a driver's place."""
        probe = {"use": "probe", "name": "hand", "options": {"log": str(self._log)}}
        plain = derived(SESSION, self.name) | {
            "plant": {"use": "hazard-hand", "options": {"fault": str(self._fault)}},
            "followers": [{**probe, "required": True}],
        }
        plain["control"] |= {
            "attended": True,
            "estop_stream": {"source_id": f"{self.name}-estop", "session": self.name},
        }
        return plain

    def follower(self, name: str) -> "_Pid":
        """The process of one of its followers."""
        task = Path(f"/proc/{self.pid}/task/{self.pid}/children")
        for pid in task.read_text().split():
            if f'{{"name":"{name}",' in Path(f"/proc/{pid}/cmdline").read_text():
                return _Pid(int(pid))
        raise MyoloopError(f"the daemon has no follower {name!r}")

    # --- the person, and what goes wrong -------------------------------------------

    def _calm(self) -> None:
        """Everything as it should be, the dead-man low."""
        self._value, self._engage, self._ahead_s = ROTATION, 0.0, 0.0
        self._silent = self._frozen = False
        self._attended = True
        self._frozen_stamp_s = 0.0

    def say(
        self,
        value: float | None = None,
        engage: float | None = None,
        ahead_s: float = 0.0,
        silent: bool = False,
        frozen_stamp: bool = False,
        attended: bool = True,
    ) -> None:
        """Change what the decoder sends, or whether the operator holds on."""
        self._value = self._value if value is None else value
        self._engage = self._engage if engage is None else engage
        self._ahead_s, self._silent, self._attended = ahead_s, silent, attended
        self._frozen, self._frozen_stamp_s = frozen_stamp, local_clock_s()
        self._push()

    def kill_stream(self) -> None:
        """Take the outlet off the network."""
        if self._outlet:
            self._outlet.close()
        self._outlet = None

    def mark(self, text: str) -> None:
        """Send an LSL marker."""
        self._markers.push(text)

    def break_hand(self, fault: str) -> None:
        """Break the plant."""
        part = self._fault.with_suffix(".new")
        part.write_text(fault)
        part.replace(self._fault)

    def _push(self) -> None:
        if self._outlet is None or self._silent:
            return
        stamp_s = self._frozen_stamp_s if self._frozen else local_clock_s() + self._ahead_s
        self._outlet.push((self._value,), self._engage, stamp_s)

    def play(self, seconds: float) -> None:
        """Let the decoder go on, and the operator hold on."""
        self.play_until(lambda: False, seconds)

    def play_until(self, done: Callable[[], bool], seconds: float) -> bool:
        """Go on until something is so, at most so long; whether it is."""
        deadline, hold_s = time.monotonic() + seconds, 0.0
        while time.monotonic() < deadline:
            self._push()
            if self._holder and self._attended and time.monotonic() > hold_s:
                hold_s = time.monotonic() + HOLD_S
                self._holder.send("hold")
                self._holder.answer()
            if done():
                return True
            time.sleep(SAMPLE_S)
        return False

    # --- a trial -------------------------------------------------------------------

    def work(self) -> None:
        """Arm, engage, and work for a moment.

        Raises:
            MyoloopError: it can not be brought to work.
        """
        if not self.alive:
            self._log.touch()
            self.start(self._session)
            self.client, self._holder = Client(self.endpoint), Client(self.endpoint)
        self._calm()
        if self._outlet is None:
            self._outlet = IntentionOutlet(CHANNELS, self.name, self.name)
        self.until(self._reset, PATIENCE_S)
        self.arm()
        self._first_tick = self.board.newest
        self._engage = 1.0
        if not self.play_until(lambda: self.state is State.ACTIVE, PATIENCE_S):
            raise MyoloopError(f"the daemon does not work: it is {self.state.name} ({self.note})")
        self.play(WORK_S)

    def _reset(self) -> bool:
        """Whether no fault of before is left."""
        return self.state is not State.FAULT or self.client.ask("reset").ok

    def injected(self) -> None:
        """From now on the time to rest counts."""
        self._since_ns = time.monotonic_ns()

    def watch_rest(self) -> None:
        """Go on until the device rests, or far longer than is promised."""
        self.play_until(lambda: self.time_to_rest_ms() is not None, REST_S)

    def _entries(self) -> NDArray[np.void]:
        whole = self._log.stat().st_size // ENTRY.itemsize
        return np.fromfile(self._log, ENTRY, count=whole)

    def time_to_rest_ms(self) -> float | None:
        """From the fault to the first command of the device that is rest for good, None for never.

        A follower that was itself killed tells no more: then the board's own command counts.
        """
        entries = self._entries()
        times, active = entries["time_ns"], entries["excitation"].max(axis=1) > 0.0
        if not len(active) or (self.alive and self._probe_is_gone()):
            return self._board_rest_ms()
        if active[-1]:
            return None
        first = int(np.flatnonzero(active)[-1]) + 1 if active.any() else 0
        return max(0.0, (int(times[first]) - self._since_ns) / 1e6)

    def _probe_is_gone(self) -> bool:
        try:
            pid = self.follower("hand").pid
            return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] in "TZ"
        except (MyoloopError, OSError):
            return True

    def _board_rest_ms(self) -> float | None:
        number = self.board.newest
        if self.record["excitation"].any():
            return None
        while number > self._first_tick:
            record = self.board.read(number - 1)
            if record is None or record["excitation"].any():
                break
            number -= 1
        at = self.board.read(number)
        return None if at is None else max(0.0, (int(at["time_ns"]) - self._since_ns) / 1e6)

    def outside_limits(self) -> int:
        """How many commands of this trial, on the board or at the device, broke a limit."""
        ticks = [self.board.read(n) for n in range(self._first_tick, self.board.newest + 1)]
        known = [tick for tick in ticks if tick is not None]
        return sum(
            self._outside(now, before) for before, now in zip(known, known[1:], strict=False)
        ) + sum(
            not self._legal(entry["excitation"].astype(float))
            for entry in self._entries()
            if int(entry["tick"]) >= self._first_tick
        )

    def _legal(self, excitation: NDArray[np.float64]) -> bool:
        return bool(
            np.isfinite(excitation).all()
            and (excitation >= 0.0).all()
            and (excitation <= self._limits.ceilings() + TOLERANCE).all()
            and excitation.sum() <= self._limits.excitation_total_max + TOLERANCE
        )

    def _outside(self, now: NDArray[np.void], before: NDArray[np.void]) -> bool:
        rise = now["excitation"].astype(float) - before["excitation"]
        allowed = self._limits.slew_per_s * self._period_s
        if not State(int(now["state"])).working:
            allowed = 0.0
        legal = self._legal(now["excitation"].astype(float))
        return not legal or bool(rise.max() > allowed + TOLERANCE)

    def restore(self) -> None:
        """Undo what was broken; a daemon without its follower or port has to start again."""
        self._fault.unlink(missing_ok=True)
        self._calm()
        if not self.alive or self._probe_is_gone() or not self._port_answers():
            self.end()

    def _port_answers(self) -> bool:
        with suppress(MyoloopError):
            return self.client.ask("status").ok
        return False

    def end(self) -> None:
        """End it in order, and make sure; its probe as well."""
        self._log.unlink(missing_ok=True)  # a probe that was left behind ends
        if self.alive:
            with suppress(MyoloopError, OSError):
                self.follower("hand").send_signal(signal.SIGCONT)
        super().end()
        if self._holder:
            self._holder.close()
            self.client.close()
            self._holder = None

    def close(self) -> None:
        """End the daemon, and leave nothing behind."""
        super().close()
        self._temporary.cleanup()


class _Pid:
    """Somebody else's child."""

    def __init__(self, pid: int) -> None:
        self.pid = pid

    def send_signal(self, number: int) -> None:
        """As Popen's."""
        os.kill(self.pid, number)
