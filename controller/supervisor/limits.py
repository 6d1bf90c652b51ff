"""Limits as data: ``configs/safety.yaml``. A file can only tighten what is built in.

The bounds below are the built-in ceilings; a looser value in a file is refused, not clipped,
so that nobody believes in a limit that does not hold.
"""

import hashlib
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

import msgspec
import numpy as np
from msgspec import Meta

from controller.errors import SettingsError
from controller.messages import Array, Excitation
from controller.names import JOINT_RANGE_RAD, JOINTS, MUSCLES
from controller.settings import load
from controller.supervisor.states import Reason

Share = Annotated[float, Meta(ge=0.0, le=1.0)]


class Action(StrEnum):
    """What a violation leads to, mildest first."""

    LIMIT = "limit"
    """The command is brought inside; counted."""
    RELAX = "relax"
    """The hand relaxes; working again takes a fresh arming."""
    LATCH = "latch"
    """FAULT: the hand relaxes; only an explicit reset leads out."""


SEVERITY: Final = tuple(Action)

BUILT_IN: Final[dict[Reason, Action]] = {
    Reason.INTENTION_FAULT: Action.RELAX,
    Reason.INTENTION_INVALID: Action.RELAX,
    Reason.INTENTION_STALE: Action.RELAX,
    Reason.COMMAND_NOT_FINITE: Action.RELAX,
    Reason.COMMAND_SHAPE: Action.RELAX,
    Reason.RANGE: Action.LIMIT,
    Reason.CEILING: Action.LIMIT,
    Reason.TOTAL: Action.LIMIT,
    Reason.SLEW: Action.LIMIT,
    Reason.WINDOW: Action.LIMIT,
    Reason.FEEDBACK_NOT_FINITE: Action.LATCH,
    Reason.FEEDBACK_STALE: Action.RELAX,
    Reason.JOINT_ANGLE: Action.RELAX,
    Reason.JOINT_SPEED: Action.RELAX,
    Reason.DEADLINES: Action.RELAX,
    Reason.FOLLOWER: Action.LATCH,
    Reason.ATTENDANT_LOST: Action.LATCH,
}
"""The mildest action for each reason that a file may name."""


