"""Hand posture: proportional grip, pinch, point, spread and wrist, or one of a named list.

Intention -> wanted joint angles (a blend of the synergies in ``configs/postures.yaml``,
speed-limited) -> observation terms, selected by name from a policy's contract. Every
function works on the last axes, the same for one hand and for a batch.

Success is that of ``myoHandPose*-v0`` (myosuite 3.0.0, envs/myo/tasks/basic/arm/pose.py):
all 23 joints together nearer than 0.7 rad.
"""

import functools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from controller import data
from controller.errors import SettingsError
from controller.messages import Array, Feedback, Flags, Goal
from controller.names import JOINT_RANGE_RAD, JOINTS
from controller.settings import load
from controller.skills.skill import Channel, Observation, Term

NAME: Final = "posture"
OBJECTS: Final = 0  # the hand is alone
FILE: Final = "configs/postures.yaml"
MOST_POSTURES: Final = 32
CHANNELS: Final[tuple[Channel, ...]] = (
    Channel("grip", 0.0, 1.0, "all fingers and thumb, 0 open, 1 closed"),
    Channel("pinch", 0.0, 1.0, "thumb and index finger, 1 together"),
    Channel("point", 0.0, 1.0, "index finger out, the others in"),
    Channel("spread", 0.0, 1.0, "fingers apart"),
    Channel("wrist_flexion", -1.0, 1.0, "+ towards the palm"),
    Channel("wrist_deviation", -1.0, 1.0, "+ towards the little finger"),
    Channel("pronation", -1.0, 1.0, "+ palm down"),
    Channel("posture", 0.0, float(MOST_POSTURES), "number in the list of postures; 0: none"),
)

CONTROL_STEP_S: Final = 0.02  # official: 10 physics steps of 2 ms
SOLVED_RAD: Final = 0.7  # official pose_thd of the hand
SUCCESS: Final = f"all joints together within {SOLVED_RAD:g} rad"
TARGET_SPEED_RAD_S: Final = (
    40.0  # of each joint's target: a step of 20 ms moves it by at most 0.8 rad
)

Angles = dict[str, float]


