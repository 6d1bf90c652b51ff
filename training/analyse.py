"""What a policy learned: the analysis of the 2024 Neuron paper on the project's own policy.

Chiappa et al., "Acquiring musculoskeletal skills with curriculum-based reinforcement
learning", Neuron 2024: dimensions of movement and of control, what inactivating part of the
control space does, and what the recurrent state knows.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from controller.messages import Array
from controller.policy import load
from training.batch import Balls, Hands, Physics
from training.curriculum import Task
from training.episode_log import record
from training.evaluate import policy_versions
from training.subspace import Components, accuracy, decode, r_squared

ACTIVE: Final = 0.05  # activation from which a muscle counts as active
SHARES: Final = (0.85, 0.95)
KEPT: Final = (0, 1, 2, 4, 6, 9, 12, 16, 20, 25, 30, 39)  # components of the control space
SAMPLE_EVERY: Final = 10  # steps: neighbours say the same
SETTLED: Final = 20  # steps before the recurrent state knows anything
SEED: Final = 1_000_000  # never used for training or selection
TOLD: Final = ("target_vel_palm", "phase_rate")  # terms that say outright what is asked for
DECODING_BATCHES: Final = 5  # of hands, each with balls of their own


@dataclass(frozen=True)
class Analysis:
    """Everything that is drawn and printed.

    Attributes:
        components: by quantity.
        curves: solved share against the number of components kept, first and last.
        figures: JSON-ready.
    """

    components: dict[str, Components]
    curves: dict[str, list[float]]
    figures: dict[str, Any]


def analyse(path: Path, count: int, period_s: float, threads: int) -> Analysis:
    """Run and measure a policy on ``count`` hands at a time.

    Movement is that of the official physics; what asks for many episodes, inactivation and
    decoding, is run on the coarse one.
    """
    tasks = [
        Task(do="hold"),
        *(Task(do="rotate", period_s=(period_s, period_s), direction=way) for way in ("cw", "ccw")),
    ]
    hands = Hands(count, Physics.named("official"), threads)
    log = record(path, hands, tasks, SEED)
    actions = to_action(log.excitation)
    components = {
        "joint positions": Components.of(log.joint_pos[log.alive]),
        "joint velocities": Components.of(log.joint_vel[log.alive]),
        "muscle activations": Components.of(log.activation[log.alive]),
        "actions": Components.of(actions[log.alive]),
    }
    control, coarse = components["actions"], Hands(count, Physics.named("coarse"), threads)
    curves = {
        name: [
            record(path, coarse, tasks, SEED, Inactivation(control, project(k))).solved_share
            for k in KEPT
        ]
        for name, project in (("first", control.first), ("last", control.last))
    }
    figures = {
        "components": {
            name: {f"{share:.0%}": found.count_for(share) for share in SHARES}
            for name, found in components.items()
        },
        "muscles_active": round(float((log.activation[log.alive] > ACTIVE).sum(axis=-1).mean()), 2),
        "solved": round(log.solved_share, 4),
        "inactivation": {"kept": list(KEPT), **curves},
        "decoding": decoding(path, coarse, tasks),
        "episodes": count,
        "period_s": period_s,
        "policy_sha256": load(path).sha256,
        "versions": policy_versions(),
    }
    return Analysis(components, curves, figures)


@dataclass(frozen=True)
class Inactivation:
    """Holds all of the control space but a projection at its mean."""

    control: Components
    onto: Array

    def __call__(self, excitation: Array) -> Array:
        """Excitations (n, 39) of what is left."""
        left: Array = 1.0 / (
            1.0 + np.exp(-5.0 * (self.control.project(to_action(excitation), self.onto) - 0.5))
        )
        return left


def to_action(excitation: Array) -> Array:
    """The action -1-1 behind an excitation: the official map, undone."""
    within = np.clip(excitation, 1e-9, 1 - 1e-9)
    action: Array = 0.5 + np.log(within / (1.0 - within)) / 5.0
    return action


def decoding(path: Path, hands: Hands, tasks: list[Task]) -> dict[str, dict[str, float]]:
    """How well a linear reader tells task and balls, from the observation and from the memory.

    On randomised balls. The observation is read without the terms that name the task; the
    official one has none of them. Task: share of right answers; others: R squared.
    """
    rng = np.random.default_rng(SEED)
    samples = [_sampled(path, hands, tasks, rng, batch) for batch in range(DECODING_BATCHES)]
    episode, task, balls, seen, memory = (
        np.concatenate(part) for part in zip(*samples, strict=True)
    )
    wanted = {"task": np.eye(len(tasks))[task]}
    wanted |= {name: balls[:, [one]] for one, name in enumerate(("mass", "size", "friction"))}
    sources = {"observation": _untold(path, seen)}
    if memory.shape[-1]:
        sources["recurrent state"] = memory
    found: dict[str, dict[str, float]] = {}
    for quantity, truth in wanted.items():
        score = accuracy if quantity == "task" else r_squared
        found[quantity] = {
            name: round(score(decode(values, truth, episode, np.random.default_rng(0))), 3)
            for name, values in sources.items()
        }
    return found


def _sampled(
    path: Path, hands: Hands, tasks: list[Task], rng: np.random.Generator, batch: int
) -> tuple[NDArray[Any], ...]:
    """Samples of one batch: episode, task, balls (n, 3), observation, recurrent state."""
    made = Balls.drawn(hands.count, 1.0, rng)
    hands.make_balls(made)
    log = record(path, hands, tasks, SEED + 1 + batch)
    steps = np.arange(SETTLED, len(log.alive), SAMPLE_EVERY)
    alive = log.alive[steps]
    one = np.broadcast_to(np.arange(hands.count), alive.shape)[alive]
    balls = np.stack([made.mass, made.radius, made.friction[..., 0]], axis=-1).sum(axis=1)
    return (
        one + batch * hands.count,
        log.task[one],
        balls[one],
        log.seen[steps][alive],
        log.memory[steps][alive],
    )


def _untold(path: Path, seen: Array) -> Array:
    terms = load(path).contract.terms
    kept = np.concatenate([np.full(size, name not in TOLD) for name, size in terms])
    return seen[..., kept]
