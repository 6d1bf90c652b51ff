"""Fits the model to pairs of transitions that began alike and parted a little.

Half of the loss is how the two of a pair differ: that is what slopes are, and contacts would drown
it in the change that both have in common.
"""

from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
import torch
from torch import nn
from torch.nn.functional import smooth_l1_loss

from training.balls.features import SIZE as FEATURES
from training.balls.features import Features
from training.balls.model import LEARNED, Model, learned
from training.balls.plan import ModelFit

GROUPS: Final = {
    "joint angle": slice(0, 23),
    "joint speed": slice(23, 46),
    "ball place": slice(46, 52),
    "ball velocity": slice(52, 58),
    "ball spin": slice(58, 64),
}  # of what is learned
CHUNK: Final = 4000  # transitions whose features are computed at once
SPARSE: Final = 7  # every so many transitions tell means and spreads
LEAST_STD: Final = 0.02  # of a feature: what hardly ever changes is not blown up
SPREAD: Final = 1.25  # standard deviation of a normal distribution by its mean distance
WARM_UP: Final = 200  # batches until the rate is reached
LAST_RATE: Final = 0.01  # of the rate, at the end
LARGEST_STEP: Final = 1.0  # norm of a gradient
CLOSE_CHANGE, CLOSE_FEATURES = 4.0, 1.0  # mean distance of a pair that still tells a slope


class Transitions(NamedTuple):
    """Pairs of control steps: states, excitations, next states, (pairs, 2, ...) each."""

    state: torch.Tensor
    excitation: torch.Tensor
    after: torch.Tensor


class Pool(NamedTuple):
    """What the model learns from.

    Attributes:
        features: as float16, (pairs, 2, 671).
        change: of what is learned, besides the base, (pairs, 2, 64).
    """

    features: torch.Tensor
    change: torch.Tensor

    def joined(self, newer: "Pool", most: int) -> "Pool":
        """Both, without the oldest if it is more than ``most`` pairs."""
        both = zip(self, newer, strict=True)
        return Pool(*(torch.cat(pair)[-most:] for pair in both))


@dataclass(frozen=True, slots=True)
class Fitted:
    """How a fit went.

    Attributes:
        loss: mean of the last tenth of its batches.
        slopes: share of the differences within pairs that the model tells, by GROUPS, up to 1.
    """

    loss: float
    slopes: dict[str, float]


@torch.no_grad()
def pool_of(told: Features, transitions: Transitions) -> Pool:
    """Features and changes of transitions."""
    flat = [part.flatten(0, 1) for part in transitions]
    features = torch.empty(len(flat[0]), FEATURES, dtype=torch.float16)
    change = torch.empty(len(flat[0]), LEARNED)
    most = torch.finfo(torch.float16).max
    for first in range(0, len(change), CHUNK):
        part = slice(first, first + CHUNK)
        state, excitation, after = (values[part] for values in flat)
        seen, base, _ = told(state, excitation)
        features[part] = seen.clamp(-most, most).half()
        change[part] = learned(after) - base
    return Pool(features.view(-1, 2, FEATURES), change.view(-1, 2, LEARNED))


@torch.no_grad()
def standardise(model: Model, pool: Pool) -> None:
    """Let the model's units be those of the pool."""
    features = pool.features.flatten(0, 1)[::SPARSE].float()
    change = pool.change.flatten(0, 1)[::SPARSE]
    model.mean.copy_(features.mean(0))
    model.std.copy_(features.std(0).clamp(min=LEAST_STD))
    model.shift.copy_(change.mean(0))
    # by the mean distance: a few hits of a ball are thousands of times larger
    model.scale.copy_((change - change.mean(0)).abs().mean(0) * SPREAD + 1e-6)


def fit(model: Model, pool: Pool, settings: ModelFit, first: bool) -> Fitted:
    """Fit the model to the pool; the ``first`` fit sets its units too.

    A loss that is not finite leaves weights that are not.
    """
    cut = max(1, len(pool.change) - max(1, int(len(pool.change) * settings.left_out)))
    known = Pool(*(part[:cut] for part in pool))
    if first:
        standardise(model, known)
    near, unit = _close(model, pool), _difference_unit(model, known)
    batches = settings.first_batches if first else settings.batches
    rate = settings.first_rate if first else settings.rate
    optimiser = torch.optim.Adam(model.parameters(), rate)
    last: list[float] = []
    for batch in range(batches):
        for group in optimiser.param_groups:
            group["lr"] = rate * _share_of_rate(batch, batches)
        drawn = torch.randint(0, cut, (settings.batch,))
        loss = _loss(model, Pool(*(part[drawn] for part in pool)), near[drawn], unit)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(model.parameters(), LARGEST_STEP)
        optimiser.step()
        if batch >= batches - batches // 10 - 1:
            last.append(loss.item())
    left = Pool(*(part[cut:] for part in pool))
    return Fitted(float(np.mean(last)), _slopes(model, left, near[cut:]))


def _share_of_rate(batch: int, batches: int) -> float:
    """A warm-up and half a cosine."""
    fading = 0.5 * (1.0 + np.cos(np.pi * batch / batches)) + LAST_RATE
    return float(min(1.0, (batch + 1) / WARM_UP) * fading)


@torch.no_grad()
def _close(model: Model, pool: Pool) -> torch.Tensor:
    """Pairs that are near enough to each other to tell a slope, (pairs,)."""
    change = (pool.change[:, 0] - pool.change[:, 1]).div(model.scale).abs().mean(1)
    chunks = torch.split(pool.features, CHUNK)
    features = [((f[:, 0].float() - f[:, 1].float()) / model.std).abs().mean(1) for f in chunks]
    return (change < CLOSE_CHANGE) & (torch.cat(features) < CLOSE_FEATURES)


@torch.no_grad()
def _difference_unit(model: Model, pool: Pool) -> torch.Tensor:
    """Spread of the differences within close pairs, in units of the scale, (64,)."""
    apart = (pool.change[:, 0] - pool.change[:, 1])[_close(model, pool)].abs()
    mean = apart.sum(0) / max(1, len(apart))
    return (mean * SPREAD).clamp(min=1e-6) / model.scale


def _loss(
    model: Model, batch: Pool, near: torch.Tensor, difference_unit: torch.Tensor
) -> torch.Tensor:
    """Of the changes, and of their differences within close pairs."""
    wanted = (batch.change - model.shift) / model.scale
    found = model.change(batch.features.flatten(0, 1).float()).view_as(wanted)
    wanted_apart, found_apart = (
        ((part[:, 0] - part[:, 1]) / difference_unit)[near] for part in (wanted, found)
    )
    apart = smooth_l1_loss(found_apart, wanted_apart, reduction="sum")
    return smooth_l1_loss(found, wanted) + apart / max(1, found_apart.numel())


@torch.no_grad()
def _slopes(model: Model, left: Pool, near: torch.Tensor) -> dict[str, float]:
    """Share of the squared differences within close pairs that the model tells, by group."""
    wanted = ((left.change - model.shift) / model.scale)[near]
    if not len(wanted):
        return {}
    chunks = torch.split(left.features[near].flatten(0, 1), CHUNK)
    found = torch.cat([model.change(part.float()) for part in chunks]).view_as(wanted)
    shares = {}
    for name, group in GROUPS.items():
        apart, guessed = (part[:, 0, group] - part[:, 1, group] for part in (wanted, found))
        shares[name] = 1.0 - float((guessed - apart).square().mean() / apart.square().mean())
    return shares
