"""Collects transitions of twins: hands that begin alike, are disturbed, and part a little."""

from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from controller.names import MUSCLES
from training.balls.disturb import disturbance
from training.balls.fit import Transitions
from training.balls.state import observe
from training.balls.world import Outcome, World
from training.graph import PolicyGraph, excitation

TOGETHER: Final = 6  # control steps until twins begin alike again
SIGMAS: Final = (0.02, 0.05, 0.1)  # of the noise of an action; the first of twins may have none
CORRELATION: Final = 0.85  # of that noise from step to step
DISTURBED: Final = 0.6  # share of the second twins whose state is disturbed
BELOW_M: Final = 0.01  # a ball this far below the drop height ends an episode,
LOWEST_M: Final = 0.02  # and this far is no more learned from


@torch.no_grad()
def collect(policy: PolicyGraph, world: World, steps: int) -> Transitions:
    """Transitions of so many control steps in random order, pairs that were lost left out.

    Args:
        policy: acts, with noise.
        world: of an even number of hands; the second half are the twins of the first.
        steps: of every hand.
    """
    hands, rng = world.hands, world.rng
    pairs = hands.count // 2
    first, second = np.arange(pairs), np.arange(pairs, 2 * pairs)
    memory = policy.rest(hands.count)
    found = []
    for step in range(steps):
        if step % TOGETHER == 0:
            world.copy(first, second)
            for part in memory:
                part[:, pairs:] = part[:, :pairs]
            drawn = (rng.choice((0.0, *SIGMAS), pairs), rng.choice(SIGMAS, pairs))
            sigma = torch.from_numpy(np.concatenate(drawn).astype(np.float32))[:, None]
            noise = torch.randn(hands.count, len(MUSCLES))
            who = second[rng.random(pairs) < DISTURBED]
            hands.disturb(who, disturbance(who.size, rng))
        world.episodes.advance()
        state = world.state()
        action, *memory = policy.act(observe(state, world.asked()), *memory)
        excited = excitation(action + sigma * noise)
        noise = CORRELATION * noise + (1.0 - CORRELATION**2) ** 0.5 * torch.randn_like(noise)
        outcome, after = world.step(excited), world.state()
        usable = _usable(outcome, after, world)
        both = torch.from_numpy(usable[:pairs] & usable[pairs:])
        found.append([_paired(part)[both] for part in (state, excited, after)])
        height = world.stage.drop_height_m - BELOW_M
        done = np.flatnonzero(outcome.broken | (outcome.lowest < height) | world.late)
        world.end(done)
        for part in memory:
            part[:, done] = 0.0
    joined = [torch.cat(parts) for parts in zip(*found, strict=True)]
    order = torch.randperm(len(joined[0]))
    return Transitions(*(part[order] for part in joined))


def _usable(outcome: Outcome, after: torch.Tensor, world: World) -> NDArray[np.bool_]:
    """Hands whose step may be learned from, (n,)."""
    high = outcome.lowest > world.stage.drop_height_m - LOWEST_M
    usable: NDArray[np.bool_] = ~outcome.broken & high & torch.isfinite(after).all(1).numpy()
    return usable


def _paired(values: torch.Tensor) -> torch.Tensor:
    """Of both halves of the hands (2 n, m), twins side by side, (n, 2, m)."""
    return torch.stack(values.chunk(2), dim=1)
