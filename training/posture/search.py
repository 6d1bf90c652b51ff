"""Searches for the reflex's numbers: ``python -m training.posture.search MINUTES``.

CMA-ES (Hansen; the package ``cma``) on chains of postures, static to dynamic in one: a hand
that starts at rest is told one posture after another, most of them digits, and is judged
towards the end of each. It goes on from training/posture/reflex.yaml and writes it anew
when what it found is better on chains that it was not searched on.
"""

import sys
import time
from multiprocessing import get_context
from typing import Final

import cma
import numpy as np
import torch

from controller.messages import Array
from controller.names import JOINTS
from controller.skills import posture
from training.posture.hands import PoseHands
from training.posture.law import FILE, Law, load_law
from training.posture.pilot import bare
from training.posture.targets import DIGITS, intentions, named

PROCESSES: Final = 2
HANDS: Final = 40
LENGTH: Final = 4  # postures of a chain
SEGMENT_STEPS: Final = round(1.3 / posture.CONTROL_STEP_S)
JUDGED_STEPS: Final = round(0.3 / posture.CONTROL_STEP_S)  # of them, at the end
# Of the ten digits in a chain; a thumb that has to straighten (3, 5) is the hardest.
ODDS: Final = np.array([2.0, 1.0, 1.0, 3.0, 1.0, 3.0, 2.0, 1.0, 1.0, 1.0])
OTHERS: Final = 0.1  # share of the postures that are not digits,
BLENDS: Final = 0.1  # and of those that are blends of channels
WIDTH_RAD: Final = 0.1  # of the step from solved to not solved
KEPT_EVERY: Final = 10  # generations
ROUNDS: Final = 3  # generations on the same chains
SPREAD: Final = 0.05  # of the first generation
UNSEEN: Final = (77, 78, 79, 80)  # seeds of the chains that decide


def chains(seed: int) -> Array:
    """Postures for each hand, one after another [rad], (LENGTH, HANDS, 23)."""
    rng = np.random.default_rng(seed)
    wanted = np.empty((LENGTH, HANDS, len(JOINTS)))
    digit = np.zeros(HANDS, np.intp)
    for segment in wanted:
        odds = np.tile(ODDS, (HANDS, 1))
        odds[np.arange(HANDS), digit] = 0.0  # never the digit that is there
        ends = np.cumsum(odds / odds.sum(axis=1, keepdims=True), axis=1)
        digit = (rng.random((HANDS, 1)) > ends).sum(axis=1)
        segment[:] = named()[digit]
        rest = rng.random(HANDS) < OTHERS
        segment[rest] = named()[rng.integers(DIGITS, len(named()), int(rest.sum()))]
        blend = rng.random(HANDS) < BLENDS
        segment[blend] = posture.wanted(intentions(int(blend.sum()), rng))
    return wanted


class Judge:
    """Tells what laws are worth; made once in each process."""

    def __init__(self) -> None:
        torch.set_num_threads(1)
        self._hands = PoseHands(HANDS, "coarse", threads=1)
        self._pilot = bare(self._hands)

    def distances(self, law: Law, seed: int) -> Array:
        """Distance from each posture at its end [rad], (LENGTH, JUDGED_STEPS, HANDS)."""
        hands, pilot = self._hands, self._pilot
        pilot.reflex.obey(law)
        pilot.forget()
        hands.place(np.arange(HANDS), np.zeros((HANDS, len(JOINTS))))
        rows = []
        for wanted in chains(seed):
            for step in range(SEGMENT_STEPS):
                hands.step(pilot.excite(wanted))
                if step >= SEGMENT_STEPS - JUDGED_STEPS:
                    away = np.linalg.norm(hands.feedback().joint_pos - wanted, axis=1)
                    rows.append(np.nan_to_num(away, nan=10.0))
        return np.reshape(rows, (LENGTH, JUDGED_STEPS, HANDS))


def cost(distances: Array) -> float:
    """What the search makes small: a soft share of the missed, and a little of the distance."""
    missed = 1.0 / (1.0 + np.exp((posture.SOLVED_RAD - 0.02 - distances) / WIDTH_RAD))
    return float(missed.mean() + 0.05 * distances.mean())


_judge: list[Judge] = []  # of this process


def _work(asked: tuple[Array, int]) -> tuple[float, float]:
    """Cost, and share of the postures that were inside the official limit to their end."""
    if not _judge:
        _judge.append(Judge())
    distances = _judge[0].distances(Law.of(asked[0]), asked[1])
    return cost(distances), float((distances.max(axis=1) < posture.SOLVED_RAD).mean())


def search(minutes: float) -> None:
    """Search for so long, then keep what is better."""
    began, start = time.monotonic(), load_law().vector()
    strategy = cma.CMAEvolutionStrategy(
        start, SPREAD, {"seed": 1, "verbose": -9, "CMA_diagonal": True}
    )
    with get_context("spawn").Pool(PROCESSES) as pool:

        def keep(least: float, vector: Array) -> float:
            found, reached = np.mean(pool.map(_work, [(vector, one) for one in UNSEEN]), axis=0)
            print(f"on chains not searched on: cost {found:.4f}, {reached:.3f} reached", flush=True)
            if found < least:
                Law.of(vector).save(FILE)
                print(f"{FILE}: written", flush=True)
            return float(min(least, found))

        kept = keep(np.inf, start)
        while time.monotonic() - began < 60.0 * minutes:
            seed = 1000 + strategy.countiter // ROUNDS
            laws = strategy.ask()
            results = pool.map(_work, [(law, seed) for law in laws], chunksize=1)
            strategy.tell(laws, [one for one, _ in results])
            best, reached = min(results)
            print(
                f"generation {strategy.countiter}: cost {best:.4f}, {reached:.3f} reached",
                flush=True,
            )
            if strategy.countiter % KEPT_EVERY == 0:
                kept = keep(kept, strategy.mean)
        keep(kept, strategy.mean)


if __name__ == "__main__":
    search(float(sys.argv[1]))
