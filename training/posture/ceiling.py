"""How many random targets can be reached: ``python -m training.posture.ceiling TARGETS``.

``myoHandPoseRandom-v0`` draws each joint's target by itself, and muscles that cross several
joints can't hold every combination. For each target many hands try at once, the reflex told to
aim beside it, by offsets that the cross-entropy method draws nearer to the best ones. What is
reached so is a lower bound of what can be reached.
"""

import sys
from typing import Final

import numpy as np

from controller.messages import Array
from controller.names import JOINTS
from controller.skills import posture
from training.posture.hands import PoseHands
from training.posture.pilot import Pilot, bare
from training.posture.targets import joint_range, official_range

HANDS: Final = 64
ROUNDS: Final = 6
BEST: Final = 8  # hands of a round from which the next one is drawn
SPREAD_RAD: Final = 0.3  # of the first round's offsets
STEPS: Final = 100  # official length


def nearest_rad(pilot: Pilot, target: Array, rng: np.random.Generator) -> float:
    """The smallest distance from ``target`` (23,) at the end of an official episode [rad]."""
    hands, start = pilot.hands, rng.uniform(*joint_range(), len(JOINTS))
    middle, spread = np.zeros(len(JOINTS)), np.full(len(JOINTS), SPREAD_RAD)
    nearest = np.inf
    for _ in range(ROUNDS):
        offset = rng.normal(middle, spread, (hands.count, len(JOINTS)))
        offset[0] = middle
        hands.place(np.arange(hands.count), np.tile(start, (hands.count, 1)))
        pilot.forget()
        for _ in range(STEPS):
            hands.step(pilot.excite(target + offset))
        away = np.linalg.norm(hands.feedback().joint_pos - target, axis=1)
        best = offset[np.argsort(away)[:BEST]]
        middle, spread = best.mean(axis=0), best.std(axis=0) + 0.02
        nearest = min(nearest, float(away.min()))
    return nearest


def main() -> None:
    """Try so many targets and say how near they were come to."""
    count, rng = int(sys.argv[1]), np.random.default_rng(0)
    pilot = bare(PoseHands(HANDS, "coarse"))
    targets = rng.uniform(*official_range(), (count, len(JOINTS)))
    found = np.array([nearest_rad(pilot, target, rng) for target in targets])
    reached = float((found < posture.SOLVED_RAD).mean())
    error = np.sqrt(reached * (1.0 - reached) / count)
    print(
        f"{count} targets as myoHandPoseRandom-v0 draws them: {reached:.2f} ± {error:.2f} reached, "
        f"nearest distance p50 {np.median(found):.2f}, max {found.max():.2f} rad"
    )


if __name__ == "__main__":
    main()
