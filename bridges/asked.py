"""What a posture intention asks for, in words, for those who watch."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from controller.skills import posture


def asked(record: NDArray[np.void]) -> str:
    """Of a tick (a board.RECORD) of the skill ``posture``: ``digit 3``, ``grip 0.50``, ``open``.

    A skill with other channels is named by its numbers.
    """
    values: Any = record["intention"][: int(record["channels"])]
    labels = [channel.label for channel in posture.CHANNELS]
    if len(values) != len(labels):
        return " ".join(f"{value:+.2f}" for value in values)
    names = list(posture.table().postures)
    number = round(float(values[-1])) if np.isfinite(values[-1]) else 0
    if 1 <= number <= len(names):
        return names[number - 1].replace("_", " ")
    moved = [
        f"{label.replace('_', ' ')} {value:.2f}"
        for label, value in zip(labels[:-1], values[:-1], strict=True)
        if value != 0.0
    ]
    return ", ".join(moved) or "open"
