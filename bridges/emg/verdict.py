"""Whether a calibration is good enough to steer a hand with, why not, and what helps."""

from typing import Final

import numpy as np

from bridges.emg.calibration import CLASSES, Model, Verdict
from controller.messages import Array

ACCURACY: Final = 0.90  # mean over the classes
RECALL: Final = 0.80  # of each class
R2: Final = 0.60

APART: Final = (
    "turn left and right by movements that differ more, such as bending the wrist back and "
    "forward, with an electrode over each muscle that hardens"
)
HELP: Final = {
    "rest": "let the hand lie, quite loose, while it asks for rest",
    "left": APART,
    "right": APART,
    "speed": "work clearly harder while it asks for a faster turn, and evenly",
}


def judge(confusion: dict[Model, list[list[int]]], r2: float) -> Verdict:
    """The verdict on what cross-validation found.

    Args:
        confusion: by classifier, windows, (true class, found class).
        r2: of the regression.
    """
    accuracy: dict[Model, float] = {}
    reasons: dict[Model, list[str]] = {}
    for model, matrix in confusion.items():
        counts = np.array(matrix)
        recall = counts.diagonal() / np.maximum(counts.sum(axis=1), 1)
        accuracy[model] = round(float(recall.mean()), 4)
        reasons[model] = _doubts(recall)
    speed = f"R² {r2:.2f} of the rotation, {R2:.2f} is needed: {HELP['speed']}"
    # it is only as sure of its side as lda is
    reasons["ridge"] = [*([] if r2 >= R2 else [speed]), *reasons["lda"]]
    return Verdict(confusion=confusion, accuracy=accuracy, r2=round(r2, 4), reasons=reasons)


def _doubts(recall: Array) -> list[str]:
    """What speaks against a classifier that recognises such shares of the classes."""
    missed = [
        f"only {share:.0%} of {label!r} is recognised, {RECALL:.0%} is needed: {HELP[label]}"
        for label, share in zip(CLASSES, recall, strict=True)
        if share < RECALL
    ]
    if missed or recall.mean() >= ACCURACY:
        return missed
    return [f"only {recall.mean():.0%} is recognised, {ACCURACY:.0%} is needed: {APART}"]
