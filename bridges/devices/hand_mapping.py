"""The twin's 23 joint angles to the six motors of a prosthetic hand, [deg]."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from controller.names import JOINT_RANGE_RAD, JOINTS

Array = NDArray[np.float64]

CLOSED_DEG: Final = 100.0
OPPOSED_DEG: Final = -100.0
SPEED_DEG_S: Final = float(np.degrees(8.07))  # of a finger: Ability Hand ICD
CUTOFF_HZ: Final = 10.0  # of the low-pass: tremor of the twin that a motor should not follow
HYSTERESIS_DEG: Final = 0.5  # smaller changes only wear the gears
FINGERS: Final = ("2", "3", "4", "5")  # index to little finger, as the motors are ordered
LOSES: Final = (
    "the wrist does not move: pronation, deviation and flexion are lost",
    "each finger has one motor: it follows the sum of its three joints, abduction is lost",
    "the thumb has two motors: flexion (both joints as one) and rotation",
)

_AT: Final = {name: index for index, name in enumerate(JOINTS)}


def _closed(*joints: str) -> float:
    """Sum of how far these joints can go in their closing direction [rad]."""
    return sum(max(map(abs, JOINT_RANGE_RAD[joint])) for joint in joints)


THUMB: Final = ("mp_flexion", "ip_flexion")  # they close towards negative angles
THUMB_SPAN_RAD: Final = _closed(*THUMB)
OPPOSITION: Final = JOINT_RANGE_RAD["cmc_abduction"]  # towards the low end lies the palm


def motors_deg(joint_pos: Array) -> Array:
    """Where the motors should be.

    Signs: a finger's flexion is positive; the thumb's mp and ip flexion and its opposition are
    negative in the model (tests/bridges/devices/test_hand_mapping.py moves them and looks).

    Args:
        joint_pos: (23,) [rad].

    Returns:
        (6,) [deg]: index, middle, ring, pinky, thumb flexor (0 open ... 100 closed), thumb
        rotator (0 beside the hand ... -100 opposed).
    """
    found = np.empty(6)
    for motor, finger in enumerate(FINGERS):
        joints = (f"mcp{finger}_flexion", f"pm{finger}_flexion", f"md{finger}_flexion")
        bent = sum(joint_pos[_AT[joint]] for joint in joints)
        found[motor] = CLOSED_DEG * bent / _closed(*joints)
    bent = -sum(joint_pos[_AT[joint]] for joint in THUMB)
    found[4] = CLOSED_DEG * bent / THUMB_SPAN_RAD
    low, high = OPPOSITION
    found[5] = OPPOSED_DEG * (high - joint_pos[_AT["cmc_abduction"]]) / (high - low)
    found[:5] = np.clip(found[:5], 0.0, CLOSED_DEG)
    found[5] = np.clip(found[5], OPPOSED_DEG, 0.0)
    return found


def joints_of(motors: Array) -> Array:
    """Joint angles whose motors are these: each finger bent alike in its three joints.

    Args:
        motors: (6,) [deg], as ``motors_deg`` gives them.

    Returns:
        (23,) [rad]; the wrist and every abduction at 0.
    """
    found = np.zeros(len(JOINTS))
    shares = motors / CLOSED_DEG
    for motor, finger in enumerate(FINGERS):
        for joint in (f"mcp{finger}_flexion", f"pm{finger}_flexion", f"md{finger}_flexion"):
            found[_AT[joint]] = shares[motor] * JOINT_RANGE_RAD[joint][1]
    for joint in THUMB:
        found[_AT[joint]] = shares[4] * JOINT_RANGE_RAD[joint][0]
    low, high = OPPOSITION
    found[_AT["cmc_abduction"]] = high - motors[5] / OPPOSED_DEG * (high - low)
    return found


class Smoother:
    """Low-pass, hysteresis and slew from where the motors are, so that nothing jumps.

    Attributes:
        sent: (6,) [deg], what was last asked for.
    """

    def __init__(self, start_deg: Array, speed_deg_s: float = SPEED_DEG_S) -> None:
        self.sent = start_deg.copy()
        self._filtered = start_deg.copy()
        self._speed = speed_deg_s

    def step(self, target_deg: Array, dt_s: float) -> Array:
        """The next set points, ``dt_s`` after the last."""
        share = 1.0 - np.exp(-2.0 * np.pi * CUTOFF_HZ * dt_s)
        self._filtered += share * (target_deg - self._filtered)
        wanted = np.where(
            np.abs(self._filtered - self.sent) > HYSTERESIS_DEG, self._filtered, self.sent
        )
        most = self._speed * dt_s
        self.sent = self.sent + np.clip(wanted - self.sent, -most, most)
        return self.sent