class Synergy(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Where a channel pulls its joints."""

    plus: Angles
    """Joint angles at +1 [rad]."""
    half: Angles = {}
    """At +0.5, when the way is not straight: long muscles bend several joints together."""
    minus: Angles = {}
    """Joint angles at -1 [rad], of a channel that goes both ways."""


class Postures(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """The file ``configs/postures.yaml``."""

    open: Angles
    """The hand when every channel is 0; joints not named are at 0 rad."""
    synergies: dict[str, Synergy]
    """By channel, in the order of the channels: later ones pull at what the earlier made."""
    postures: dict[str, Angles]
    """Named whole postures; joints not named are as in ``open``."""

    def __post_init__(self) -> None:
        """Refuse joints and channels that there are not, and angles out of range."""
        blended = [channel.label for channel in CHANNELS[:-1]]
        for name in self.synergies:
            if name not in blended:
                raise ValueError(f"synergies: {name!r} is no channel; allowed: {blended}")
        if len(self.postures) > MOST_POSTURES:
            raise ValueError(f"postures: {len(self.postures)} of them; at most {MOST_POSTURES}")
        groups = [("open", self.open), *self.postures.items()]
        for name, one in self.synergies.items():
            groups += [(f"{name}.plus", one.plus), (f"{name}.half", one.half)]
            groups += [(f"{name}.minus", one.minus)]
        for where, angles in groups:
            _check(where, angles)

    def named(self, name: str) -> Array:
        """Joint angles of a named posture [rad], (23,).

        Raises:
            SettingsError: there is none of that name.
        """
        if name not in self.postures:
            raise SettingsError(f"no posture {name!r}; there are: {', '.join(self.postures)}")
        return _angles({**self.open, **self.postures[name]})


def _check(where: str, angles: Angles) -> None:
    for joint, angle in angles.items():
        if joint not in JOINT_RANGE_RAD:
            raise ValueError(f"{where}: {joint!r} is no joint; allowed: {', '.join(JOINTS)}")
        low, high = JOINT_RANGE_RAD[joint]
        if not low - 0.01 <= angle <= high + 0.01:
            raise ValueError(f"{where}: {joint}: {angle:g} rad is outside of {low:g}-{high:g}")


def _angles(angles: Angles) -> Array:
    return np.array([angles.get(joint, 0.0) for joint in JOINTS])


@functools.cache
def table() -> Postures:
    """The synergies and postures of the file.

    Raises:
        SettingsError: it is not there, or says what can't be.
    """
    return load(data.find(FILE), Postures)


@dataclass(frozen=True, slots=True)
class _Pull:
    """One pull at some joints, whose amount grows from 0 to 1 as a channel goes on."""

    channel: int
    start: float
    end: float
    joints: NDArray[np.intp]
    angles: Array

    def __call__(self, target: Array, value: Array) -> None:
        amount = np.clip((value - self.start) / (self.end - self.start), 0.0, 1.0)[..., None]
        target[..., self.joints] += amount * (self.angles - target[..., self.joints])


def _pulls(channel: int, one: Synergy) -> Iterator[_Pull]:
    ways = [(0.0, 1.0, one.plus), (0.0, -1.0, one.minus)]
    if one.half:
        ways = [(0.0, 0.5, one.half), (0.5, 1.0, one.plus), (0.0, -1.0, one.minus)]
    for start, end, angles in ways:
        if angles:
            joints = np.array([JOINTS.index(joint) for joint in angles])
            yield _Pull(channel, start, end, joints, np.array(list(angles.values())))


@functools.cache
def _compiled() -> tuple[Array, list[_Pull], Array]:
    """Open hand (23,), what pulls at it in order, the list of postures (n, 23)."""
    known = table()
    pulls = [
        pull
        for index, channel in enumerate(CHANNELS[:-1])
        if (one := known.synergies.get(channel.label)) is not None
        for pull in _pulls(index, one)
    ]
    return _angles(known.open), pulls, np.array([known.named(name) for name in known.postures])


def wanted(intention: Array) -> Array:
    """The joint angles that an intention asks for [rad], (..., 8) -> (..., 23)."""
    open_hand, pulls, listed = _compiled()
    target = np.broadcast_to(open_hand, (*intention.shape[:-1], len(JOINTS))).copy()
    for pull in pulls:
        pull(target, intention[..., pull.channel])
    number = np.rint(intention[..., -1]).astype(np.intp)
    chosen = (number >= 1) & (number <= len(listed))
    target[chosen] = listed[number[chosen] - 1]
    return target


def said(values: Array) -> str:
    """What an intention asks for, (8,): ``digit 3``, ``grip 0.50``, ``open``."""
    names = list(table().postures)
    number = round(float(values[-1])) if np.isfinite(values[-1]) else 0
    if 1 <= number <= len(names):
        return names[number - 1].replace("_", " ")
    moved = [
        f"{channel.label.replace('_', ' ')} {value:.2f}"
        for channel, value in zip(CHANNELS[:-1], values[:-1], strict=True)
        if value != 0.0
    ]
    return ", ".join(moved) or "open"


@dataclass(frozen=True, slots=True)
class PostureGoal(Goal):
    """Where each joint should be.

    Attributes:
        target_rad: now, on its way at a limited speed, (..., 23).
        wanted_rad: in the end, (..., 23).
    """

    target_rad: Array
    wanted_rad: Array


def begin_at(target_rad: Array) -> PostureGoal:
    """The goal that has arrived at a target, (..., 23)."""
    target = np.array(target_rad, dtype=np.float64)
    return PostureGoal(target, target.copy())


def begin(feedback: Feedback) -> PostureGoal:
    """The goal that asks for the posture that the hand is in."""
    low, high = np.array([JOINT_RANGE_RAD[joint] for joint in JOINTS]).T
    return begin_at(np.clip(feedback.joint_pos, low, high))


def still(values: Array) -> Array:
    """The intention that stops the motion: the posture stays as it is asked for, (8,)."""
    return values.copy()


def advance(goal: PostureGoal, intention: Array, dt_s: float) -> PostureGoal:
    """Move the targets towards what the intention asks for, for one control step.

    Args:
        goal: the goal of the last tick.
        intention: (..., 8), in the order of CHANNELS.
        dt_s: control step [s].
    """
    return towards(goal, wanted(intention), dt_s)


def towards(goal: PostureGoal, wanted_rad: Array, dt_s: float) -> PostureGoal:
    """Move the targets towards these angles (..., 23), for one control step."""
    most = TARGET_SPEED_RAD_S * dt_s
    step = np.clip(wanted_rad - goal.target_rad, -most, most)
    return replace(goal, target_rad=goal.target_rad + step, wanted_rad=wanted_rad.copy())


def markers(feedback: Feedback, goal: PostureGoal) -> Array:
    """There are no objects, (..., 0, 3)."""
    return np.zeros((*goal.target_rad.shape[:-1], 0, 3))


def errors_m(feedback: Feedback, goal: PostureGoal) -> Array:
    """There are no objects, (..., 0)."""
    return np.zeros((*goal.target_rad.shape[:-1], 0))


def distance_rad(feedback: Feedback, goal: PostureGoal) -> Array:
    """Distance from what is wanted, over all joints together [rad], (...)."""
    away: Array = np.linalg.norm(feedback.joint_pos - goal.wanted_rad, axis=-1)
    return away


def solved(feedback: Feedback, goal: PostureGoal) -> Flags:
    """The official success of a step, (...)."""
    near: Flags = distance_rad(feedback, goal) < SOLVED_RAD
    return near


def dropped(feedback: Feedback) -> Flags:
    """Nothing can fall, (...)."""
    return np.zeros(feedback.joint_pos.shape[:-1], bool)


TERMS: Final[Mapping[str, Term]] = {
    "hand_pos": Term(23, lambda f, g: f.joint_pos),
    "joint_vel": Term(23, lambda f, g: f.joint_vel),
    "act": Term(39, lambda f, g: f.activation),
    "target_joint": Term(23, lambda f, g: g.target_rad),
    "error_joint": Term(23, lambda f, g: g.target_rad - f.joint_pos),
}
OWN_TERMS: Final = tuple(TERMS)


def observation(terms: Sequence[str]) -> Observation:
    """The observation made of these terms, in this order.

    Raises:
        ContractError: a term is not one of TERMS.
    """
    return Observation(NAME, TERMS, terms)
