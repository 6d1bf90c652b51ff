"""Hands at work: what they are asked for, how old their episodes are, which have ended."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from controller.messages import Array, Flags
from controller.skills import baoding
from training.balls.disturb import disturbance
from training.balls.plan import BallsStage
from training.balls.state import Asked, asked, seen
from training.batch import Hands
from training.episodes import Episodes, tracking


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a control step led to.

    Attributes:
        distance: of the balls from their targets [m], (n, 2).
        solved: (n,).
        lowest: height of the lower ball [m], (n,).
        broken: whether the physics was lost, (n,).
    """

    distance: Array
    solved: Flags
    lowest: Array
    broken: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Moment:
    """All hands at a moment.

    Attributes:
        states: of the physics, (n, nstate).
        asked: what Episodes asked them for.
        age, solved: steps of their episodes, and those of them that were solved, (n,).
    """

    states: Array
    asked: list[NDArray[Any]]
    age: NDArray[np.intp]
    solved: Array


class World:
    """A batch of hands on the tasks of a stage; their first episodes are of any length.

    Each hand keeps its balls until all start anew.

    Args:
        twins: whether the second half of the hands has the balls of the first.

    Attributes:
        episodes: what they are asked for.
        rng: that all is drawn with.
    """

    def __init__(
        self, hands: Hands, stage: BallsStage, rng: np.random.Generator, twins: bool = False
    ) -> None:
        self.hands, self.stage, self.rng, self._twins = hands, stage, rng, twins
        self.episodes = Episodes(hands, stage.tasks, stage.starts, rng)
        self._longest = round(stage.episode_s / baoding.CONTROL_STEP_S)
        self._age, self._solved = np.zeros(hands.count, int), np.zeros(hands.count)
        self._whole = np.zeros(hands.count, bool)
        self.restart()

    def restart(self) -> None:
        """Start all hands anew with other balls, spread over the ages of an episode."""
        stage = self.stage
        self.hands.draw_balls(stage.balls, self.rng, stage.usual_balls, self._twins)
        self._begin(np.arange(self.hands.count))
        self._age[:] = self.rng.integers(0, self._longest, self.hands.count)
        self._whole[:] = False  # the first episodes are cut short

    def _begin(self, ids: NDArray[np.intp]) -> None:
        self.episodes.reset(ids)
        self._age[ids], self._solved[ids], self._whole[ids] = 0, 0.0, True

    def state(self) -> torch.Tensor:
        """The state of all hands, (n, 109)."""
        return seen(self.hands)

    def asked(self) -> Asked:
        """What the hands are asked for."""
        return asked(self.episodes)

    def step(self, excitation: torch.Tensor) -> Outcome:
        """One control step of 25 ms under excitations (n, 39)."""
        self.hands.step(excitation.detach().numpy().astype(np.float64))
        distance, solved, lowest = tracking(self.hands, self.episodes.goal)
        self._solved += solved
        self._age += 1
        return Outcome(distance, solved, lowest, self.hands.broken())

    def lost(self, outcome: Outcome) -> Flags:
        """Hands whose episode is over before its time, (n,).

        They dropped a ball, or let it fall far behind its target once they had both there.
        """
        stage = self.stage
        behind = (outcome.distance.max(axis=1) > stage.ascent.behind_m) & (self._solved > 0.0)
        lost: Flags = outcome.broken | (outcome.lowest < stage.drop_height_m) | behind
        return lost

    @property
    def age(self) -> NDArray[np.intp]:
        """How old the episodes are in control steps, (n,)."""
        return self._age

    @property
    def late(self) -> Flags:
        """Episodes that are as long as they may be, (n,)."""
        late: Flags = self._age >= self._longest
        return late

    def end(self, ids: NDArray[np.intp]) -> None:
        """Remember how the episodes of these hands went, and begin new ones."""
        self._note(ids)
        self._begin(ids)

    def _note(self, ids: NDArray[np.intp]) -> None:
        whole = ids[self._whole[ids]]
        self.episodes.ended(whole, self._solved[whole] / self._longest)

    def disturb(self, share: float) -> None:
        """Disturb a share of the hands, drawn anew, a little."""
        ids = np.flatnonzero(self.rng.random(self.hands.count) < share)
        self.hands.disturb(ids, disturbance(ids.size, self.rng))

    def moment(self) -> Moment:
        """All hands as they are now."""
        hands, asked = self.hands.states(), self.episodes.parts()
        return Moment(hands, asked, self._age.copy(), self._solved.copy())

    def back(self, ids: NDArray[np.intp], to: Moment) -> None:
        """Put hands that lost a ball, (n,), back to a moment of theirs, a little disturbed."""
        self._note(ids)
        self.hands.put(ids, to.states[ids])
        self.hands.disturb(ids, disturbance(ids.size, self.rng))
        self.episodes.put(ids, [part[ids] for part in to.asked])
        self._age[ids], self._solved[ids] = to.age[ids], to.solved[ids]
        self._whole[ids] = False

    def copy(self, of: NDArray[np.intp], to: NDArray[np.intp]) -> None:
        """Make the hands ``to`` twins of the hands ``of``, (n,) each."""
        self.hands.copy(of, to)
        self.episodes.copy(of, to)
        for each in (self._age, self._solved, self._whole):
            each[to] = each[of]
