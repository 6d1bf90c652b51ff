"""How many control steps of 25 ms a second: bare physics, the batched hands, the whole loop.

Every figure is taken from the same starts under the same excitations: what a step costs
depends on what touches what.
"""

import os
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import msgspec
import mujoco
import numpy as np
import torch
from mujoco.batch import Batch
from mujoco.rollout import Rollout

from bridges.myohand import load_model, to_excitation
from controller import data
from controller.messages import Array
from controller.names import MUSCLES
from training.balls.learn import BallsTrainer
from training.balls.plan import BallsCurriculum
from training.batch import Hands, Physics
from training.curriculum import Curriculum, Noise, Promotion, Stage, Task
from training.env import HandEnv
from training.learn import Learner
from training.ppo import Trainer

SEGMENT: Final = 16  # control steps from each start: about as long as the balls stay
ACTION: Final = -0.4  # of the untrained actor: the hand keeps the balls for a while
SIGMA: Final = 0.2
UPDATES: Final = 3
STAGE: Final = Stage(
    name="hold", tasks=[Task(do="hold")], noise=Noise(sigma=SIGMA), promote=Promotion(solved=1.0)
)
Work = Callable[[], int]  # does some steps and returns how many
FULL_PHYSICS: Final = mujoco.mjtState.mjSTATE_FULLPHYSICS


def median_rates(works: dict[str, Work], rounds: int) -> dict[str, float]:
    """Steps per second, medians; a work returns its number of steps.

    Rounds take turns: what else the machine does then slows all of them alike.
    """
    rates: dict[str, list[float]] = {name: [] for name in works}
    for work in works.values():
        work()  # the first one warms up
    for _ in range(rounds):
        for name, work in works.items():
            began = time.perf_counter()
            steps = work()
            rates[name].append(steps / (time.perf_counter() - began))
    return {name: float(np.median(found)) for name, found in rates.items()}


def excitations(count: int) -> Array:
    """What every way of stepping is driven by, (count, SEGMENT, 39)."""
    noise = np.random.default_rng(0).normal(0.0, SIGMA, (count, SEGMENT, len(MUSCLES)))
    return to_excitation(ACTION + noise)


def starts(count: int) -> Array:
    """Full physics states with the balls on their targets, (count, nstate)."""
    env = HandEnv(Hands(count, Physics.named("official"), 1), STAGE, list(STAGE.tasks), seed=0)
    return env.hands.states()[:, : mujoco.mj_stateSize(load_model(), FULL_PHYSICS)]


class Stepping:
    """Ways to step the official model from given states, nothing but physics."""

    def __init__(self, count: int, threads: int) -> None:
        self.model, self.count, self.threads = load_model(), count, threads
        self.substeps = Physics.named("official").substeps
        self.states, self.excitations = starts(count), excitations(count)

    def rollout(self) -> Work:
        """``mujoco.rollout``, one call for a whole segment: nothing can be faster."""
        data = [mujoco.MjData(self.model) for _ in range(self.threads)]
        control = np.repeat(self.excitations, self.substeps, axis=1)
        rollout = Rollout(nthread=self.threads)

        def work() -> int:
            rollout.rollout(self.model, data, self.states, control)
            return self.count * SEGMENT

        return work

    def batch(self) -> Work:
        """``mujoco.batch``, one call for each control step, the state held inside."""
        batch = Batch(self.model, self.count, self.threads, persistent=True)
        control = batch.bind("ctrl")

        def work() -> int:
            batch.state[:, : self.states.shape[1]] = self.states
            for step in range(SEGMENT):
                control[:] = self.excitations[:, step]
                batch.step(nstep=self.substeps, stage=mujoco.mjtStage.mjSTAGE_VEL)
            return self.count * SEGMENT

        return work

    def python_threads(self) -> Work:
        """Threads over ``mj_step``, which lets go of the interpreter."""
        model, datas = self.model, [mujoco.MjData(self.model) for _ in range(self.count)]
        shares = np.array_split(np.arange(self.count), self.threads)

        def step(share: Array, at: int) -> None:
            for one in share.tolist():
                datas[one].ctrl[:] = self.excitations[one, at]
                mujoco.mj_step(model, datas[one], self.substeps)

        pool = ThreadPoolExecutor(self.threads)

        def work() -> int:
            for one, each in enumerate(datas):
                mujoco.mj_setState(model, each, self.states[one], FULL_PHYSICS)
            for at in range(SEGMENT):
                list(pool.map(step, shares, [at] * self.threads))
            return self.count * SEGMENT

        return work


def hands(count: int, threads: int, physics: str = "official") -> Work:
    """The project's hands with resets, rewards and observations."""
    env = HandEnv(Hands(count, Physics.named(physics), threads), STAGE, list(STAGE.tasks), seed=0)
    noise = np.random.default_rng(0).normal(0.0, SIGMA, (SEGMENT, count, len(MUSCLES)))
    actions = torch.from_numpy((ACTION + noise).astype(np.float32))

    def work() -> int:
        for step in range(SEGMENT):
            env.step(actions[step])
        return count * SEGMENT

    return work


def training_rate(plan: Curriculum | BallsCurriculum, threads: int) -> float:
    """The whole loop, the first stage's settings: stepping, learning, averaging."""
    torch.set_num_threads(threads)
    with tempfile.TemporaryDirectory() as folder:
        if isinstance(plan, BallsCurriculum):
            return _rate_of_gradients(plan, Path(folder), threads)
        trainer = Trainer(plan, Path(folder), threads)
        work = _updating(trainer)
        work(1)
        steps, seconds = work(UPDATES)
        return steps / seconds


def _rate_of_gradients(plan: BallsCurriculum, folder: Path, threads: int) -> float:
    """Updates and a fit of the model, as many for one as the curriculum has.

    The first fit, which a training has once, is cut short and not part of the figure.
    """
    settings = plan.model
    short = msgspec.structs.replace(
        settings,
        first_steps=settings.steps,
        first_batches=settings.batches,
        every=UPDATES + 1,
    )
    trainer = BallsTrainer(msgspec.structs.replace(plan, model=short), folder, threads)
    trainer.resume(data.find(plan.begin_with, Path.cwd()))
    work = _updating(trainer)
    work(1)
    steps, seconds = work(UPDATES)
    with_fit = work(1)
    others = (settings.every - 1) / UPDATES
    return (others * steps + with_fit[0]) / (others * seconds + with_fit[1])


def _updating(trainer: Learner) -> Callable[[int], tuple[int, float]]:
    """Does some updates without a score; returns their steps and seconds."""
    trainer.progress.next_evaluation = 10**12
    updates = trainer.updates()

    def work(count: int) -> tuple[int, float]:
        began, before = time.perf_counter(), trainer.progress.steps
        for _ in range(count):
            next(updates)
        return trainer.progress.steps - before, time.perf_counter() - began

    return work


def threads_here() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0))
