"""Which of the 39 muscles a stimulation channel stands for, and how much each of them counts."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from controller.names import MUSCLES

Array = NDArray[np.float64]

FORCE_N: Final[dict[str, float]] = dict(
    zip(
        MUSCLES,
        (
            *(337.3, 252.2, 192.9, 407.9, 479.8, 101.0, 557.2, 284.7),
            *(75.3, 171.2, 258.8, 162.5, 236.8, 172.9, 212.4, 197.3),
            *(139.4, 109.2, 94.4, 48.8, 72.4, 47.3),
            *(88.3, 46.0, 201.0, 116.7, 180.0),
            *(61.2, 61.2, 61.2, 61.2, 98.0, 98.0),
            *(97.0, 76.9, 76.9, 59.9, 47.9, 47.9),
        ),
        strict=True,
    )
)
"""Largest isometric force of each muscle in the model [N];
``tests/bridges/devices/test_stimulation_mapping.py`` holds it against the model."""


@dataclass(frozen=True)
class Pool:
    """Muscles that one pair of electrodes reaches together.

    Attributes:
        name: of the channel.
        starts: what the names of its muscles start with.
        opposes: the pool that works against it, "" for none.
    """

    name: str
    starts: tuple[str, ...]
    opposes: str = ""

    @property
    def muscles(self) -> tuple[str, ...]:
        """Its muscles, in the common order."""
        return tuple(muscle for muscle in MUSCLES if muscle.startswith(self.starts))


POOLS: Final = (
    Pool("finger-flexors", ("FDS", "FDP"), "finger-extensors"),
    Pool("finger-extensors", ("EDC", "EIP", "EDM"), "finger-flexors"),
    Pool("thumb-flexors", ("FPL", "OP"), "thumb-extensors"),
    Pool("thumb-extensors", ("EPL", "EPB", "APL"), "thumb-flexors"),
    Pool("wrist-flexors", ("FCR", "FCU", "PL"), "wrist-extensors"),
    Pool("wrist-extensors", ("ECRL", "ECRB", "ECU"), "wrist-flexors"),
    Pool("intrinsics", ("RI", "LU", "UI")),
    Pool("pronators", ("PT", "PQ")),
)
"""Eight channels; a device with four has the first four of them."""


def weights(pools: Sequence[Pool]) -> Array:
    """(channels, 39): the share of each muscle in each pool, by its largest force."""
    found = np.zeros((len(pools), len(MUSCLES)))
    for row, pool in zip(found, pools, strict=True):
        for muscle in pool.muscles:
            row[MUSCLES.index(muscle)] = FORCE_N[muscle]
        row /= row.sum()
    return found


def pairs(pools: Sequence[Pool]) -> list[tuple[int, int]]:
    """Indices of pools that work against each other, each pair once."""
    names = [pool.name for pool in pools]
    return [
        (one, names.index(pool.opposes))
        for one, pool in enumerate(pools)
        if pool.opposes in names[one + 1 :]
    ]


def pooled(excitation: Array, share: Array, against: list[tuple[int, int]], most: float) -> Array:
    """What each channel is asked for.

    Of two antagonists the activation that both have is taken away from both, but for ``most``
    of it: only the difference moves a joint, the rest would stiffen and tire it.

    Args:
        excitation: (39,) 0-1.
        share: (channels, 39), of ``weights``.
        against: pairs of channels.
        most: activation that the weaker of a pair may keep, 0-1.

    Returns:
        (channels,) 0-1.
    """
    found = np.clip(share @ excitation, 0.0, 1.0)
    for one, other in against:
        both = min(found[one], found[other])
        found[[one, other]] -= max(0.0, both - most)
    return found
