"""Learns where the reflex aims, by gradients through the muscles.

MuJoCo moves the hands, training/posture/course.py says how that depends on what was done before:
the gradient of a stretch of time reaches back to its first excitations (an analytic policy
gradient), where a policy gradient would have to find it by noise. Noise gets this hand stuck.
"""

import copy
import time
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray

from controller.names import MUSCLES
from controller.settings import convert
from controller.skills import posture
from training.descent import descend, held
from training.learn import Learner, Report, hands_broke
from training.posture.aim import Aim
from training.posture.body import Body
from training.posture.course import State, course
from training.posture.episodes import PostureEpisodes
from training.posture.geometry import fit
from training.posture.hands import PoseHands
from training.posture.law import Law, load_law
from training.posture.pilot import Pilot, seen, tensor
from training.posture.plan import PostureCost, PostureCurriculum, PostureStage
from training.posture.reflex import MEMORY, Reflex
from training.posture.score import score
from training.posture.trials import Trials
from training.posture.ways import leaps, way_of
from training.score import Score
from training.slew import slewed

EDGE_RAD: Final = 0.64  # where a step is half missed: a little inside of the official limit
WIDTH_RAD: Final = 0.12  # of that edge
FARTHEST_RAD: Final = 3.0  # distances cost up to this
MOMENTUM: Final = 0.9


def cost(weights: PostureCost, distance: torch.Tensor, excitation: torch.Tensor) -> torch.Tensor:
    """What a step costs, (n,), by distance [rad], (n,), and excitations, (n, 39)."""
    missed = torch.sigmoid((distance - EDGE_RAD) / WIDTH_RAD)
    far = distance.clamp(max=FARTHEST_RAD)
    effort = excitation.square().mean(dim=1)
    return weights.missed * missed + weights.distance * far + weights.effort * effort


def importance(episodes: PostureEpisodes) -> torch.Tensor:
    """Whether the present step of each hand counts, 0 or 1, (n,)."""
    settle_s = np.array([task.settle_s for task in episodes.tasks])[episodes.task]
    settled = (episodes.since_s >= settle_s) | episodes.moving
    return torch.from_numpy(settled.astype(np.float32))


