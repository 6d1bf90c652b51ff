"""How long do constant actions keep the balls? ``python -m training.tone`` prints it.

The figure behind ``first_action`` of a curriculum: where an untrained actor starts, and
what exploration noise does to it.
"""

from typing import Final

import numpy as np

from bridges.myohand import to_excitation
from training.batch import Hands, Physics
from training.curriculum import Starts, Task
from training.episodes import Episodes, tracking

HANDS: Final = 128
STEPS: Final = 200
DROP_HEIGHT_M: Final = 1.30
ACTIONS: Final = (-0.5, -0.4, 0.0, 0.2, 0.4)
SIGMAS: Final = (0.0, 0.2, 0.33)


def kept_steps(hands: Hands, action: float, sigma: float) -> float:
    """Mean number of steps before a drop, of at most 200, hold task, balls on the targets."""
    episodes = Episodes(hands, [Task(do="hold")], Starts(), np.random.default_rng(0))
    episodes.reset(np.arange(hands.count))
    rng = np.random.default_rng(1)
    alive, kept = np.ones(hands.count, bool), 0
    for _ in range(STEPS):
        episodes.advance()
        hands.step(to_excitation(action + sigma * rng.normal(size=(hands.count, 39))))
        alive &= tracking(hands, episodes.goal)[2] > DROP_HEIGHT_M
        kept += int(alive.sum())
    return kept / hands.count


def main() -> None:
    """Print the table."""
    hands = Hands(HANDS, Physics.named("coarse"))
    print(f"{'action':>7} {'excitation':>11}" + "".join(f"  sigma {s:4.2f}" for s in SIGMAS))
    for action in ACTIONS:
        kept = "".join(f"  {kept_steps(hands, action, sigma):10.1f}" for sigma in SIGMAS)
        print(f"{action:7.1f} {to_excitation(np.array([action]))[0]:11.3f}{kept}")


if __name__ == "__main__":
    main()
