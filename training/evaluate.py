"""Scores of an exported policy, episode by episode, under the daemon's own tick.

An episode is a short session: a scripted intention, the policy, the gate, a plant. A
score with the gate stands beside the score with the gate open; where the gate never
intervened the two are the same trajectory, and it is run once.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np

from bridges.mujoco_hand import MujocoHand
from bridges.official_env import HORIZON, OfficialEnv
from controller.errors import ContractError
from controller.loop import Loop
from controller.messages import Array, Excitation, Feedback, Intention
from controller.orders import Orders
from controller.policy import OnnxPolicy, check_fit, load
from controller.ports import Plant
from controller.skills import baoding
from controller.supervisor.gate import Gate
from controller.supervisor.judge import Machine
from controller.supervisor.limits import Limits
from controller.supervisor.states import WHAT_IS_MISSING, Order, Reason, State
from controller.supervisor.supervisor import Supervisor
from training.curriculum import FASTEST_PERIOD_S
from training.episodes import LIFT_M
from training.workers import spread

RATE_HZ: Final = 1.0 / baoding.CONTROL_STEP_S
OwnTask = Literal["hold", "cw", "ccw", "profile"]
EPISODE_S: Final = {"hold": 5.0, "cw": 5.0, "ccw": 5.0, "profile": 20.0}
JOINT_NOISE_RAD: Final = 0.03  # of an own task's start, standard deviation
BALL_NOISE_M: Final = 0.002
SEGMENT_S: Final = (1.0, 4.0)  # how long a profile keeps one speed
HOLD_SHARE: Final = 0.25  # of a profile's segments
ARM: Final = Machine(orders=Orders(Order.ARM))


@dataclass(frozen=True)
class Asked:
    """What to evaluate.

    Attributes:
        env: an official environment, or "" for an own task.
        period_s: time of one turn of the own tasks cw and ccw.
    """

    policy: Path
    env: str = ""
    start: Literal["classic", "current"] = "classic"
    perturb: bool = False
    task: OwnTask = "hold"
    period_s: float = 20.0
    seed: int = 0


@dataclass
class Episode:
    """What came of one episode; steps missing after a drop count as unsolved.

    Attributes:
        solved_since_first: share of the steps from the first solved one on that are solved.
    """

    task: str
    solved: float
    dropped: bool
    first_solved: int | None
    errors_m: Array
    gate: dict[str, int] = field(default_factory=dict)
    solved_open: float = 0.0
    solved_since_first: float = 0.0


class OpenGate(Gate):
    """The gate bypassed: range only, as the official environment itself clips."""

    def weigh(self, wished: Excitation) -> Reason:
        """Whatever is asked for, 0-1."""
        np.clip(wished, 0.0, 1.0, out=self._next_sent)
        return Reason(0)


class Script:
    """An intention source that plays ``values`` (steps, 1), the dead-man low first."""

    def __init__(self) -> None:
        self.values = np.zeros((1, 1))
        self._step = -1

    def play(self, values: Array) -> None:
        """Start again with these values."""
        self.values, self._step = values, -1

    def read(self, _now_s: float) -> Intention:
        """The next sample, always fresh."""
        step = min(max(self._step, 0), len(self.values) - 1)
        engaged = 0 <= self._step < len(self.values)
        self._step += 1
        return Intention(self.values[step], float(engaged), age_s=0.0, correction_s=0.0, fresh=True)

    def close(self) -> None:
        """Nothing to let go."""


class OwnTaskPlant(MujocoHand):
    """The MuJoCo hand whose episodes begin on the targets, at a random phase."""

    def __init__(self) -> None:
        super().__init__(RATE_HZ)
        self._official_start = self.start_qpos.copy()
        self.angle_rad = 0.0

    def place(self, seed: int) -> None:
        """Draw the start of the episode ``seed``."""
        rng = np.random.default_rng(seed)
        self.angle_rad = rng.uniform(0.0, 2 * np.pi)
        joints = rng.normal(0.0, JOINT_NOISE_RAD, 23)
        self.start_qpos = self._official_start.copy()
        hand_range = self.model.jnt_range[:23].T
        self.start_qpos[:23] = np.clip(self.start_qpos[:23] + joints, *hand_range)
        self.reset()
        balls = baoding.markers(self.read(), baoding.begin_at(self.angle_rad))
        balls[:, 2] += LIFT_M
        balls[:, :2] += rng.normal(0.0, BALL_NOISE_M, (2, 2))
        for address, ball in zip(self.layout.ball_qpos, balls, strict=True):
            self.start_qpos[address : address + 3] = ball

    def begin(self, _feedback: Feedback) -> baoding.BaodingGoal:
        """Targets at the drawn phase, at rest."""
        return baoding.begin_at(self.angle_rad)


class Evaluator:
    """Runs the episodes of one question; made once in each worker process."""

    def __init__(self, asked: Asked) -> None:
        self.asked = asked
        self.policy = open_policy(asked)
        self.source = Script()
        self.official = OfficialEnv(asked.env, asked.start, asked.perturb) if asked.env else None
        self.own = None if asked.env else OwnTaskPlant()

    def episode(self, number: int) -> Episode:
        """Episode ``number``; seeds are the evaluation's own plus the number."""
        seed = self.asked.seed + number
        closed = self._run(seed, Gate)
        closed.gate.pop("disengaged", None)  # the script's own end
        interventions = closed.gate
        closed.solved_open = self._run(seed, OpenGate).solved if interventions else closed.solved
        return closed

    def _run(self, seed: int, gate_class: type[Gate]) -> Episode:
        if self.official is not None:
            return self._run_official(self.official, seed, gate_class)
        assert self.own is not None  # one of the two is made
        return self._run_own(self.own, seed, gate_class)

    def _loop(
        self,
        plant: Plant,
        gate_class: type[Gate],
        begin: Callable[[Feedback], baoding.BaodingGoal],
    ) -> Loop:
        supervisor = Supervisor(Limits(), baoding.CHANNELS, baoding.CONTROL_STEP_S)
        supervisor.gate = gate_class(Limits(), baoding.CONTROL_STEP_S)
        return Loop(
            self.source,
            plant,
            baoding,
            self.policy,
            supervisor,
            baoding.CONTROL_STEP_S,
            begin=begin,
        )

    def _arm(self, loop: Loop) -> None:
        """Have the supervisor try the policy on the hand's start, as the daemon does.

        Raises:
            ContractError: it is not let in, and why.
        """
        if loop.tick(0.0, ARM).state is not State.ARMING:
            lacks = "; ".join(WHAT_IS_MISSING[one] for one in loop.supervisor.missing)
            raise ContractError(f"policy {self.asked.policy}: it can't be armed: {lacks}")

    def _run_official(self, env: OfficialEnv, seed: int, gate_class: type[Gate]) -> Episode:
        env.seed = seed
        loop = self._loop(env, gate_class, env.begin)
        self.source.play(np.full((10**6, 1), env.rotation()))
        errors = []
        self._arm(loop)
        while not env.over:
            loop.tick(0.0)
            if env.solved:  # it stepped
                errors.append(np.linalg.norm(env.read().object_pos - env.targets(), axis=-1))
        solved = np.array(env.solved)
        return _episode(
            env.task_name, solved, HORIZON, env.dropped, np.array(errors), loop.supervisor.report()
        )

    def _run_own(self, plant: OwnTaskPlant, seed: int, gate_class: type[Gate]) -> Episode:
        plant.place(seed)
        steps = round(EPISODE_S[self.asked.task] * RATE_HZ)
        self.source.play(rotation_script(self.asked, steps, seed))
        loop = self._loop(plant, gate_class, plant.begin)
        solved: list[bool] = []
        errors: list[Array] = []
        dropped = False
        self._arm(loop)
        for _ in range(steps + 1):  # the steps, the judgement of the last
            outcome = loop.tick(0.0).outcome
            if outcome.judged:
                solved.append(outcome.solved)
                errors.append(outcome.errors_m)
            if dropped := outcome.judged and outcome.dropped:
                break
        counts = loop.supervisor.report()
        return _episode(self.asked.task, np.array(solved), steps, dropped, np.array(errors), counts)