class PostureTrainer(Learner):
    """Learns the skill ``posture``.

    Attributes:
        aim: the network that learns.
    """

    curriculum: PostureCurriculum
    average: Aim

    def __init__(self, curriculum: PostureCurriculum, folder: Path, threads: int = 2) -> None:
        super().__init__(curriculum, folder, threads)
        self._enter_stage()
        body = Body(self._episodes.hands, fit())
        self.aim = Aim(curriculum.hidden)
        self._reflex = Reflex(body, load_law(), self.aim)
        # not Adam: it moves weights that hardly matter as far as any, by noise alone
        rate = self._stage.descent.rate
        self._learning = {  # the ways have an optimiser of their own, whose gradients stay out
            name: weights
            for name, weights in self.aim.named_parameters()
            if name.startswith("layers.")
        }
        self._optimiser = torch.optim.SGD(self._learning.values(), rate, MOMENTUM)
        self._trials = Trials(self.aim.ways, curriculum.hands)
        self.average = copy.deepcopy(self.aim)

    def _make_hands(self, count: int, physics: str) -> PoseHands:
        return PoseHands(count, physics, self._threads)

    def _enter_stage(self) -> None:
        stage, rng = self._stage, np.random.default_rng(self._seed)
        hands = self._batch("learn", self.curriculum.hands, stage.physics)
        self._episodes = PostureEpisodes(hands, stage.tasks, stage.starts, rng)
        self._memory = torch.zeros(hands.count, MEMORY)
        self._sent = torch.zeros(hands.count, len(MUSCLES))
        self._episodes.reset(np.arange(hands.count))

    def _retune(self) -> None:
        for group in self._optimiser.param_groups:
            group["lr"] = self._stage.descent.rate
        self.aim.ways.explore = self._stage.descent.explore

    def _score(self, hands: PoseHands, stage: PostureStage) -> list[Score]:
        reflex = Reflex(self._reflex.body, self._reflex.law, self.average)
        return score(Pilot(hands, reflex), stage)

    def _settings(self) -> dict[str, float]:
        return {"learning_rate": self._stage.descent.rate}

    # --- learning ------------------------------------------------------------------

    def _begin(self, ids: NDArray[np.intp]) -> None:
        """Start these hands anew."""
        episodes = self._episodes
        episodes.ended(ids)
        episodes.reset(ids)
        self._memory[ids], self._sent[ids] = 0.0, 0.0

    def _fresh(self) -> NDArray[np.intp]:
        """Hands that start anew at this update."""
        episodes, afresh = self._episodes, self._stage.descent.afresh
        holds = np.array([task.do == "hold" for task in self._stage.tasks])[episodes.task]
        return np.flatnonzero(holds | (episodes.rng.random(holds.size) < afresh))

    def _update(self) -> Report:
        with torch.set_grad_enabled(self._stage.descent.rate > 0.0):
            return self._stretch()

    def _stretch(self) -> Report:
        began, episodes, stage = time.monotonic(), self._episodes, self._stage
        self._begin(self._fresh())
        steps = round(stage.descent.stretch_s / posture.CONTROL_STEP_S)
        count = episodes.hands.count
        total, inside, errors = torch.zeros(()), 0.0, []
        spent, counted = torch.zeros(count), torch.zeros(count)
        state = seen(episodes.hands)
        for _ in range(steps):
            episodes.advance()
            state, excitation = self._step(state)
            distance = (state[0] - tensor(episodes.goal.wanted_rad)).norm(dim=1)
            counts = importance(episodes)
            each = cost(stage.cost, distance, excitation)
            total = total + (counts * self._trials.on_policy * each).mean() / steps
            spent, counted = spent + counts * each.detach(), counted + counts
            away = distance.detach()
            inside += float((away < posture.SOLVED_RAD).float().mean()) / steps
            errors.append(float(away.median()))
        self._sent = self._sent.detach().clone()
        problem = self._descend(total)
        surprise = self._trials.learn(spent / counted.clamp(min=1.0), counted > 0.0)
        self._follow(self.aim)
        rate = self._count(steps * count, time.monotonic() - began)
        losses = {"cost": total.item(), "ways": surprise}
        return Report(
            self.progress, rate, inside, 0, float(np.mean(errors)) * 1e3, losses, problem=problem
        )

    def _step(self, state: State) -> tuple[State, torch.Tensor]:
        """One control step on MuJoCo, whose outcome carries the gradient of the course."""
        hands, target = self._episodes.hands, tensor(self._episodes.goal.target_rad)
        state = _held(state, self._stage.descent.passed_back)
        body = self._reflex.body
        pull = body(state[0])
        leapt = leaps(target, self._memory)
        wished, memory = self._reflex(*state, target, self._memory, pull)
        self._memory = memory.detach()
        self._sent = excitation = slewed(wished, self._sent, posture.CONTROL_STEP_S)
        asked = torch.cat([body.share(state[0]), body.share(target)], dim=1).detach()
        self._trials.note(leapt, asked, way_of(self._memory)[:, 0])
        hands.step(excitation.detach().numpy().astype(np.float64))
        guessed = course(body, pull, state, excitation)
        real = seen(hands)
        angle, speed, active = (
            was + (may - may.detach()) for was, may in zip(real, guessed, strict=True)
        )
        return (angle, speed, active), excitation

    def _descend(self, total: torch.Tensor) -> str:
        """Follow the gradient, unless only the ways are learned; says what was wrong."""
        told = self._replace_broken()
        if not total.requires_grad:
            return told
        wrong = descend(self._optimiser, total, self._learning, "the cost", "network")
        return told + (self._discarded(wrong) if wrong else "")

    def _replace_broken(self) -> str:
        hands = self._episodes.hands
        lost = np.flatnonzero(hands.broken())
        if not lost.size:
            return ""
        self._begin(lost)
        return hands_broke(lost.size, hands.what_broke)

    # --- checkpoints ---------------------------------------------------------------

    def _state(self) -> dict[str, Any]:
        episodes = self._episodes
        return {
            "law": msgspec.to_builtins(self._reflex.law),
            "aim_state_dict": self.aim.state_dict(),
            "average_state_dict": self.average.state_dict(),
            "optimizer_state_dict": self._optimiser.state_dict(),
            "trials_state_dict": self._trials.state_dict(),
            "focus": episodes.focus.solved.tolist(),
            "random": {
                "torch": torch.get_rng_state(),
                "episodes": episodes.rng.bit_generator.state,
            },
        }

    def _restore(self, state: dict[str, Any]) -> None:
        self._reflex.obey(convert(state["law"], Law, "the checkpoint's law"))
        self.aim.load_state_dict(state["aim_state_dict"], strict=True)
        self.average.load_state_dict(state["average_state_dict"], strict=True)
        self._optimiser.load_state_dict(state["optimizer_state_dict"])
        self._trials.load_state_dict(state["trials_state_dict"])
        self._episodes.focus.solved[:] = state["focus"]
        torch.set_rng_state(state["random"]["torch"])
        self._episodes.rng.bit_generator.state = state["random"]["episodes"]


def _held(state: State, most: float) -> State:
    """The same state; gradients pass back at most so far for each hand of the mean cost."""
    if not state[0].requires_grad:
        return state

    def hold(gradient: torch.Tensor) -> torch.Tensor:
        return held(gradient, gradient.norm(dim=1, keepdim=True), most)

    angle, speed, active = (part.view_as(part) for part in state)
    for part in (angle, speed, active):
        part.register_hook(hold)  # type: ignore[no-untyped-call]
    return angle, speed, active
