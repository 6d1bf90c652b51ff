"""Scores of an exported posture policy, episode by episode, under the daemon's own tick.

Official environments, and three own tasks on the official physics: a chain of digits, the
grip as a sine, the grip as a step.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np

from bridges.official_pose import DIGITS as OFFICIAL_DIGITS
from bridges.official_pose import OfficialPose
from bridges.pose_hand import PoseHand
from controller.errors import ContractError
from controller.loop import Loop
from controller.messages import Array, Feedback
from controller.policy import OnnxPolicy, check_fit, load
from controller.ports import Plant
from controller.skills import posture
from controller.supervisor.gate import Gate
from controller.supervisor.limits import Limits
from controller.supervisor.states import WHAT_IS_MISSING, State
from controller.supervisor.supervisor import Supervisor
from training.evaluate import ARM, OpenGate, Script, policy_versions
from training.posture.targets import DIGITS
from training.workers import spread

RATE_HZ: Final = 1.0 / posture.CONTROL_STEP_S
PostureTaskName = Literal["digits", "transitions", "sine", "step"]
TRANSITIONS: Final = 10  # of an episode
SETTLE_STEPS: Final = round(1.0 * RATE_HZ)  # until a posture has to be there
STAY_STEPS: Final = round(0.5 * RATE_HZ)  # for which it has to stay there then
SINE_HZ: Final = 0.5
SINE_S: Final = 8.0
STEP_S: Final = (1.5, 1.5)  # open, then closed
JOINT_NOISE_RAD: Final = 0.05  # of an own task's start, standard deviation


@dataclass(frozen=True)
class PostureAsked:
    """What to evaluate.

    Attributes:
        env: an official environment, or "" for a task.
        task: ``digits`` are the ten official fixed environments in turn.
    """

    policy: Path
    env: str = ""
    perturb: bool = False
    task: PostureTaskName = "digits"
    seed: int = 0


@dataclass
class Trial:
    """What came of one episode; for ``transitions`` of each change of digit.

    Attributes:
        solved: share of the steps inside the official limit.
        at_end: for each target, whether it was inside at its end.
        end_rad: for each target, the distance then [rad].
        error_rad: mean absolute joint error over the episode [rad].
        effort: mean activation, 0-1.
        rise_s: 10-90 % of the way of a step.
        name: of the official environment.
    """

    solved: float
    at_end: list[bool]
    end_rad: list[float]
    error_rad: float
    effort: float
    rise_s: float = float("nan")
    gate: dict[str, int] = field(default_factory=dict)
    open_at_end: list[bool] = field(default_factory=list)
    name: str = ""


class Aimed:
    """The skill, told a target instead of channels: an official one need not be a blend."""

    def __init__(self, target: Callable[[], Array]) -> None:
        self._target = target

    def __getattr__(self, name: str) -> Any:
        return getattr(posture, name)

    def advance(
        self, goal: posture.PostureGoal, _intention: Array, dt_s: float
    ) -> posture.PostureGoal:
        """The goal one control step later, on its way to the environment's target."""
        return posture.towards(goal, self._target(), dt_s)


