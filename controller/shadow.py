"""A policy in shadow: it thinks along with the running one, and nobody acts on it."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from controller.messages import Feedback
from controller.names import MUSCLES
from controller.ports import Policy, Skill
from controller.skills.skill import Observation

STEPS: Final = 5  # ticks in shadow before it may take over: fits into a hold of 200 ms at 40 Hz


def tried(
    policy: Policy,
    observation: Observation,
    feedback: Feedback,
    goal: Any,
    obs: NDArray[np.float32],
) -> bool:
    """Whether the policy, asked now, answers with excitations: (39,), finite, 0-1."""
    observation.observe(feedback, goal, obs)
    wish = np.asarray(policy.infer(obs))
    return wish.shape == (len(MUSCLES),) and bool(((wish >= 0.0) & (wish <= 1.0)).all())


class Shadow:
    """A policy on trial.

    Attributes:
        policy: the one that is to take over.
        refused: whether it gave something that is no command.
    """

    def __init__(self, policy: Policy, skill: Skill) -> None:
        self.policy = policy
        self.refused = False
        self._observation = skill.observation(policy.terms)
        self._obs = np.zeros(self._observation.size, np.float32)
        self._steps = 0

    def think(self, feedback: Feedback, goal: Any) -> None:
        """One step, without consequences."""
        self.refused = not tried(self.policy, self._observation, feedback, goal, self._obs)
        self._steps += 1

    @property
    def passed(self) -> bool:
        """Whether it thought along for long enough."""
        return self._steps >= STEPS and not self.refused