def open_policy(asked: Asked) -> OnnxPolicy:
    """The policy to evaluate, held against the skill and the rate of the tasks."""
    policy = load(asked.policy)
    check_fit(policy, baoding, RATE_HZ)
    return policy


def rotation_script(asked: Asked, steps: int, seed: int) -> Array:
    """The rotation channel of an own task, (steps, 1)."""
    if asked.task != "profile":
        sign = {"hold": 0.0, "cw": -1.0, "ccw": 1.0}[asked.task]
        return np.full((steps, 1), sign * FASTEST_PERIOD_S / asked.period_s)
    rng = np.random.default_rng([seed, 1])
    values = np.zeros((steps, 1))
    at = 0
    while at < steps:
        length = round(rng.uniform(*SEGMENT_S) * RATE_HZ)
        values[at : at + length] = 0.0 if rng.random() < HOLD_SHARE else rng.uniform(-1.0, 1.0)
        at += length
    return values


def _episode(
    task: str, solved: Array, steps: int, dropped: bool, errors: Array, gate: dict[str, int]
) -> Episode:
    first = int(np.argmax(solved)) if solved.any() else None
    since = 0.0 if first is None else float(solved.sum()) / (steps - first)
    return Episode(
        task,
        float(solved.sum()) / steps,
        dropped,
        first,
        errors,
        gate,
        solved_since_first=since,
    )


