"""A stretch of time at work, through which gradients pass.

MuJoCo says where hands and balls go; the model says how that depends on what was done before
(stochastic value gradients, Heess et al. 2015, without the noise). So each step's state is what
MuJoCo says, with the slopes of the model: ``real + (guess - guess.detach())``.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from rsl_rl.models import MLPModel

from controller.names import MUSCLES
from controller.skills.baoding import CONTROL_STEP_S
from training.balls.critic import Record, value
from training.balls.reward import reward
from training.balls.state import Asked, hidden, observe
from training.balls.world import Moment, Outcome, World
from training.descent import held
from training.graph import PolicyGraph, excitation
from training.slew import slewed

Slopes = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""States (n, 109) and excitations (n, 39) -> next states, of which only the slopes are used."""

SPREAD: Final = 0.3  # of the starts: the unit in which a gradient by the state is measured
LEAD: Final = 20  # control steps before a drop, at least, that a hand goes back
LEAST_SPREAD: Final = 1e-4  # of what is at rest at every start: it hardly counts


def unit_of(states: torch.Tensor) -> torch.Tensor:
    """The unit of each part of states (n, 109), (109,)."""
    return (states.std(0, correction=0) * SPREAD).clamp(min=LEAST_SPREAD)


@dataclass
class Stretch:
    """What a stretch led to.

    Attributes:
        total: to climb: the mean over hands of rewards and values.
        record: for the critic.
        solved: share of the steps.
        drops: episodes that ended so.
        broken: hands whose physics was lost, and in words, how.
        error: median distance from the targets [mm], the mean of parts that were joined.
    """

    total: torch.Tensor = field(default_factory=lambda: torch.zeros(()))
    record: Record = field(default_factory=Record)
    solved: float = 0.0
    drops: int = 0
    broken: int = 0
    what_broke: str = ""
    error: float = 0.0

    @classmethod
    def joined(cls, parts: Sequence["Stretch"], shares: Sequence[float]) -> "Stretch":
        """The stretch of all hands, by those of parts of them, each a share of the hands."""
        pairs = list(zip(parts, shares, strict=True))
        return cls(
            total=torch.stack([share * part.total for part, share in pairs]).sum(),
            record=Record.joined([part.record for part in parts]),
            solved=sum(share * part.solved for part, share in pairs),
            drops=sum(part.drops for part in parts),
            broken=sum(part.broken for part in parts),
            what_broke=" and ".join({part.what_broke: None for part in parts if part.what_broke}),
            error=sum(share * part.error for part, share in pairs),
        )


