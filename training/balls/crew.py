"""All hands at practice, in parts: each on a thread of its own.

A step of a hundred hands is a thousand small operations, which threads share badly among them;
a part of the hands for each thread is faster (docs/training.md 20).
"""

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any

import numpy as np
import torch
from torch import nn

from training.balls.practice import Practice, Slopes, Stretch, unit_of


class Crew:
    """Parts of the hands, and the weights that they learn.

    Args:
        practices: a part each.
        learning: the weights.

    Attributes:
        practices: as given.
    """

    def __init__(self, practices: Sequence[Practice], learning: Iterable[nn.Parameter]) -> None:
        self.practices, self._learning = practices, list(learning)
        counts = [practice.world.hands.count for practice in practices]
        self._shares = [count / sum(counts) for count in counts]
        self._pool = ThreadPoolExecutor(len(practices))
        self._measure_by(unit_of(torch.cat([practice.world.state() for practice in practices])))

    def _measure_by(self, unit: torch.Tensor) -> None:
        for practice in self.practices:
            practice.unit = unit

    def restart(self) -> None:
        """Start all hands anew."""
        for practice in self.practices:
            practice.restart()

    def go(self, steps: int, slopes: Slopes | None) -> Stretch:
        """Practise for so many control steps.

        With slopes, the gradient of minus the total is left with the weights.
        """
        threads = torch.get_num_threads()
        torch.set_num_threads(1)  # of each of the pool's
        parts = [self._pool.submit(self._part, each, steps, slopes) for each in self.practices]
        try:
            done = [part.result() for part in parts]
        finally:
            wait(parts)  # whatever interrupts: a checkpoint may be written next
            torch.set_num_threads(threads)
        if slopes is not None:
            found = [gradients for _, gradients in done]
            for weights, *parts_of_it in zip(self._learning, *found, strict=True):
                pairs = zip(self._shares, parts_of_it, strict=True)
                weights.grad = -torch.stack([share * part for share, part in pairs]).sum(0)
        return Stretch.joined([stretch for stretch, _ in done], self._shares)

    def _part(
        self, practice: Practice, steps: int, slopes: Slopes | None
    ) -> tuple[Stretch, tuple[torch.Tensor, ...]]:
        """A part's stretch, and the gradients of its total."""
        with torch.set_grad_enabled(slopes is not None):  # a thread has its own setting
            stretch = practice.go(steps, slopes)
        if slopes is None:
            return stretch, ()
        gradients = torch.autograd.grad(stretch.total, self._learning)
        stretch.total = stretch.total.detach()
        return stretch, gradients

    def state(self) -> dict[str, Any]:
        """What is remembered besides hands and balls: for a checkpoint."""
        episodes = [practice.world.episodes for practice in self.practices]
        return {
            "unit": self.practices[0].unit,
            "focus": [each.focus.solved.tolist() for each in episodes],
            "episodes": [each.rng.bit_generator.state for each in episodes],
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take up what ``state`` gave, of as many parts or of others."""
        unit = self.practices[0].unit.clone()
        unit[: len(state["unit"])] = state["unit"]  # of a state that said less
        self._measure_by(unit)
        known = state["focus"]
        if len(known) != len(self.practices):
            known = [np.mean(known, axis=0)] * len(self.practices) if known else []
        for practice, solved in zip(self.practices, known, strict=False):
            practice.world.episodes.focus.solved[:] = solved
        for practice, rng in zip(self.practices, state["episodes"], strict=False):
            practice.world.rng.bit_generator.state = rng
