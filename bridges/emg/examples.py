"""What a person did when asked, cut into the windows that the models learn from."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from bridges.emg.calibration import CLASSES, Cut
from bridges.emg.features import SHAPE, STRENGTH, extract, level_uv
from bridges.emg.prompts import PROMPTS
from bridges.emg.windows import Windows
from controller.errors import MyoloopError
from controller.messages import Array, Flags

HOP_S: Final = 0.025  # between the windows that are learned from


@dataclass(frozen=True, slots=True)
class Trial:
    """What was recorded during one prompt.

    Attributes:
        prompt: one of PROMPTS.
        repetition: 0, 1, ...
        rows: raw EMG [uV], (n, channels).
    """

    prompt: str
    repetition: int
    rows: NDArray[np.floating]


@dataclass(frozen=True, slots=True)
class Examples:
    """All windows of all trials, (n, ...)."""

    shape: Array
    strength: Array
    level: Array
    label: NDArray[np.int64]
    rotation: Array
    prompt: NDArray[np.int64]
    repetition: NDArray[np.int64]

    def where(self, chosen: Flags) -> "Examples":
        """Those alone."""
        return Examples(*(getattr(self, name)[chosen] for name in self.__slots__))


def gather(trials: Sequence[Trial], cut: Cut) -> Examples:
    """Cut every trial into windows.

    Raises:
        MyoloopError: a prompt is missing, there are fewer than two repetitions, or all is
            shorter than a window.
    """
    _complete(trials)
    hop = max(1, round(HOP_S * cut.electrodes.rate_hz))
    found: list[tuple[Any, ...]] = []
    for trial in trials:
        label, rotation = PROMPTS[trial.prompt]
        windows = Windows(cut)
        about = (CLASSES.index(label), rotation, list(PROMPTS).index(trial.prompt))
        for start in range(0, len(trial.rows) - hop + 1, hop):
            windows.take(trial.rows[start : start + hop])
            if windows.ready:
                now = windows.newest
                features = (extract(now, SHAPE), extract(now, STRENGTH), level_uv(now))
                found.append((*features, *about, trial.repetition))
    if not found:
        raise MyoloopError("the recordings are shorter than a window")
    return Examples(*(np.array(column) for column in zip(*found, strict=True)))


def _complete(trials: Sequence[Trial]) -> None:
    repetitions = {trial.repetition for trial in trials}
    if len(repetitions) < 2:
        raise MyoloopError(f"{len(repetitions)} repetitions: cross-validation needs 2 or more")
    for repetition in repetitions:
        there = {trial.prompt for trial in trials if trial.repetition == repetition}
        if missing := [prompt for prompt in PROMPTS if prompt not in there]:
            raise MyoloopError(f"repetition {repetition + 1} lacks {missing[0]!r}")
