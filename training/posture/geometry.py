"""Muscle lengths and moment arms as polynomials of the joint angles, fitted to the model.

Wrist, thumb and each finger have a polynomial of their own, of the third degree; a muscle's
length is the sum of those that it crosses, its moment arms are the derivatives, fitted to
both. No policy is learned here: it is a table of the model's geometry in a form that fits
into a graph.
"""

import functools
from dataclasses import dataclass
from itertools import combinations_with_replacement
from typing import Final

import numpy as np
from numpy.typing import NDArray

from controller.messages import Array
from controller.names import JOINTS, MUSCLES
from training.posture.hands import PoseHands
from training.posture.targets import joint_range

GROUPS: Final = ((0, 1, 2), (3, 4, 5, 6), (7, 8, 9, 10), (11, 12, 13, 14), (15, 16, 17, 18),
                 (19, 20, 21, 22))  # of names.JOINTS: wrist, thumb, fingers  # fmt: skip
ONE: Final = len(JOINTS)  # the factor that is always 1
HANDS: Final = 512
ROUNDS: Final = 8
LENGTH_WEIGHT: Final = 3.0  # of a length [m] against a moment arm [m] in the fit


def terms() -> NDArray[np.intp]:
    """Three factors of each monomial, joints or ONE, (terms, 3)."""
    found = [
        combination
        for group in GROUPS
        for combination in combinations_with_replacement((*group, ONE), 3)
        if combination != (ONE, ONE, ONE)
    ]
    return np.array(found, np.intp)


@dataclass(frozen=True)
class Geometry:
    """The fit.

    Attributes:
        lengths: coefficients of the monomials [m], (39, terms).
        constant: lengths in the middle of the joints' ranges [m], (39,).
        gravity: coefficients of the joints' own load [N m], (23, terms), constants (23,).
        error_m: root mean square error of the moment arms on hands that were left out [m].
        spread_m: root mean square of these moment arms [m].
    """

    lengths: Array
    constant: Array
    gravity: Array
    gravity_constant: Array
    error_m: float
    spread_m: float


def monomials(angle_rad: Array) -> tuple[Array, Array]:
    """Monomials of joint angles (n, 23), and their derivatives [1/rad].

    Returns:
        (n, terms) and (n, terms, 23), of the angles as shares of half their range.
    """
    low, high = joint_range()
    half = (high - low) / 2
    share = np.concatenate(
        [(angle_rad - (low + high) / 2) / half, np.ones((len(angle_rad), 1))], axis=1
    )
    factors = terms()
    values = share[:, factors].prod(axis=-1)
    slopes = np.zeros((*values.shape, ONE + 1))
    for slot in range(3):
        others = share[:, np.delete(factors, slot, axis=1)].prod(axis=-1)
        slopes[:, np.arange(len(factors)), factors[:, slot]] += others
    return values, slopes[..., :ONE] / half


def measure(rng: np.random.Generator) -> tuple[Array, Array, Array, Array]:
    """Angles (n, 23), lengths (n, 39), moment arms (n, 39, 23), loads (n, 23) of random hands."""
    hands = PoseHands(HANDS, "official")
    rounds = []
    for _ in range(ROUNDS):
        angle = rng.uniform(*joint_range(), (HANDS, len(JOINTS)))
        hands.place(np.arange(HANDS), angle)
        length, _speed, arms, load, _angle = hands.muscles()
        order = hands.layout.joints
        rounds.append((angle, length.copy(), arms[:, :, order], load[:, order]))
    angle, length, arms, load = (np.concatenate(part) for part in zip(*rounds, strict=True))
    return angle, length, arms, load


@functools.cache
def fit(seed: int = 0) -> Geometry:
    """Measure random hands and fit; a quarter is left out to tell the error."""
    angle, length, arms, load = measure(np.random.default_rng(seed))
    values, slopes = monomials(angle)
    known = slice(len(angle) // 4, None)
    middle, mean = length[known].mean(axis=0), values[known].mean(axis=0)
    lengths = np.zeros((len(MUSCLES), values.shape[1]))
    factors = terms()
    for muscle in range(len(MUSCLES)):
        joints = np.flatnonzero(np.abs(arms[:, muscle]).max(axis=0) > 0.0)
        own = np.isin(factors, [*joints, ONE]).all(axis=1)
        rows = [slopes[known][:, own, joint] for joint in joints]
        wanted = [arms[known, muscle, joint] for joint in joints]
        rows.append(LENGTH_WEIGHT * (values[known][:, own] - mean[own]))
        wanted.append(LENGTH_WEIGHT * (length[known, muscle] - middle[muscle]))
        found = np.linalg.lstsq(np.concatenate(rows), np.concatenate(wanted), rcond=None)
        lengths[muscle, own] = found[0]
    weighed = np.concatenate([values[known], np.ones((len(values[known]), 1))], axis=1)
    gravity = np.linalg.lstsq(weighed, load[known], rcond=None)[0].T
    left = slice(0, len(angle) // 4)
    error = np.einsum("mk,nkj->nmj", lengths, slopes[left]) - arms[left]
    crossed = np.abs(arms).max(axis=0) > 0.0
    return Geometry(
        lengths=lengths,
        constant=middle - lengths @ mean,
        gravity=gravity[:, :-1],
        gravity_constant=gravity[:, -1],
        error_m=float(np.sqrt(np.square(error[:, crossed]).mean())),
        spread_m=float(np.sqrt(np.square(arms[left][:, crossed]).mean())),
    )