class PostureEvaluator:
    """Runs the episodes of one question; made once in each worker process."""

    def __init__(self, asked: PostureAsked) -> None:
        self.asked = asked
        self.policy = open_policy(asked)
        self.source = Script()
        self._official: dict[str, OfficialPose] = {}  # made when first needed
        self._own = PoseHand(RATE_HZ)

    def trial(self, number: int) -> Trial:
        """Episode ``number``; seeds are the evaluation's own plus the number."""
        closed = self._run(number, Gate)
        closed.gate.pop("disengaged", None)  # the script's own end
        closed.open_at_end = self._run(number, OpenGate).at_end if closed.gate else closed.at_end
        return closed

    def _run(self, number: int, gate_class: type[Gate]) -> Trial:
        seed, name = self.asked.seed + number, self.asked.env
        if not name and self.asked.task == "digits":
            name = OFFICIAL_DIGITS[number % DIGITS]
        if not name:
            return self._run_own(self._own, seed, gate_class)
        if name not in self._official:
            self._official[name] = OfficialPose(name, self.asked.perturb)
        trial = self._run_official(self._official[name], seed, gate_class)
        trial.name = name
        return trial

    def _loop(self, plant: Plant, skill: Any, gate_class: type[Gate]) -> Loop:
        supervisor = Supervisor(Limits(), posture.CHANNELS, posture.CONTROL_STEP_S)
        supervisor.gate = gate_class(Limits(), posture.CONTROL_STEP_S)
        loop = Loop(self.source, plant, skill, self.policy, supervisor, posture.CONTROL_STEP_S)
        if loop.tick(0.0, ARM).state is not State.ARMING:
            lacks = "; ".join(WHAT_IS_MISSING[one] for one in supervisor.missing)
            raise ContractError(f"policy {self.asked.policy}: it can't be armed: {lacks}")
        return loop

    def _run_official(self, env: OfficialPose, seed: int, gate_class: type[Gate]) -> Trial:
        env.seed = seed
        self.source.play(np.zeros((10**6, len(posture.CHANNELS))))
        loop = self._loop(env, Aimed(lambda: env.target_rad), gate_class)
        seen: list[Feedback] = []
        while not env.over:
            loop.tick(0.0)
            if env.solved:  # it stepped
                seen.append(env.read())
        errors = np.array([one.joint_pos for one in seen]) - env.target_rad
        return Trial(
            solved=float(np.mean(env.solved)),
            at_end=[env.solved[-1]],
            end_rad=[float(np.linalg.norm(errors[-1]))],
            error_rad=float(np.abs(errors).mean()),
            effort=float(np.mean([one.activation.mean() for one in seen])),
            gate=loop.supervisor.report(),
        )

    def _run_own(self, plant: PoseHand, seed: int, gate_class: type[Gate]) -> Trial:
        rng = np.random.default_rng(seed)
        low, high = plant.model.jnt_range[plant.layout.joints].T
        plant.start_at(np.clip(rng.normal(0.0, JOINT_NOISE_RAD, low.size), low, high))
        script = SCRIPTS[self.asked.task](rng)
        self.source.play(script)
        loop = self._loop(plant, posture, gate_class)
        joints, active = [], []
        for _ in range(len(script) + 1):  # the steps, and what came of the last
            tick = loop.tick(0.0)
            if tick.outcome.judged:
                joints.append(tick.feedback.joint_pos)
                active.append(tick.feedback.activation.mean())
        wanted = posture.wanted(script)[: len(joints)]
        return _own_trial(self.asked.task, np.array(joints), wanted, float(np.mean(active)), loop)


def _own_trial(task: str, joints: Array, wanted: Array, effort: float, loop: Loop) -> Trial:
    distance = np.linalg.norm(joints - wanted, axis=1)
    inside = distance < posture.SOLVED_RAD
    changes = np.flatnonzero((np.diff(wanted, axis=0) != 0.0).any(axis=1)) + 1
    starts = changes if task == "transitions" else np.array([0])
    ends = [*starts[1:].tolist(), len(joints)]
    at_end = [bool(inside[end - STAY_STEPS : end].all()) for end in ends]
    trial = Trial(
        solved=float(inside.mean()),
        at_end=at_end,
        end_rad=[float(distance[end - 1]) for end in ends],
        error_rad=float(np.abs(joints - wanted).mean()),
        effort=effort,
        gate=loop.supervisor.report(),
    )
    if task == "step":
        trial.rise_s = rise_s(joints[int(changes[0]) - 1 :])
    return trial


def rise_s(joints: Array) -> float:
    """10-90 % of the way from the first posture to the last, along the straight line [s]."""
    way = joints[-1] - joints[0]
    share = (joints - joints[0]) @ way / max(float(way @ way), 1e-9)
    tenth, ninety = (np.flatnonzero(share >= level) for level in (0.1, 0.9))
    return float(ninety[0] - tenth[0]) / RATE_HZ


