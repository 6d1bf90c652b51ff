"""The tick: intention -> goal -> observation -> policy -> supervisor -> followers and plant.

The same object runs in the daemon, in tests, in a replay and in the official evaluation.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from controller.messages import Array, Excitation, Feedback, Intention, MuscleCommand
from controller.names import MUSCLES
from controller.ports import IntentionSource, Plant, Policy, Posable, Posing, Skill
from controller.shadow import Shadow, tried
from controller.supervisor.judge import Machine
from controller.supervisor.states import Order, State
from controller.supervisor.supervisor import Supervisor

REST: Final = np.zeros(len(MUSCLES), np.float32)


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


UNJUDGED: Final = Outcome(np.zeros(0), solved=False, dropped=False, judged=False)


@dataclass(slots=True)
class Tick:
    """What one tick saw and did; arrays are valid until the next one.

    Attributes:
        wished: what the policy asked for, (39,); zeros while not working.
        outcome: known at the tick's end: it waits until the command has left.
        targets: where the goal wants the objects, in the world [m], (n, 3); known as late.
    """

    intention: Intention
    feedback: Feedback
    state: State
    goal: Any
    observation: np.ndarray
    wished: Excitation
    command: MuscleCommand
    outcome: Outcome = UNJUDGED
    targets: Array = field(default_factory=lambda: np.zeros((0, 3)))


@dataclass(slots=True)
class Parts:
    """What the parts of the newest tick took [ns].

    Attributes:
        left_at: CLOCK_MONOTONIC when the command was published.
    """

    read: int = 0
    think: int = 0
    gate: int = 0
    plant: int = 0
    left_at: int = 0


def _no_time() -> int:
    return 0


def _poser(skill: Skill, plant: Plant) -> Callable[[Any], None] | None:
    """Passes a goal's posture through, where the skill asks for one; the daemon saw that both fit.

    Asked once: to look whether an object follows a protocol takes longer than the rest of it.
    """
    if isinstance(skill, Posing) and isinstance(plant, Posable):
        return lambda goal: plant.pose(skill.posture(goal))
    return None


class Loop:
    """Holds the goal and the recurrent policy between ticks.

    Args:
        source: where the intention comes from.
        plant: the hand that closes the loop.
        skill: what the intention means.
        policy: from observation to wish.
        supervisor: the last word.
        period_s: of a tick.
        every: ticks for each step of the policy.
        begin: the goal of a start; the skill's own by default.
        publish: told of each tick before the plant is.
        clock: CLOCK_MONOTONIC [ns], to measure the parts.

    Attributes:
        parts: what the newest tick took.
        sent: what the plant took at the newest tick, (39,).
        policies: number of the present policy; 1 more after each swap.
        shadow: a policy on trial, which is to take over.
    """

    def __init__(
        self,
        source: IntentionSource,
        plant: Plant,
        skill: Skill,
        policy: Policy,
        supervisor: Supervisor,
        period_s: float,
        every: int = 1,
        begin: Callable[[Feedback], Any] | None = None,
        publish: Callable[[Tick], None] | None = None,
        clock: Callable[[], int] = _no_time,
    ) -> None:
        self.source, self.plant, self.skill = source, plant, skill
        self.supervisor, self.period_s = supervisor, period_s
        self.parts, self.sent, self.policies = Parts(), REST, 0
        self.shadow: Shadow | None = None
        self._every, self._step = every, 0
        self._begin = begin or skill.begin
        self._publish, self._clock = publish, clock
        self._pose = _poser(skill, plant)
        self._use(policy)
        self._wished = REST
        self._live = False  # a plant that was reset waits, paused, for the first work
        plant.reset()
        self._goal = self._begin(plant.read())

    def _use(self, policy: Policy) -> None:
        self.policy = policy
        self._observation = self.skill.observation(policy.terms)
        self._obs = np.zeros(self._observation.size, np.float32)

    def tick(self, now_s: float, machine: Machine | None = None) -> Tick:
        """One control step at ``now_s`` (CLOCK_MONOTONIC) [s].

        Args:
            now_s: when the tick began.
            machine: orders, and how everything round the loop is.
        """
        machine = machine or Machine()
        began = self._clock()
        intention = self.source.read(now_s)
        seen = feedback = self.plant.read()
        goal, judged = self._goal, self.supervisor.state.working
        read = self._clock()
        state, feedback = self._admit(intention, feedback, machine)
        admitted = self._clock()
        wished = self._wish(intention, feedback, state) if state.working else REST
        thought = self._clock()
        command = self.supervisor.allow(wished)
        tick = Tick(
            intention=intention,
            feedback=feedback,
            state=self.supervisor.state,
            goal=self._goal,
            observation=self._obs,
            wished=wished,
            command=command,
        )
        allowed = self._clock()
        parts = self.parts
        parts.read, parts.think = read - began, thought - admitted
        parts.gate = admitted - read + allowed - thought
        if self._publish:
            self._publish(tick)
        parts.left_at = self._clock()
        self._write(command)
        tick.outcome = self._judge(seen, goal, judged)
        tick.targets = self.skill.markers(feedback, self._goal)
        if self.shadow:
            self._try_shadow(feedback)
        return tick

    def _judge(self, feedback: Feedback, goal: Any, judged: bool) -> Outcome:
        return Outcome(
            errors_m=self.skill.errors_m(feedback, goal),
            solved=bool(self.skill.solved(feedback, goal)),
            dropped=bool(self.skill.dropped(feedback)),
            judged=judged,
        )

    def _admit(
        self, intention: Intention, feedback: Feedback, machine: Machine
    ) -> tuple[State, Feedback]:
        """Let the supervisor move on; put the task back when arming, start afresh when active."""
        supervisor = self.supervisor
        before, order = supervisor.state, machine.orders.order
        fits = Order.ARM not in order or self._policy_fits(feedback)
        state = supervisor.admit(intention, feedback, machine, fits)
        arming = state is State.ARMING and before is not State.ARMING
        if arming or (Order.RESET in order and state is State.DISARMED):
            self.plant.reset()
            self._live = False
            feedback = self.plant.read()
            self._goal = self._begin(feedback)
        elif state.working and not before.working:
            self.policy.reset()
            self._goal, self._step = self._begin(feedback), 0
            self._live = True
        return state, feedback

    def _policy_fits(self, feedback: Feedback) -> bool:
        """Try the policy on the hand as it is; nothing of it stays in its memory."""
        fits = tried(self.policy, self._observation, feedback, self._goal, self._obs)
        self.policy.reset()
        return fits

    def _wish(self, intention: Intention, feedback: Feedback, state: State) -> Excitation:
        """Ask the policy at its own rate; in between its last wish stands."""
        if self._step == 0:
            values = intention.values
            if state is State.HOLD:
                values = self.skill.still(values)
            self._goal = self.skill.advance(self._goal, values, self._every * self.period_s)
            self._observation.observe(feedback, self._goal, self._obs)
            self._wished = self.policy.infer(self._obs)
        self._step = (self._step + 1) % self._every
        return self._wished

    def _write(self, command: MuscleCommand) -> None:
        began = self._clock()
        if self._pose and self.supervisor.state.working:
            self._pose(self._goal)
        self.sent = self.plant.write(command.excitation) if self._live else REST
        self.parts.plant = self._clock() - began

    def _try_shadow(self, feedback: Feedback) -> None:
        """Let the policy on trial think along; it takes over from a relaxed or held hand."""
        assert self.shadow is not None  # asked by the caller
        shadow, state = self.shadow, self.supervisor.state
        if state.working and self._step != 1 % self._every:
            return  # not a step of the policy
        shadow.think(feedback, self._goal)
        if shadow.refused:
            self.supervisor.note = "swap refused: in shadow the policy gave no command"
            self.shadow = None
        elif shadow.passed and state not in (State.ACTIVE, State.RELAXING):
            self._use(shadow.policy)
            self._step = 0
            self.policies += 1
            self.shadow = None
