"""What the hands are asked to do: starts, rotation commands and jumps, for a batch."""

from dataclasses import replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from controller.messages import Array, Flags
from controller.skills import baoding
from training.batch import Hands
from training.curriculum import FASTEST_PERIOD_S, Starts, Task
from training.focus import PhaseFocus

LIFT_M: Final = 0.006  # placed balls start this far above their targets: clear of the palm
HOLD_SHARE_OF_PROFILE: Final = 0.25
ORBIT_RANGE_M: Final = ((0.020, 0.022), (0.030, 0.032))  # the official P2: least, most of x, y
GOAL: Final = ("angle_rad", "shown_rad", "rate_rad_s", "radius_m", "started")
TURN: Final = {"cw": (-1.0,), "ccw": (1.0,), "both": (-1.0, 1.0)}


class Episodes:
    """The commands of a batch of hands; each hand draws its own task at every reset."""

    def __init__(
        self, hands: Hands, tasks: list[Task], starts: Starts, rng: np.random.Generator
    ) -> None:
        self.hands, self.tasks, self.starts, self.rng = hands, tasks, starts, rng
        count = hands.count
        self.task = np.zeros(count, dtype=np.intp)
        self.rotation = np.zeros((count, 1))
        self._segment_left = np.full(count, np.inf)
        self.goal = baoding.begin_at(np.zeros(count))
        self.focus = PhaseFocus()
        self._start_phase = np.zeros(count)
        self._start_rotation = np.zeros(count)
        self._placed = np.zeros(count, bool)

    def reset(self, ids: NDArray[np.intp], task: NDArray[np.intp] | None = None) -> None:
        """Start new episodes: draw a task, place the hand, the balls and the targets."""
        if ids.size == 0:
            return
        rng, starts, count = self.rng, self.starts, ids.size
        shares = np.array([t.share for t in self.tasks])
        drawn = rng.choice(len(self.tasks), size=count, p=shares / shares.sum())
        self.task[ids] = drawn if task is None else task
        for one in ids.tolist():
            self._draw_command(one, first=True)
        placed = rng.random(count) < starts.on_targets
        classic = rng.random(count) < starts.classic
        official = np.where(
            classic, baoding.START_ANGLE_CLASSIC_RAD, baoding.START_ANGLE_CURRENT_RAD
        )
        anywhere = placed | (rng.random(count) < starts.anywhere)
        swapped = ~anywhere & (rng.random(count) < starts.swapped)
        drawn_angle = self.focus.draw(placed, self.rotation[ids, 0], starts.focus, rng)
        angle = np.where(anywhere, drawn_angle, official + np.pi * swapped)
        # balls that changed places lie to their targets as they did before
        self._start_phase[ids], self._placed[ids] = angle - np.pi * swapped, placed
        self._start_rotation[ids] = self.rotation[ids, 0]
        moving = ~placed | (rng.random(count) < 0.5)  # the official task moves at once
        rate = np.where(moving, self.rotation[ids, 0], 0.0) * baoding.FASTEST_RATE_RAD_S
        self._set_goal(ids, baoding.begin_at(angle, rate, self._orbits(ids)))
        self._place(ids, placed, swapped)

    def _orbits(self, ids: NDArray[np.intp]) -> Array:
        """Orbit radii of these hands [m], (n, 2)."""
        count = ids.size
        nominal, spread = np.array(baoding.ORBIT_RADIUS_M), self.starts.orbits
        if spread == 0.0:
            return np.tile(nominal, (count, 1))
        low, high = (nominal + spread * (np.array(end) - nominal) for end in ORBIT_RANGE_M)
        drawn = self.rng.uniform(low, high, (count, 2))
        usual = self.hands.balls.usual[ids] & (self.rng.random(count) < self.starts.usual_orbits)
        return np.where(usual[:, None], nominal, drawn)

    def copy(self, of: NDArray[np.intp], to: NDArray[np.intp]) -> None:
        """Ask the hands ``to``, (n,), for what the hands ``of``, (n,), are asked for."""
        self.put(to, [part[of] for part in self.parts()])

    def parts(self) -> list[NDArray[Any]]:
        """What all hands are asked for, (count, ...) each; copies."""
        goal = (getattr(self.goal, name) for name in GOAL)
        return [part.copy() for part in (*self._own(), *goal)]

    def put(self, ids: NDArray[np.intp], parts: list[NDArray[Any]]) -> None:
        """Ask hands, (n,), for what ``parts``, (n, ...) each, once gave."""
        own = self._own()
        for each, part in zip(own, parts, strict=False):
            each[ids] = part
        goal = dict(zip(GOAL, parts[len(own) :], strict=True))
        self._set_goal(ids, baoding.BaodingGoal(**goal))

    def _own(self) -> tuple[NDArray[Any], ...]:
        """What hands are asked for besides their goals, (count, ...) each."""
        start = self._start_phase, self._start_rotation, self._placed
        return self.task, self.rotation, self._segment_left, *start

    def ended(self, ids: NDArray[np.intp], solved_share: Array) -> None:
        """Remember how the episodes of these hands went, (n,), before they are reset."""
        began = self._placed[ids], self._start_rotation[ids], self._start_phase[ids]
        self.focus.note(*began, solved_share)

    def _place(
        self, ids: NDArray[np.intp], placed: NDArray[np.bool_], swapped: NDArray[np.bool_]
    ) -> None:
        hands, starts, rng = self.hands, self.starts, self.rng
        joints = rng.normal(0.0, starts.joint_noise_rad, (ids.size, 23))
        hands.place(ids, joints)
        balls = hands.start_balls(ids)
        feedback = hands.feedback()
        targets = baoding.markers(feedback, self.goal)[ids]
        targets[..., 2] += LIFT_M
        balls[placed] = targets[placed]
        balls[swapped] = balls[swapped, ::-1]
        balls[..., :2] += rng.normal(0.0, starts.ball_noise_m, (ids.size, 2, 2))
        hands.place(ids, joints, balls)

    def _set_goal(self, ids: NDArray[np.intp], fresh: baoding.BaodingGoal) -> None:
        parts = {name: getattr(self.goal, name).copy() for name in GOAL}
        for name in GOAL:
            parts[name][ids] = getattr(fresh, name)
        self.goal = replace(self.goal, **parts)

    def advance(self) -> None:
        """Let the targets move on by one control step; draw new commands where one ended."""
        self._segment_left -= baoding.CONTROL_STEP_S
        for one in np.flatnonzero(self._segment_left <= 0).tolist():
            self._draw_command(one, first=False)
        self.goal = baoding.advance(self.goal, self.rotation, baoding.CONTROL_STEP_S)

    def _draw_command(self, one: int, first: bool) -> None:
        task, rng = self.tasks[self.task[one]], self.rng
        self._segment_left[one] = np.inf
        if task.do in ("profile", "jump"):
            self._segment_left[one] = rng.uniform(*task.segment_s)
        if task.do == "jump":
            self.rotation[one] = 0.0
            if not first:
                self.goal.angle_rad[one] += rng.uniform(-task.jump_rad, task.jump_rad)
        elif task.do == "hold":
            self.rotation[one] = 0.0
        elif task.do == "rotate":
            period = 1.0 / rng.uniform(1.0 / task.period_s[1], 1.0 / task.period_s[0])
            self.rotation[one] = rng.choice(TURN[task.direction]) * FASTEST_PERIOD_S / period
        else:
            fastest = FASTEST_PERIOD_S / task.period_s[0]
            hold = rng.random() < HOLD_SHARE_OF_PROFILE
            self.rotation[one] = 0.0 if hold else rng.uniform(-fastest, fastest)


def tracking(hands: Hands, goal: baoding.BaodingGoal) -> tuple[Array, Flags, Array]:
    """Distances (n, 2) [m], solved (n,) and the lower ball's height (n,) [m]."""
    feedback = hands.feedback()
    distance = baoding.errors_m(feedback, goal)
    lowest = feedback.object_pos[..., 2].min(axis=-1)
    return distance, baoding.solved(feedback, goal), lowest
