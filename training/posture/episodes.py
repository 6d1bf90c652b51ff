"""What the hands are asked to do: postures to hold, to change and to follow, for a batch."""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from controller.messages import Array, Flags
from controller.names import JOINTS
from controller.skills import posture
from training.posture.hands import PoseHands
from training.posture.plan import PostureStarts, PostureTask
from training.posture.targets import (
    DIGITS,
    Focus,
    intentions,
    joint_range,
    named,
    official_range,
    reachable,
)

NEVER: Final = np.inf


class PostureEpisodes:
    """The targets of a batch of hands; each hand draws its own task at every reset.

    Attributes:
        since_s: time since the target last leapt [s], (n,).
        moving: hands whose target moves all the time, (n,).
    """

    def __init__(
        self,
        hands: PoseHands,
        tasks: Sequence[PostureTask],
        starts: PostureStarts,
        rng: np.random.Generator,
    ) -> None:
        self.hands, self.tasks, self.starts, self.rng = hands, tasks, starts, rng
        count = hands.count
        self.task = np.zeros(count, np.intp)
        self.focus = Focus()
        self.since_s, self.moving = np.zeros(count), np.zeros(count, bool)
        self.goal = posture.begin_at(np.zeros((count, len(JOINTS))))
        self._wanted = np.zeros((count, len(JOINTS)))
        self._which = np.full(count, -1, np.intp)
        self._left_s = np.full(count, NEVER)
        self._from, self._to = np.zeros((count, 8)), np.zeros((count, 8))
        self._rate, self._phase = np.zeros(count), np.zeros(count)

    def reset(self, ids: NDArray[np.intp], task: NDArray[np.intp] | None = None) -> None:
        """Start new episodes: draw task, target and start posture."""
        if ids.size == 0:
            return
        rng, count = self.rng, ids.size
        shares = np.array([one.share for one in self.tasks])
        drawn = rng.choice(len(self.tasks), size=count, p=shares / shares.sum())
        self.task[ids] = drawn if task is None else task
        start = self._starts(ids)
        self.hands.place(ids, start)
        self.goal.target_rad[ids] = np.clip(start, *joint_range())
        for index, one in enumerate(self.tasks):
            own = ids[self.task[ids] == index]
            self.moving[own] = one.do == "follow"
            if one.do == "follow":
                self._begin_swing(own, one)
            else:
                self._draw(own, one)

    def _starts(self, ids: NDArray[np.intp]) -> Array:
        rng, starts, count = self.rng, self.starts, ids.size
        start = np.empty((count, len(JOINTS)))
        for index, one in enumerate(self.tasks):
            own = self.task[ids] == index
            start[own] = self._targets(int(own.sum()), one.to)[0]
        kind = rng.random(count)
        neutral, anywhere = kind < starts.neutral, kind >= 1.0 - starts.random
        start[neutral] = 0.0
        start[anywhere] = rng.uniform(*joint_range(), (int(anywhere.sum()), len(JOINTS)))
        noise = rng.normal(0.0, starts.joint_noise_rad, start.shape)
        return start + noise * (rng.random((count, 1)) < 0.5)  # the official start has none

    def _targets(self, count: int, source: str) -> tuple[Array, NDArray[np.intp]]:
        """Targets [rad], (count, 23), and their numbers in the list, -1 for none."""
        rng, without = self.rng, np.full(count, -1, np.intp)
        if source in ("digits", "postures"):
            of = DIGITS if source == "digits" else len(named())
            which = self.focus.draw(count, of, self.starts.focus, rng)
            return named()[which], which
        if source == "synergies":
            return posture.wanted(intentions(count, rng)), without
        if source == "reachable":
            return reachable()[rng.integers(0, len(reachable()), count)], without
        return rng.uniform(*official_range(), (count, len(JOINTS))), without

    def _draw(self, ids: NDArray[np.intp], task: PostureTask) -> None:
        self._wanted[ids], self._which[ids] = self._targets(ids.size, task.to)
        self.since_s[ids] = 0.0
        self._left_s[ids] = NEVER
        if task.do == "change":
            self._left_s[ids] = self.rng.uniform(*task.segment_s, ids.size)

    def _begin_swing(self, ids: NDArray[np.intp], task: PostureTask) -> None:
        rng, count = self.rng, ids.size
        self._from[ids], self._to[ids] = intentions(count, rng), intentions(count, rng)
        only_grip = rng.random(count) < 0.5
        self._from[ids[only_grip]] = 0.0
        self._to[ids[only_grip]] = np.eye(8)[0]
        self._rate[ids] = 2 * np.pi * rng.uniform(*task.hz, count)
        self._phase[ids] = rng.uniform(0.0, 2 * np.pi, count)
        self._which[ids], self._left_s[ids], self.since_s[ids] = -1, NEVER, 0.0

    def advance(self) -> None:
        """Let the goals move on by one control step; draw new targets where one ended."""
        step = posture.CONTROL_STEP_S
        self._left_s -= step
        self.since_s += step
        over = np.flatnonzero(self._left_s <= 0.0)
        self.ended(over)
        for index, one in enumerate(self.tasks):
            own = over[self.task[over] == index]
            if own.size:
                self._draw(own, one)
        self._phase += self._rate * step
        swing = np.flatnonzero(self.moving)
        share = 0.5 - 0.5 * np.cos(self._phase[swing, None])
        between = self._from[swing] + share * (self._to[swing] - self._from[swing])
        self._wanted[swing] = posture.wanted(between)
        self.goal = posture.towards(self.goal, self._wanted, step)

    def ends_now(self) -> Flags:
        """Hands whose target is about to be replaced: this step is its last, (n,)."""
        last: Flags = self._left_s <= posture.CONTROL_STEP_S
        return last

    def ended(self, ids: NDArray[np.intp]) -> None:
        """Remember whether the targets of these hands were reached."""
        reached = posture.solved(self.hands.feedback(), self.goal)
        self.focus.note(self._which[ids], reached[ids].astype(float))
