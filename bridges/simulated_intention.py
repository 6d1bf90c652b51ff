"""A simulated decoder: plays a scripted story over real LSL, in a process of its own.

    python -m bridges.simulated_intention --session ID --source-id ID

The story is data. It starts when somebody reads the stream, so that nobody misses its
beginning, and it only says what is wanted: how fast a change of rotation is followed is the
skill's affair.
"""

import json
import signal
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from types import FrameType
from typing import Annotated, Final, Protocol, TypeVar

import numpy as np
import typer

from bridges.lsl_api import MarkerOutlet
from bridges.lsl_match import RATE_HZ
from bridges.lsl_outlet import IntentionOutlet
from controller.clock import NS, Grid
from controller.skills.baoding import CHANNELS

TREMOR: Final = 0.01  # standard deviation of the rotation's noise, with --seed
STOP_CHECK_S: Final = 0.2
LET_GO_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class Scene:
    """A stretch of time in which the person wants one thing.

    Attributes:
        seconds: duration [s].
        rotation: the channel of the skill ``baoding``, -1-1; 0.1 is one turn in 40 s.
        engage: the dead-man, 0-1.
        silent: whether the stream sends nothing at all.
    """

    name: str
    seconds: float
    rotation: float
    engage: float
    silent: bool = False


STORY: Final = (
    Scene("ready", 1.0, rotation=0.0, engage=0.0),
    Scene("hold", 2.0, rotation=0.0, engage=1.0),
    Scene("slow turn", 3.0, rotation=0.1, engage=1.0),
    Scene("faster", 2.0, rotation=0.15, engage=1.0),
    Scene("reverse", 3.0, rotation=-0.15, engage=1.0),
    Scene("hold", 1.5, rotation=0.0, engage=1.0),
    Scene("silence", 2.0, rotation=0.0, engage=1.0, silent=True),
    Scene("back, not engaged", 1.5, rotation=0.0, engage=0.0),
    Scene("hold again", 2.0, rotation=0.0, engage=1.0),
    Scene("slow turn", 4.0, rotation=0.1, engage=1.0),
)
REST: Final = Scene("rest", 1.0, rotation=0.0, engage=0.0)


class Timed(Protocol):
    """Anything that takes its time in a story."""

    @property
    def seconds(self) -> float:
        """Duration [s]."""
        ...


S = TypeVar("S", bound=Timed)


def duration_s(story: Sequence[Timed]) -> float:
    """How long the story takes at speed 1 [s]."""
    return sum(scene.seconds for scene in story)


def scene_at(story: Sequence[S], time_s: float) -> S | None:
    """The scene at a time of the story, or None after its end."""
    ends = accumulate(scene.seconds for scene in story)
    return next((scene for scene, end in zip(story, ends, strict=True) if time_s < end), None)


class Signals:
    """SIGINT and SIGTERM ask for a stop, SIGUSR1 to let the dead-man go; they interrupt nothing.

    Attributes:
        stop: whether a stop was asked for.
    """

    def __init__(self) -> None:
        self.stop = False
        self._let_go_s = -LET_GO_S
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._ask)
        signal.signal(signal.SIGUSR1, self._let_go)

    @property
    def engaged(self) -> bool:
        """Not so for LET_GO_S after the signal, as a person lets go to start again."""
        return time.monotonic() - self._let_go_s >= LET_GO_S

    def _ask(self, _signal: int, _frame: FrameType | None) -> None:
        self.stop = True

    def _let_go(self, _signal: int, _frame: FrameType | None) -> None:
        self._let_go_s = time.monotonic()


def scenes(story: Sequence[S], speed: float, loop: bool, signals: Signals) -> Iterator[S]:
    """The scene of each sample, on an absolute 100 Hz grid, until the end or the stop."""
    grid = Grid(RATE_HZ)
    grid.start()
    began_ns = time.monotonic_ns()
    while not signals.stop:
        now_ns, _ = grid.wait()
        time_s = (now_ns - began_ns) / NS * speed
        scene = scene_at(story, time_s % duration_s(story) if loop else time_s)
        if scene is None:
            return
        yield scene


def main(
    session: Annotated[str, typer.Option(help="LSL session.")],
    source_id: Annotated[str, typer.Option(help="Identity of the stream.")],
    speed: Annotated[
        float, typer.Option(min=0.1, max=20.0, help="Of the story; still 100 samples a second.")
    ] = 1.0,
    loop: Annotated[bool, typer.Option("--loop", help="Start again at the end.")] = False,
    seed: Annotated[
        int | None, typer.Option(min=0, help="Add a decoder's noise to the rotation.")
    ] = None,
    verbose: Annotated[bool, typer.Option("--verbose", help="Name each scene.")] = False,
) -> None:
    """Play the story as an intention stream of the skill 'baoding', once somebody reads it."""
    signals = Signals()
    outlet = IntentionOutlet(CHANNELS, source_id, session)
    stages = MarkerOutlet(f"{source_id}-story", f"{source_id}-story")
    while not signals.stop and not outlet.wait_for_reader(STOP_CHECK_S):
        pass
    noise = None if seed is None else np.random.default_rng(seed)
    shown = None
    for scene in scenes(STORY if loop else (*STORY, REST), speed, loop, signals):
        if scene is not shown:
            shown = scene
            stages.push(json.dumps({"schema": 1, "event": "stage", "stage": scene.name}))
            if verbose:
                print(scene.name, flush=True)
        if not scene.silent:
            tremor = float(noise.normal(0.0, TREMOR)) if noise else 0.0
            outlet.push((scene.rotation + tremor,), scene.engage * signals.engaged)


if __name__ == "__main__":
    typer.run(main)