class Practice:
    """Hands that go on from stretch to stretch, with the memory that the policy has of each.

    The ends of the last two stretches are kept: hands that lost a ball may go back there.

    Attributes:
        world: the hands at work.
        unit: in which a gradient by each part of the state is measured, (109,).
    """

    def __init__(self, world: World, policy: PolicyGraph, critic: MLPModel) -> None:
        self.world, self._policy, self._critic = world, policy, critic
        self._forget()
        self.unit = unit_of(world.state())

    def restart(self) -> None:
        """Start all hands anew."""
        self.world.restart()
        self._forget()

    def _forget(self) -> None:
        """Ask for the first targets of what begins, of which no memory is left."""
        hands = self.world.hands.count
        nothing = [*self._policy.rest(hands), torch.zeros(1, hands, len(MUSCLES))]
        self._moments = [(self.world.moment(), nothing)]
        self.world.episodes.advance()

    @property
    def _memory(self) -> list[torch.Tensor]:
        """What was remembered at the end of the last stretch, and what was sent, (1, n, ...)."""
        return self._moments[-1][1]

    def go(self, steps: int, slopes: Slopes | None) -> Stretch:
        """Practise for so many control steps; without slopes no gradient passes."""
        found, world = Stretch(), self.world
        world.disturb(world.stage.ascent.disturbed)
        memory, state = self._memory, world.state()
        for step in range(steps):
            told = world.asked()
            state = self._held(state)
            seen, unseen = observe(state, told), hidden(state, world.hands, told)
            found.record.observation.append(seen.detach())
            found.record.hidden.append(unseen)
            *memory, sent = memory
            action, *memory = self._policy.act(seen, *memory)
            excited = slewed(excitation(action), sent[0], CONTROL_STEP_S)
            memory.append(excited[None])
            outcome = world.step(excited)
            after = torch.nan_to_num(world.state())
            if slopes is not None:
                guess = slopes(state, excited)
                after = after + (guess - guess.detach())
            weight = 1.0 if step == steps - 1 else self.world.stage.ascent.value_on_the_way
            found.solved += float(outcome.solved.mean()) / steps
            found.error += float(np.nanmedian(outcome.distance)) * 1e3 / steps
            lost = self._judge(found, outcome, after, told, weight)
            state, memory = self._renew(found, lost, step, after, memory)
            if step == steps - 1:
                remembered = [part.detach() for part in memory]
                self._moments = [self._moments[-1], (world.moment(), remembered)]
            world.episodes.advance()
        told = world.asked()
        found.record.observation.append(observe(state, told).detach())
        found.record.hidden.append(hidden(state, world.hands, told))
        return found

    def _judge(
        self, found: Stretch, outcome: Outcome, after: torch.Tensor, told: Asked, weight: float
    ) -> torch.Tensor:
        """Enter a step that led to ``after``, whose value counts by ``weight``; hands it lost."""
        world = self.world
        lost = torch.from_numpy(world.lost(outcome))
        none = torch.zeros(len(lost))
        gain = torch.where(lost, none, reward(self.world.stage.reward, after, told.targets))
        found.total = found.total + gain.mean()
        if weight > 0.0:
            worth = value(self._critic, observe(after, told), hidden(after, world.hands, told))
            worth = torch.where(lost, none, worth)
            found.total = found.total + self.world.stage.ascent.gamma * weight * worth.mean()
        found.record.gain.append(gain.detach())
        found.record.kept.append(~lost)
        found.drops += int(lost.sum())
        if outcome.broken.any():
            found.broken += int(outcome.broken.sum())
            found.what_broke = world.hands.what_broke
        return lost

    def _renew(
        self,
        found: Stretch,
        lost: torch.Tensor,
        step: int,
        after: torch.Tensor,
        memory: list[torch.Tensor],
    ) -> tuple[torch.Tensor, list[torch.Tensor]]:
        """Begin new episodes where one ended; the state and the memory to go on with."""
        done = lost.numpy() | self.world.late
        goes_on = torch.from_numpy(~done)
        found.record.goes_on.append(goes_on)
        if not done.any():
            return after, memory
        moment, remembered = self._moments[-1 if step >= LEAD else 0]
        again = self._again(lost.numpy(), moment)
        self.world.end(np.flatnonzero(done & ~again))
        self.world.back(np.flatnonzero(again), moment)
        live, back = goes_on[:, None], torch.from_numpy(again)[:, None]
        memory = [
            torch.where(live, part, torch.where(back, was, torch.zeros_like(part)))
            for part, was in zip(memory, remembered, strict=True)
        ]
        return torch.where(live, after, self.world.state()), memory

    def _again(self, lost: NDArray[np.bool_], moment: Moment) -> NDArray[np.bool_]:
        """Of the hands that lost a ball, those that go back to this moment of the same episode."""
        world = self.world
        drawn = world.rng.random(lost.size) < world.stage.ascent.again
        again: NDArray[np.bool_] = lost & (moment.age < world.age) & drawn
        return again

    def _held(self, state: torch.Tensor) -> torch.Tensor:
        """The same state; a gradient passes back through it discounted, and at most so far."""
        if not state.requires_grad:
            return state
        ascent = self.world.stage.ascent

        def hold(gradient: torch.Tensor) -> torch.Tensor:
            gradient = gradient * ascent.gamma
            return held(
                gradient, (gradient * self.unit).norm(dim=1, keepdim=True), ascent.passed_back
            )

        state = state.view_as(state)
        state.register_hook(hold)  # type: ignore[no-untyped-call]
        return state
