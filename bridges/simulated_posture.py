"""A simulated decoder of hand postures: counts from zero to nine, then grasps, over real LSL.

    python -m bridges.simulated_posture --session ID --source-id ID

As bridges/simulated_intention.py, for the skill ``posture``.
"""

from dataclasses import dataclass, field
from typing import Annotated, Final

import typer

from bridges.lsl_outlet import IntentionOutlet
from bridges.simulated_intention import STOP_CHECK_S, Signals, scenes
from controller.skills.posture import CHANNELS

LABELS: Final = tuple(channel.label for channel in CHANNELS)


@dataclass(frozen=True, slots=True)
class PostureScene:
    """A stretch of time in which the person wants one thing.

    Attributes:
        seconds: duration [s].
        wish: channels of the skill ``posture`` that are not 0.
        engage: the dead-man, 0-1.
    """

    name: str
    seconds: float
    wish: dict[str, float] = field(default_factory=dict)
    engage: float = 1.0

    def values(self) -> tuple[float, ...]:
        """All channels, in the skill's order."""
        return tuple(self.wish.get(label, 0.0) for label in LABELS)


COUNT: Final = tuple(
    scene  # by way of the open hand, as people count
    for digit in range(10)
    for scene in (
        PostureScene(f"digit {digit}", 1.3, {"posture": digit + 1.0}),
        PostureScene("open", 0.7),
    )
)
STORY: Final = (
    PostureScene("ready", 1.0, engage=0.0),
    PostureScene("open", 1.0),
    *COUNT,
    PostureScene("half closed", 0.8, {"grip": 0.5}),
    PostureScene("closed", 1.2, {"grip": 1.0}),
    PostureScene("open", 1.0),
    PostureScene("pinch", 1.2, {"pinch": 1.0}),
    PostureScene("point", 1.2, {"point": 1.0}),
    PostureScene("wrist up", 0.8, {"wrist_flexion": -0.8}),
    PostureScene("wrist down", 0.8, {"wrist_flexion": 0.8}),
    PostureScene("turned, closed", 1.2, {"grip": 1.0, "pronation": -0.6}),
    PostureScene("open", 1.0),
)
REST: Final = PostureScene("rest", 1.0, engage=0.0)


def main(
    session: Annotated[str, typer.Option(help="LSL session.")],
    source_id: Annotated[str, typer.Option(help="Identity of the stream.")],
    loop: Annotated[bool, typer.Option("--loop", help="Start again at the end.")] = False,
) -> None:
    """Play the story as an intention stream of the skill 'posture', once somebody reads it."""
    signals = Signals()
    outlet = IntentionOutlet(CHANNELS, source_id, session)
    while not signals.stop and not outlet.wait_for_reader(STOP_CHECK_S):
        pass
    for scene in scenes(STORY if loop else (*STORY, REST), 1.0, loop, signals):
        outlet.push(scene.values(), scene.engage * signals.engaged)


if __name__ == "__main__":
    typer.run(main)
