"""A privileged teacher: the excitations that move the joints towards their targets just now.

It knows each muscle's moment arms and force-length-velocity state, which a policy is not
told, and looks no further than the present step. The joints of this hand are heavily damped
(0.05-0.5 N m s/rad against masses of some grams), so a torque is a velocity: the activations
are those of least squares, 0-1, that give each joint the velocity ``GAIN`` times its error
(computed muscle control, Thelen 2003, for an overdamped hand). No learning is in it.
"""

from typing import Any, Final

import numpy as np

from controller.messages import Array, Flags
from controller.names import JOINTS
from training.posture.hands import PoseHands

GAIN: Final = 12.0  # wanted velocity for each radian of error [1/s]
FASTEST_RAD_S: Final = 15.0
EFFORT: Final = 1e-2  # weight of activation squared against position error squared [rad^2]
SWEEPS: Final = 10  # of coordinate descent, started from the last solution
LEAD: Final = 0.3  # excitation overshoots activation: muscles take 10-40 ms to follow
FAR_RAD: Final = 0.6  # all joints together; beyond it the fist closes from the tips
# A long flexor crosses three joints: with equal weights the knuckles close first and the
# finger tips then can't any more. Weights while far from the target:
FAR_WEIGHTS: Final = {"mcp": 0.5, "md": 1.5}
# A joint that rests against its limit, where it is wanted, can't be pushed too hard:
AT_LIMIT_RAD: Final = 0.03
WANTS_LIMIT_RAD: Final = 0.12
LIMIT_WEIGHT: Final = 0.15
CLEAR: Final = 1e-9


class Muscles:
    """MuJoCo's muscle model on arrays: force = gain * activation + passive.

    ``mju_muscleGain`` and ``mju_muscleBias`` of engine_util_misc.c, with the parameters of
    the model, which are the same for all muscles but for the peak force.
    """

    def __init__(self, model: Any) -> None:
        self._peak_n = model.actuator_gainprm[:, 2]
        self._start_m = model.actuator_lengthrange[:, 0]
        low, high, _, _, self._least, self._most, speed, self._stiff, self._eccentric = (
            model.actuator_gainprm[0, :9]
        )
        self._low = low
        self._unit_m = np.diff(model.actuator_lengthrange, axis=1)[:, 0] / (high - low)
        self._fastest_m_s = self._unit_m * speed

    def constants(self) -> dict[str, Any]:
        """What ``forces`` is made of, by name: arrays (39,) and numbers."""
        return {
            "peak_n": self._peak_n,
            "start_m": self._start_m,
            "unit_m": self._unit_m,
            "fastest_m_s": self._fastest_m_s,
            "low": self._low,
            "least": self._least,
            "most": self._most,
            "stiff": self._stiff,
            "eccentric": self._eccentric,
        }

    def forces(self, length_m: Array, speed_m_s: Array) -> tuple[Array, Array]:
        """Force for each unit of activation, and force at rest [N], both (n, 39), <= 0."""
        length = self._low + (length_m - self._start_m) / self._unit_m
        speed = speed_m_s / self._fastest_m_s
        gain = self._force_length(length) * self._force_velocity(speed)
        return -self._peak_n * gain, -self._peak_n * self._passive(length)

    def _force_length(self, x: Array) -> Array:
        least, most = self._least, self._most
        a, b = 0.5 * (least + 1.0), 0.5 * (1.0 + most)
        conditions = [(x <= least) | (x > most), x <= a, x <= 1.0, x <= b]
        values = [
            np.zeros_like(x),
            0.5 * ((x - least) / (a - least)) ** 2,
            1.0 - 0.5 * ((1.0 - x) / (1.0 - a)) ** 2,
            1.0 - 0.5 * ((x - 1.0) / (b - 1.0)) ** 2,
        ]
        return np.select(conditions, values, 0.5 * ((most - x) / (most - b)) ** 2)

    def _force_velocity(self, v: Array) -> Array:
        most = self._eccentric
        y = most - 1.0
        values = [np.zeros_like(v), (v + 1.0) ** 2, most - (y - v) ** 2 / y]
        return np.select([v <= -1.0, v <= 0.0, v <= y], values, most)

    def _passive(self, x: Array) -> Array:
        b = 0.5 * (1.0 + self._most)
        values = [np.zeros_like(x), 0.5 * self._stiff * ((x - 1.0) / (b - 1.0)) ** 2]
        return np.select([x <= 1.0, x <= b], values, self._stiff * (0.5 + (x - b) / (b - 1.0)))


