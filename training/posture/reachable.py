"""Measures postures that the muscles can reach: ``python -m training.posture.reachable``.

The long flexors and extensors cross three joints each, so many combinations of joint angles
can be held but not approached. What is written beside this file (``reachable.csv``) was
reached: hands at rest, all joints at 0, under random steady excitations until they stand
still, and where the bare reflex settles for every named posture. Official physics throughout.
"""

from pathlib import Path
from typing import Final

import numpy as np

from controller.messages import Array
from controller.names import JOINTS, MUSCLES
from controller.skills import posture
from training.posture.hands import PoseHands
from training.posture.pilot import bare
from training.posture.targets import REACHABLE, named

HANDS: Final = 384
SETTLE_S: Final = 3.0
STILL_RAD_S: Final = 0.3  # fastest joint of a hand that has settled
ACTIVE: Final = 0.25  # share of muscles in a random excitation
STRONGEST: Final = (0.02, 0.5)  # of them, drawn evenly on a logarithmic scale


def random_excitations(count: int, rng: np.random.Generator) -> Array:
    """Steady excitations, (count, 39): a quarter of the muscles, most of them weak."""
    low, high = np.log(STRONGEST)
    strength = np.exp(rng.uniform(low, high, (count, len(MUSCLES))))
    return strength * (rng.random((count, len(MUSCLES))) < ACTIVE)


def settle(hands: PoseHands, excitation: Array) -> tuple[Array, Array]:
    """Postures (n, 23) [rad] after ``SETTLE_S``, and the fastest joint of each [rad/s], (n,)."""
    hands.place(np.arange(hands.count), np.zeros((hands.count, len(JOINTS))))
    for _ in range(round(SETTLE_S / posture.CONTROL_STEP_S)):
        hands.step(excitation)
    feedback = hands.feedback()
    return feedback.joint_pos, np.abs(feedback.joint_vel).max(axis=-1)


def taught(targets: Array) -> Array:
    """Where the bare reflex settles from rest when it is asked for these postures, (n, 23)."""
    hands = PoseHands(len(targets), "official")
    pilot = bare(hands)
    for _ in range(round(SETTLE_S / posture.CONTROL_STEP_S)):
        hands.step(pilot.excite(targets))
    return hands.feedback().joint_pos


def write(path: Path, postures: Array) -> None:
    """A header with the joints' names, then one posture a line [rad]."""
    rows = [",".join(JOINTS), *(",".join(f"{angle:.3f}" for angle in row) for row in postures)]
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")


def main() -> None:
    """Measure, say what came out, write."""
    hands = PoseHands(HANDS, "official")
    found, speed = settle(hands, random_excitations(HANDS, np.random.default_rng(0)))
    still = found[speed < STILL_RAD_S]
    print(f"{len(still)} of {HANDS} steady excitations settled within {SETTLE_S:g} s")
    reached = taught(named())
    away = np.linalg.norm(reached - named(), axis=1)
    for name, distance in zip(posture.table().postures, away, strict=True):
        print(f"{name:10} the bare reflex settles {distance:.2f} rad away")
    write(REACHABLE, np.concatenate([still, reached]))
    print(f"{REACHABLE}: {len(still) + len(reached)} postures")


if __name__ == "__main__":
    main()
