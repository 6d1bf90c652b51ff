"""The tick: intention -> goal -> observation -> policy -> gate -> plant.

The same object runs in the daemon, in tests and in the official evaluation.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any, Final

import numpy as np

from controller.gate import Gate, State
from controller.messages import Array, Excitation, Feedback, Intention, MuscleCommand
from controller.names import MUSCLES
from controller.ports import IntentionSource, Plant, Policy, Skill

REST: Final = np.zeros(len(MUSCLES), np.float32)
MEASURED: Final = tuple(field.name for field in fields(Feedback) if field.name != "time_s")


@dataclass(frozen=True, slots=True)
class Outcome:
    """How the objects follow the goal of the last tick.

    Attributes:
        errors_m: distance of each object from its target [m], (n,).
        solved: the task's own success of this step.
        dropped: whether an object lies below the drop height.
        judged: whether this is the policy's doing: the last command was its work.
    """

    errors_m: Array
    solved: bool
    dropped: bool
    judged: bool


@dataclass(frozen=True, slots=True)
class Tick:
    """What one tick saw and did; arrays are valid until the next one.

    Attributes:
        wished: what the policy asked for, (39,); zeros while not working.
        targets: where the goal wants the objects, in the world [m], (n, 3).
    """

    intention: Intention
    feedback: Feedback
    outcome: Outcome
    state: State
    wished: Excitation
    command: MuscleCommand
    targets: Array


def _finite(feedback: Feedback) -> bool:
    return all(bool(np.isfinite(getattr(feedback, name)).all()) for name in MEASURED)


class Loop:
    """Holds the goal and the recurrent policy between ticks."""

    def __init__(
        self,
        source: IntentionSource,
        plant: Plant,
        skill: Skill,
        policy: Policy,
        gate: Gate,
        terms: tuple[str, ...],
        period_s: float,
        begin: Callable[[Feedback], Any] | None = None,
    ) -> None:
        self.source, self.plant, self.skill = source, plant, skill
        self.policy, self.gate, self.period_s = policy, gate, period_s
        self._begin = begin or skill.begin
        self._observation = skill.observation(terms)
        self._obs = np.zeros(self._observation.size, np.float32)
        self._live = False  # a plant that was reset waits, paused, for the first work
        plant.reset()
        self._goal = self._begin(plant.read())

    def tick(self, now_s: float, stopping: bool = False) -> Tick:
        """One control step at ``now_s`` (CLOCK_MONOTONIC) [s].

        Args:
            now_s: when the tick began.
            stopping: whether the loop is about to end: as if the dead-man were let go.
        """
        intention = self.source.read(now_s)
        if stopping:
            intention = replace(intention, engage=0.0)
        feedback = self.plant.read()
        outcome = self._judge(feedback)
        state = self._admit(intention, feedback)
        if state is State.READY and not self._live:
            feedback = self.plant.read()  # the task was put back
        wished = self._wish(intention, feedback, state) if state.working else REST
        command = self.gate.allow(wished)
        if self._live:
            self.plant.write(command.excitation)
        targets = self.skill.markers(feedback, self._goal)
        return Tick(intention, feedback, outcome, self.gate.state, wished, command, targets)

    def _judge(self, feedback: Feedback) -> Outcome:
        return Outcome(
            errors_m=self.skill.errors_m(feedback, self._goal),
            solved=bool(self.skill.solved(feedback, self._goal)),
            dropped=bool(self.skill.dropped(feedback)),
            judged=self.gate.state.working,
        )

    def _admit(self, intention: Intention, feedback: Feedback) -> State:
        """Let the gate move on; put the task back when ready, start afresh when active."""
        before = self.gate.state
        state = self.gate.admit(intention, _finite(feedback))
        if state is State.READY and before is not State.READY:
            self.plant.reset()
            self._live = False
            self._goal = self._begin(self.plant.read())
        elif state.working and not before.working:
            self.policy.reset()
            self._goal = self._begin(feedback)
            self._live = True
        return state

    def _wish(self, intention: Intention, feedback: Feedback, state: State) -> Excitation:
        values = intention.values
        if state is State.HOLDING:
            values = self.skill.still(values)
        self._goal = self.skill.advance(self._goal, values, self.period_s)
        self._observation.observe(feedback, self._goal, self._obs)
        return self.policy.infer(self._obs)