def _transitions(rng: np.random.Generator) -> Array:
    """Digit after digit, never the same twice running, (steps, 8)."""
    digits = [int(rng.integers(DIGITS))]
    for _ in range(TRANSITIONS):
        digits.append((digits[-1] + int(rng.integers(1, DIGITS))) % DIGITS)
    script = np.zeros((len(digits) * (SETTLE_STEPS + STAY_STEPS), len(posture.CHANNELS)))
    script[:, -1] = np.repeat(digits, SETTLE_STEPS + STAY_STEPS) + 1
    return script


def _sine(_rng: np.random.Generator) -> Array:
    time_s = np.arange(round(SINE_S * RATE_HZ)) / RATE_HZ
    script = np.zeros((time_s.size, len(posture.CHANNELS)))
    script[:, 0] = 0.5 - 0.5 * np.cos(2 * np.pi * SINE_HZ * time_s)
    return script


def _step(_rng: np.random.Generator) -> Array:
    before, after = (round(seconds * RATE_HZ) for seconds in STEP_S)
    script = np.zeros((before + after, len(posture.CHANNELS)))
    script[before:, 0] = 1.0
    return script


SCRIPTS: Final = {"transitions": _transitions, "sine": _sine, "step": _step}


def open_policy(asked: PostureAsked) -> OnnxPolicy:
    """The policy to evaluate, held against the skill and the rate of the tasks."""
    policy = load(asked.policy)
    check_fit(policy, posture, RATE_HZ)
    return policy


def _evaluator(asked: PostureAsked) -> Callable[[int], Trial]:
    return PostureEvaluator(asked).trial


def trials(asked: PostureAsked, count: int) -> Iterator[Trial]:
    """Run ``count`` episodes on two processes, in order of their numbers."""
    open_policy(asked)  # a bad file is refused here, not in a worker
    if asked.env:
        OfficialPose(asked.env, asked.perturb).close()
    return spread(_evaluator, asked, count, at_once=2)


def summary(asked: PostureAsked, done: list[Trial], policy: OnnxPolicy) -> dict[str, Any]:
    """The figures of an evaluation, as JSON-ready data."""
    counts: dict[str, int] = {}
    for one in done:
        for reason, count in one.gate.items():
            counts[reason] = counts.get(reason, 0) + count
    at_end = np.array([end for one in done for end in one.at_end])
    without_gate = np.array([end for one in done for end in one.open_at_end])
    end_rad = np.array([distance for one in done for distance in one.end_rad])
    what: dict[str, Any] = {"env": asked.env, "perturb": asked.perturb}
    if not asked.env:
        what = {"task": asked.task, "perturb": asked.perturb}
    if asked.task == "step" and not asked.env:
        what["rise_s"] = round(float(np.max([one.rise_s for one in done])), 3)
    if names := sorted({one.name for one in done} - {""}):
        what["per_env"] = {
            name: round(float(np.mean([one.at_end[0] for one in done if one.name == name])), 4)
            for name in names
        }
    return {
        **what,
        "episodes": len(done),
        "targets": len(at_end),
        "solved_at_end": round(float(at_end.mean()), 4),
        "solved_at_end_sem": round(float(np.sqrt(at_end.var() / len(at_end))), 4),
        "score_mean": round(float(np.mean([one.solved for one in done])), 4),
        "end_distance_rad": {
            "p50": round(float(np.median(end_rad)), 3),
            "p95": round(float(np.percentile(end_rad, 95)), 3),
        },
        "joint_error_rad": round(float(np.mean([one.error_rad for one in done])), 4),
        "effort": round(float(np.mean([one.effort for one in done])), 4),
        "gate": counts,
        "solved_at_end_gate_open": round(float(without_gate.mean()), 4),
        "seed": asked.seed,
        "policy_sha256": policy.sha256,
        "versions": policy_versions(),
    }
