"""A simulated subject in real time: does what the story wants, over real LSL."""

import time
from typing import Final

from bridges.emg.amplifier import EmgOutlet
from bridges.emg.simulated import Block, Fault, Forearm, activation
from bridges.lsl_api import local_clock_s
from bridges.lsl_outlet import IntentionOutlet
from bridges.simulated_intention import REST, STORY, Scene, Signals, duration_s, scene_at
from controller.clock import Grid
from controller.messages import Array

CHUNK_HZ: Final = 200.0  # an amplifier's program sends what it has every 5 ms
PEDAL: Final = "myoloop-pedal"
PEDAL_EVERY: Final = 2  # chunks: 100 samples a second
STOP_CHECK_S: Final = 0.2
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

    def send(self, wanted: Array, silent: bool = False) -> Block:
        """Send what has come due while the muscles are asked for ``wanted``, (muscles,)."""
        rate_hz = self._forearm.rate_hz
        due = int((local_clock_s() - self._began_s) * rate_hz)
        skipped = due - self._made - round(LONGEST_S * rate_hz)
        if skipped > 0:
            self._forearm.block(wanted, skipped)
            self._made += skipped
        block = self._forearm.block(wanted, due - self._made)
        self._made = due
        if not silent:
            self._outlet.push(block.rows, self._began_s + block.times_s)
        return block


def play(
    session: str,
    source_id: str,
    pedal_id: str,
    fault: Fault,
    fault_from_s: float,
    rate_hz: float,
    seed: int,
    loop: bool,
) -> None:
    """Play the story once somebody reads the EMG, until its end or a signal."""
    signals = Signals()
    outlet = EmgOutlet(source_id, session, rate_hz=rate_hz)
    pedal = IntentionOutlet((), pedal_id, session, PEDAL)
    while not signals.stop and not outlet.wait_for_reader(STOP_CHECK_S):
        pass
    live = LiveForearm(Forearm(seed, fault, fault_from_s, rate_hz), outlet)
    story = STORY if loop else (*STORY, REST)
    grid, began_s, ticks = Grid(CHUNK_HZ), time.monotonic(), 0
    grid.start()
    while not signals.stop:
        grid.wait()
        scene = _scene(story, time.monotonic() - began_s, loop)
        if scene is None:
            break
        live.send(activation(scene.rotation), scene.silent)
        if ticks % PEDAL_EVERY == 0 and not scene.silent:
            pedal.push((), scene.engage)
        ticks += 1
    pedal.close()
    outlet.close()


def _scene(story: tuple[Scene, ...], time_s: float, loop: bool) -> Scene | None:
    return scene_at(story, time_s % duration_s(story) if loop else time_s)