def _evaluator(asked: Asked) -> Callable[[int], Episode]:
    return Evaluator(asked).episode


def episodes(asked: Asked, count: int) -> Iterator[Episode]:
    """Run ``count`` episodes on two processes, in order of their numbers."""
    open_policy(asked)  # a bad file is refused here, not in a worker
    if asked.env:
        OfficialEnv(asked.env, asked.start, asked.perturb).close()
    return spread(_evaluator, asked, count, at_once=4)


def summary(asked: Asked, done: list[Episode], policy: OnnxPolicy) -> dict[str, Any]:
    """The figures of an evaluation, as JSON-ready data."""
    tasks = sorted({episode.task for episode in done})
    firsts = [e.first_solved for e in done if e.first_solved is not None]
    counts: dict[str, int] = {}
    for episode in done:
        for reason, count in episode.gate.items():
            counts[reason] = counts.get(reason, 0) + count
    what: dict[str, Any] = {"env": asked.env, "start": asked.start, "perturb": asked.perturb}
    if not asked.env:
        what = {"task": asked.task, "period_s": asked.period_s}
    return {
        **what,
        **_figures(done),
        "first_solved_step": float(np.median(firsts)) if firsts else None,
        "score_since_first_solved": round(float(np.mean([e.solved_since_first for e in done])), 4),
        "gate": counts,
        "score_mean_gate_open": round(float(np.mean([e.solved_open for e in done])), 4),
        "per_task": {task: _figures([e for e in done if e.task == task]) for task in tasks},
        "seed": asked.seed,
        "policy_sha256": policy.sha256,
        "versions": policy_versions(),
    }


def _figures(done: list[Episode]) -> dict[str, Any]:
    scores = np.array([episode.solved for episode in done])
    errors = np.concatenate([episode.errors_m.ravel() for episode in done]) * 1e3
    p50, p95 = np.percentile(errors, (50, 95)) if errors.size else (np.nan, np.nan)
    spread = scores.std(ddof=1) / np.sqrt(len(scores)) if len(scores) > 1 else 0.0
    return {
        "episodes": len(done),
        "score_mean": round(float(scores.mean()), 4),
        "score_sem": round(float(spread), 4),
        "drop_rate": round(float(np.mean([episode.dropped for episode in done])), 4),
        "error_mm": {
            "p50": round(float(p50), 2),
            "p95": round(float(p95), 2),
        },
    }


def policy_versions() -> dict[str, str]:
    """Versions that a score belongs to."""
    from importlib.metadata import version

    packages = ("mujoco", "myosuite", "myo-sim", "onnxruntime", "numpy")
    return {name: version(name) for name in packages}
