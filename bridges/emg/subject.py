"""A simulated subject in real time: does what the story wants, over real LSL."""

import time
from collections.abc import Callable
from typing import Final

from bridges.emg.amplifier import EmgOutlet
from bridges.emg.prompts import PROMPTS, prompt_of
from bridges.emg.simulated import Fault, Forearm, activation
from bridges.lsl_api import MarkerInlet, local_clock_s, streams
from bridges.lsl_match import WINDOW_S
from bridges.lsl_outlet import IntentionOutlet
from bridges.lsl_session import use_session
from bridges.simulated_intention import REST, STORY, Scene, Signals, duration_s, scene_at
from controller.clock import Grid
from controller.messages import Array

CHUNK_HZ: Final = 200.0  # an amplifier's program sends what it has every 5 ms
PEDAL: Final = "myoloop-pedal"
PEDAL_EVERY: Final = 2  # chunks: 100 samples a second
STOP_CHECK_S: Final = 0.2
REACTION_S: Final = 0.25  # from reading a prompt to the first contraction
LONGEST_S: Final = 0.5  # after a longer stall the rest is lost, as in an amplifier's own buffer


class LiveForearm:
    """A forearm whose samples come due as time passes; a late chunk is made up, not lost.

    Args:
        forearm: the subject.
        outlet: where the samples go.
    """

    def __init__(self, forearm: Forearm, outlet: EmgOutlet) -> None:
        self._forearm, self._outlet = forearm, outlet
        self._began_s = local_clock_s()
        self._made = 0

    def send(self, wanted: Array, silent: bool = False) -> None:
        """Send what has come due while the muscles are asked for ``wanted``, (muscles,)."""
        rate_hz = self._forearm.rate_hz
        due = int((local_clock_s() - self._began_s) * rate_hz)
        skipped = due - self._made - round(LONGEST_S * rate_hz)
        if skipped > 0:
            self._forearm.block(wanted, skipped)
            self._made += skipped
        if due > self._made:
            block = self._forearm.block(wanted, due - self._made)
            self._made = due
            if not silent:
                self._outlet.push(block.rows, self._began_s + block.times_s)


class _Obedience:
    """Does what prompts ask, a reaction time later, as long as there are prompts."""

    def __init__(self, inlet: MarkerInlet) -> None:
        self._inlet = inlet
        self._asked = [(0.0, Scene("rest", 0.0, rotation=0.0, engage=0.0))]

    def scene(self, time_s: float) -> Scene | None:
        try:
            prompt = prompt_of(self._inlet.pull(0.0) or "")
        except RuntimeError:  # the calibration is over
            return None
        if prompt:
            wish = Scene(prompt, 0.0, rotation=PROMPTS[prompt][1], engage=0.0)
            self._asked.append((time_s + REACTION_S, wish))
        while len(self._asked) > 1 and self._asked[1][0] <= time_s:
            self._asked.pop(0)
        return self._asked[0][1]


class Subject:
    """A forearm and a foot: an EMG stream and a pedal's.

    Args:
        session: LSL session.
        name: of the EMG stream.
        source_id: of the EMG stream.
        pedal_id: source_id of the pedal's stream.
        forearm: seed, fault, its beginning [s] and sampling rate [Hz] of the Forearm.
    """

    def __init__(
        self,
        session: str,
        name: str,
        source_id: str,
        pedal_id: str,
        forearm: tuple[int, Fault, float, float],
    ) -> None:
        self._signals = Signals()
        self._forearm = Forearm(*forearm)
        self._open = (session, name, source_id, pedal_id)
        use_session(session)

    def play(self, loop: bool, rest_s: float) -> None:
        """Rest, then play the story, once somebody reads the EMG, until its end or a signal."""
        story = STORY if loop else (*STORY, REST)

        def scene(time_s: float) -> Scene | None:
            if time_s < rest_s:
                return REST
            time_s -= rest_s
            return scene_at(story, time_s % duration_s(story) if loop else time_s)

        self._live(scene)

    def follow(self, prompts_id: str) -> None:
        """Do what a prompt stream asks, a reaction time later, and what the next one asks."""
        while inlet := self._prompts(prompts_id):
            outlets = self._live(_Obedience(inlet).scene)
            if not self._signals.stop:
                for outlet in outlets:
                    outlet.close()  # nobody reads it any more

    def _prompts(self, source_id: str) -> MarkerInlet | None:
        while not self._signals.stop:
            for stream in streams(WINDOW_S):
                if stream.source_id == source_id:
                    return MarkerInlet(stream)
        return None

    def _live(self, scene: Callable[[float], Scene | None]) -> tuple[EmgOutlet, IntentionOutlet]:
        session, name, source_id, pedal_id = self._open
        outlet = EmgOutlet(source_id, session, name, rate_hz=self._forearm.rate_hz)
        pedal = IntentionOutlet((), pedal_id, session, PEDAL)
        while not self._signals.stop and not outlet.wait_for_reader(STOP_CHECK_S):
            pass
        live = LiveForearm(self._forearm, outlet)
        grid, began_s, ticks = Grid(CHUNK_HZ), time.monotonic(), 0
        grid.start()
        while not self._signals.stop:
            grid.wait()
            now = scene(time.monotonic() - began_s)
            if now is None:
                break
            live.send(activation(now.rotation), now.silent)
            if ticks % PEDAL_EVERY == 0 and not now.silent:
                pedal.push((), now.engage * self._signals.engaged)
            ticks += 1
        return outlet, pedal
