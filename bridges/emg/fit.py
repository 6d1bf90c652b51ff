"""Fits a calibration to labelled recordings and judges it by repetitions that were left out."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from sklearn.covariance import ledoit_wolf
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import confusion_matrix, r2_score

from bridges.emg.calibration import (
    CLASSES,
    MODELS,
    VERSION,
    Calibration,
    Classifier,
    Cut,
    Familiar,
    Levels,
    Model,
    Scale,
    Speed,
    Verdict,
)
from bridges.emg.examples import Examples, Trial, gather
from bridges.emg.features import SHAPE, STRENGTH
from bridges.emg.prompts import FASTER, TURN
from bridges.emg.verdict import judge
from controller.messages import Array, Flags

RIDGE: Final = 1.0  # weight of the penalty, on standardised strengths
FAMILIAR_MARGIN: Final = 1.25  # over the 99th percentile of the repetitions left out
SMALLEST_SPREAD: Final = 1e-6  # a feature that never changed


def fit(trials: Sequence[Trial], cut: Cut) -> Calibration:
    """Fit every model to all trials; the verdict comes from leaving repetitions out.

    Raises:
        MyoloopError: the trials are too few or too short.
    """
    examples = gather(trials, cut)
    verdict, left_out = validate(examples)
    models = _fit(examples)
    known = _Known(models, examples)
    return Calibration(
        version=VERSION,
        made=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        cut=cut,
        shape=SHAPE,
        shape_scale=_scale(models.shape_mean, models.shape_spread),
        strength=STRENGTH,
        strength_scale=_scale(models.strength_mean, models.strength_spread),
        lda=_classifier(models.lda),
        logistic=_classifier(models.logistic),
        ridge=Speed(weights=models.ridge.coef_.tolist(), bias=float(models.ridge.intercept_)),
        familiar=Familiar(
            centres=known.centres.tolist(),
            precision=known.precision.tolist(),
            limit=float(np.percentile(left_out, 99) * FAMILIAR_MARGIN),
        ),
        levels=_levels(examples),
        patterns=_patterns(examples),
        verdict=verdict,
    )


@dataclass(frozen=True, slots=True)
class _Models:
    shape_mean: Array
    shape_spread: Array
    strength_mean: Array
    strength_spread: Array
    lda: Any
    logistic: Any
    ridge: Any

    def shape(self, examples: Examples) -> Array:
        standard: Array = (examples.shape - self.shape_mean) / self.shape_spread
        return standard

    def strength(self, examples: Examples) -> Array:
        standard: Array = (examples.strength - self.strength_mean) / self.strength_spread
        return standard


def _fit(examples: Examples) -> _Models:
    shape_mean, shape_spread = _standard(examples.shape)
    strength_mean, strength_spread = _standard(examples.strength)
    shape = (examples.shape - shape_mean) / shape_spread
    strength = (examples.strength - strength_mean) / strength_spread
    even = [1 / len(CLASSES)] * len(CLASSES)  # nobody rests, or turns, more than else
    lda = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto", priors=even)
    logistic = LogisticRegression(C=0.1, class_weight="balanced", max_iter=500)
    return _Models(
        shape_mean,
        shape_spread,
        strength_mean,
        strength_spread,
        lda.fit(shape, examples.label),
        logistic.fit(shape, examples.label),
        Ridge(alpha=RIDGE).fit(strength, examples.rotation),
    )


def _standard(features: Array) -> tuple[Array, Array]:
    return features.mean(axis=0), np.maximum(features.std(axis=0), SMALLEST_SPREAD)


def validate(examples: Examples) -> tuple[Verdict, Array]:
    """Leave each repetition out once: windows of one contraction never stand on both sides.

    Returns:
        The verdict, and how far the windows left out are from what the others show, (n,).
    """
    distances: list[Array] = []
    found: dict[Model, list[Array]] = {model: [] for model in MODELS}
    labels, rotations = [], []
    for repetition in np.unique(examples.repetition):
        out = examples.repetition == repetition
        models, left_out = _fit(examples.where(~out)), examples.where(out)
        shape, strength = models.shape(left_out), models.strength(left_out)
        found["lda"].append(models.lda.predict(shape))
        found["logistic"].append(models.logistic.predict(shape))
        found["ridge"].append(models.ridge.predict(strength))
        distances.append(_Known(models, examples.where(~out)).distances(left_out))
        labels.append(left_out.label)
        rotations.append(left_out.rotation)
    joined = {model: np.concatenate(parts) for model, parts in found.items()}
    r2 = float(r2_score(np.concatenate(rotations), joined.pop("ridge")))
    label = np.concatenate(labels)
    confusion = {
        model: confusion_matrix(label, guessed, labels=range(len(CLASSES))).tolist()
        for model, guessed in joined.items()
    }
    return judge(confusion, r2), np.concatenate(distances)


def _scale(mean: Array, spread: Array) -> Scale:
    return Scale(mean=mean.tolist(), spread=spread.tolist())


def _classifier(model: Any) -> Classifier:
    return Classifier(weights=model.coef_.tolist(), biases=model.intercept_.tolist())


class _Known:
    """The middle of each prompt, and how windows scatter round it."""

    def __init__(self, models: _Models, examples: Examples) -> None:
        self._models = models
        shape, prompts = models.shape(examples), np.unique(examples.prompt)
        self.centres = np.array([shape[examples.prompt == k].mean(axis=0) for k in prompts])
        apart = shape - self.centres[np.searchsorted(prompts, examples.prompt)]
        covariance, _ = ledoit_wolf(apart)
        self.precision: Array = np.linalg.inv(covariance)

    def distances(self, examples: Examples) -> Array:
        """Squared Mahalanobis distance of each window from the nearest middle, (n,)."""
        apart = self._models.shape(examples)[:, None] - self.centres  # (n, prompts, features)
        squared: Array = np.einsum("npf,fg,npg->np", apart, self.precision, apart)
        nearest: Array = squared.min(axis=1)
        return nearest


def _levels(examples: Examples) -> Levels:
    """Rest ends between the loudest rest and the faintest turn, at their geometric mean."""
    loudest_rest = np.percentile(examples.level[examples.label == 0], 99)
    faintest_turn = np.percentile(examples.level[examples.label != 0], 1)
    turn, faster = (
        {
            side: float(np.median(examples.level[_asked(examples, side, speed)]))
            for side in CLASSES[1:]
        }
        for speed in (TURN, FASTER)
    )
    return Levels(rest=float(np.sqrt(loudest_rest * faintest_turn)), turn=turn, faster=faster)


def _patterns(examples: Examples) -> dict[str, list[float]]:
    channels = examples.strength.shape[1] // len(STRENGTH)
    return {
        side: examples.strength[_asked(examples, side, TURN), :channels].mean(axis=0).tolist()
        for side in CLASSES[1:]
    }


def _asked(examples: Examples, side: str, speed: float) -> Flags:
    chosen: Flags = (examples.label == CLASSES.index(side)) & (np.abs(examples.rotation) == speed)
    return chosen