class Limits(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """What the supervisor holds commands, hand and machine against."""

    excitation_max: Share = 1.0
    """Ceiling of every muscle's excitation, 0-1."""
    excitation_max_of: dict[str, Share] = {}
    """Lower ceilings of single muscles, by name."""
    excitation_total_max: Annotated[float, Meta(gt=0.0, le=20.0)] = 20.0
    """Ceiling of the sum over all muscles: half of them at full force."""
    slew_per_s: Annotated[float, Meta(gt=0.0, le=20.0)] = 20.0
    """Largest change of an excitation in a second, tick by tick."""
    window_ms: Annotated[float, Meta(ge=10.0, le=1000.0)] = 100.0
    """Length of the sliding window for ``window_rise_max``."""
    window_rise_max: Annotated[float, Meta(gt=0.0, le=1.0)] = 1.0
    """Largest rise of an excitation above its lowest value in the window."""
    relax_within_ms: Annotated[float, Meta(ge=100.0, le=300.0)] = 250.0
    """A full excitation ramps down to rest in this time: a ramp, not a step."""

    intention_hold_ms: Annotated[float, Meta(gt=0.0, le=100.0)] = 100.0
    """An intention older than this holds the goal where it is."""
    intention_stale_ms: Annotated[float, Meta(gt=0.0, le=300.0)] = 300.0
    """An intention older than this relaxes the hand."""
    command_ttl_ms: Annotated[float, Meta(gt=0.0, le=100.0)] = 100.0
    """A driver applies no command that is older than this."""

    feedback_stale_ms: Annotated[float, Meta(gt=0.0, le=200.0)] = 100.0
    """The plant's feedback may be this old."""
    joint_margin_rad: Annotated[float, Meta(ge=0.0, le=0.5)] = 0.35
    """How far a joint may be measured outside of its anatomical range."""
    joint_range_rad: dict[str, tuple[float, float]] = {}
    """Tighter ranges of single joints, by name, without margin."""
    joint_speed_max_rad_s: Annotated[float, Meta(gt=0.0, le=60.0)] = 60.0
    """Largest joint speed."""

    deadlines_missed_in_row_max: Annotated[int, Meta(ge=1, le=50)] = 8
    """So many deadlines may be missed in a row."""
    follower_silent_ms: Annotated[float, Meta(gt=0.0, le=500.0)] = 250.0
    """A required follower, the control port among them, may give no sign of life for so long."""
    arm_within_s: Annotated[float, Meta(gt=0.0, le=60.0)] = 30.0
    """An arming that no dead-man follows ends after this time."""

    actions: dict[str, Action] = {}
    """Stricter actions by reason: limit < relax < latch."""

    def ceilings(self) -> Excitation:
        """Ceiling of each muscle's excitation, (39,)."""
        return np.array(
            [
                min(self.excitation_max, self.excitation_max_of.get(m, self.excitation_max))
                for m in MUSCLES
            ],
            np.float32,
        )

    def joint_bounds_rad(self) -> tuple[Array, Array]:
        """Lowest and highest measured angle of each joint [rad], (23,) each."""
        margin = self.joint_margin_rad
        pairs = []
        for joint in JOINTS:
            low, high = JOINT_RANGE_RAD[joint]
            own_low, own_high = self.joint_range_rad.get(joint, (low - margin, high + margin))
            pairs.append((max(low - margin, own_low), min(high + margin, own_high)))
        bounds = np.array(pairs)
        return bounds[:, 0], bounds[:, 1]

    def action(self, reason: Reason) -> Action:
        """What this reason leads to."""
        built_in = BUILT_IN[reason]
        own = self.actions.get(_key(reason), built_in)
        return max(built_in, own, key=SEVERITY.index)

    def reasons_for(self, action: Action) -> Reason:
        """Every reason that leads to this action."""
        found = Reason(0)
        for reason in BUILT_IN:
            found |= reason if self.action(reason) == action else Reason(0)
        return found

    @property
    def sha256(self) -> str:
        """Of all values, defaults included: in each report and recording."""
        return hashlib.sha256(msgspec.json.encode(self, order="sorted")).hexdigest()


def _key(reason: Reason) -> str:
    assert reason.name is not None  # single members only
    return reason.name.lower()


def load_limits(path: str | Path) -> Limits:
    """Read a safety file.

    Raises:
        SettingsError: names the key, the value and what is allowed.
    """
    limits = load(path, Limits)
    try:
        check(limits)
    except SettingsError as error:
        raise SettingsError(f"{path}: {error}") from None
    return limits


def check(limits: Limits) -> None:
    """What the types can't say: names, and one limit against another.

    Raises:
        SettingsError: names the key, the value and what is allowed.
    """
    _known("excitation_max_of", limits.excitation_max_of, MUSCLES)
    _known("joint_range_rad", limits.joint_range_rad, JOINTS)
    _known("actions", limits.actions, [_key(reason) for reason in BUILT_IN])
    for joint, (low, high) in limits.joint_range_rad.items():
        if not low < high:
            raise SettingsError(f"joint_range_rad.{joint}: {low:g} is not below {high:g}")
    if limits.intention_hold_ms > limits.intention_stale_ms:
        raise SettingsError(
            f"intention_hold_ms: {limits.intention_hold_ms:g} is later than "
            f"intention_stale_ms ({limits.intention_stale_ms:g}); holding comes first"
        )
    for reason, built_in in BUILT_IN.items():
        own = limits.actions.get(_key(reason), built_in)
        if SEVERITY.index(own) < SEVERITY.index(built_in):
            stricter = SEVERITY[SEVERITY.index(built_in) :]
            raise SettingsError(
                f"actions.{_key(reason)}: {own.value!r} is milder than the built-in "
                f"{built_in.value!r}; allowed: {', '.join(stricter)}"
            )


def _known(key: str, found: Mapping[str, object], allowed: tuple[str, ...] | list[str]) -> None:
    for name in found:
        if name not in allowed:
            raise SettingsError(f"{key}.{name}: unknown; allowed: {', '.join(allowed)}")
