"""Runs an exported policy on a batch of hands and keeps what the hand and the network did."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from controller.messages import Array, Feedback, Flags
from controller.policy import EXCITATION, OBSERVATION, check_fit, load
from controller.skills import baoding
from training.batch import Hands
from training.curriculum import Starts, Task
from training.episodes import Episodes, tracking

STEPS: Final = 200  # official length
Change = Callable[[Array], Array]  # excitations (n, 39) -> excitations


class Networks:
    """One exported network, a recurrent state for each hand."""

    def __init__(self, path: Path, count: int) -> None:
        policy = load(path)
        check_fit(policy, baoding, 1.0 / baoding.CONTROL_STEP_S)
        self.observation = baoding.observation(policy.terms)
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        self._session = ort.InferenceSession(str(path), options, ["CPUExecutionProvider"])
        shapes = {n.name: n.shape for n in self._session.get_inputs() if n.name != OBSERVATION}
        self._states = {
            name: np.zeros((count, *shape), np.float32) for name, shape in sorted(shapes.items())
        }
        self._outputs = [EXCITATION, *(n.removesuffix("_in") + "_out" for n in self._states)]
        self._obs = np.zeros((count, self.observation.size), np.float32)

    def excite(self, feedback: Feedback, goal: baoding.BaodingGoal) -> Array:
        """Excitations of all hands, (n, 39)."""
        self.observation.observe(feedback, goal, self._obs)
        excitation = []
        for one, row in enumerate(self._obs):
            inputs = {name: state[one] for name, state in self._states.items()}
            found, *states = self._session.run(self._outputs, {OBSERVATION: row[None], **inputs})
            excitation.append(found[0])
            for state, new in zip(self._states.values(), states, strict=True):
                state[one] = new
        return np.array(excitation, dtype=np.float64)

    @property
    def seen(self) -> NDArray[np.float32]:
        """The newest observations, (n, size)."""
        return self._obs.copy()

    @property
    def memory(self) -> NDArray[np.float32]:
        """The newest recurrent states, all of them side by side, (n, m); m is 0 without one."""
        count = len(self._obs)
        flat = [state.reshape(count, -1) for state in self._states.values()]
        return np.concatenate(flat, axis=1) if flat else np.zeros((count, 0), np.float32)


@dataclass(frozen=True)
class Log:
    """What happened, (steps, hands, ...); after a drop it is not ``alive``."""

    task: NDArray[np.intp]
    alive: Flags
    solved: Flags
    joint_pos: Array
    joint_vel: Array
    activation: Array
    excitation: Array
    seen: NDArray[np.float32]
    memory: NDArray[np.float32]

    @property
    def solved_share(self) -> float:
        """Share of all steps solved; steps after a drop are not."""
        return float(self.solved.mean())


def record(
    path: Path, hands: Hands, tasks: list[Task], seed: int, change: Change | None = None
) -> Log:
    """One deterministic episode on every hand, tasks in turn, the balls started on the targets."""
    networks, ids = Networks(path, hands.count), np.arange(hands.count)
    episodes = Episodes(hands, tasks, Starts(), np.random.default_rng(seed))
    episodes.reset(ids, task=ids % len(tasks))
    alive = np.ones(hands.count, bool)
    rows: list[tuple[NDArray[Any], ...]] = []
    for _ in range(STEPS):
        episodes.advance()
        before = hands.feedback()
        excitation = networks.excite(before, episodes.goal)
        if change is not None:
            excitation = change(excitation)
        hands.step(excitation)
        _, solved, lowest = tracking(hands, episodes.goal)
        alive = alive & ~hands.broken() & (lowest >= baoding.DROP_HEIGHT_M)
        state = (before.joint_pos, before.joint_vel, before.activation)
        rows.append((alive, solved & alive, *state, excitation, networks.seen, networks.memory))
    return Log(episodes.task.copy(), *(np.stack(column) for column in zip(*rows, strict=True)))