class Teacher:
    """Excitations for a batch of hands; remembers the last solution of each."""

    def __init__(self, hands: PoseHands) -> None:
        self._hands, self.muscles = hands, Muscles(hands.model)
        self._damping = hands.model.dof_damping.copy()
        self._activation = np.zeros((hands.count, hands.model.nu))
        far = np.ones(len(JOINTS))
        for index, joint in enumerate(JOINTS):
            if joint.startswith("mcp") and joint.endswith("flexion"):
                far[index] = FAR_WEIGHTS["mcp"]
            elif joint.startswith("md"):
                far[index] = FAR_WEIGHTS["md"]
        self.far_weights = np.empty_like(far)  # in the model's order
        self.far_weights[hands.layout.joints] = far
        self._low, self._high = hands.model.jnt_range.T

    def excite(self, target_rad: Array) -> Array:
        """Excitations, (n, 39), towards the joint angles (n, 23)."""
        hands = self._hands
        length, speed, arms, load, angle = hands.muscles()
        gain, passive = self.muscles.forces(length, speed)
        target = np.empty_like(target_rad)
        target[:, hands.layout.joints] = target_rad
        error = target - angle
        far = np.linalg.norm(error, axis=1, keepdims=True) > FAR_RAD
        velocity = np.clip(GAIN * error, -FASTEST_RAD_S, FASTEST_RAD_S)
        torque = self._damping * velocity + load - np.einsum("nmj,nm->nj", arms, passive)
        weights = np.where(far, self.far_weights, 1.0)
        weights[self._at_limit(angle, target)] *= LIMIT_WEIGHT
        unit = weights / (self._damping * GAIN)  # torque as position error
        effect = arms * gain[:, :, None] * unit[:, None, :]  # (n, 39, 23)
        self._activation = _least_squares(effect, torque * unit, self._activation)
        activation = hands.feedback().activation
        lead = self._activation + LEAD * (self._activation - activation)
        return np.clip(lead, 0.0, 1.0)

    def _at_limit(self, angle: Array, target: Array) -> Flags:
        """Joints that rest against their limit, where they are wanted, (n, 23)."""
        low = (angle < self._low + AT_LIMIT_RAD) & (target < self._low + WANTS_LIMIT_RAD)
        high = (angle > self._high - AT_LIMIT_RAD) & (target > self._high - WANTS_LIMIT_RAD)
        at: Flags = low | high
        return at


def _least_squares(effect: Array, wanted: Array, start: Array) -> Array:
    """Activations 0-1 whose summed effect (n, 39, 23) is nearest to ``wanted`` (n, 23)."""
    square = effect @ effect.transpose(0, 2, 1)
    muscles = square.shape[1]
    square[:, range(muscles), range(muscles)] += EFFORT
    found = start.copy()
    wish = np.einsum("nmj,nj->nm", effect, wanted)
    left = wish - np.einsum("nmk,nk->nm", square, found)
    for _ in range(SWEEPS):
        for one in range(muscles):
            step = left[:, one] / (square[:, one, one] + CLEAR)
            new = np.clip(found[:, one] + step, 0.0, 1.0)
            left -= square[:, :, one] * (new - found[:, one])[:, None]
            found[:, one] = new
    return found
