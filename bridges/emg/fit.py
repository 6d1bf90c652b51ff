"""Fits a calibration to labelled recordings and judges it by repetitions that were left out."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from sklearn.covariance import ledoit_wolf
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import confusion_matrix, r2_score

from bridges.emg.calibration import (
    CLASSES,
    VERSION,
    Calibration,
    Classifier,
    Electrodes,
    Familiar,
    Levels,
    Scale,
    Speed,
    Verdict,
)
from bridges.emg.features import SHAPE, STRENGTH, extract, level_uv
from bridges.emg.prompts import FASTER, PROMPTS, TURN
from bridges.emg.windows import Windows
from controller.errors import MyoloopError
from controller.messages import Array, Flags

HOP_S: Final = 0.025  # between the windows that are learned from
RIDGE: Final = 1.0  # weight of the penalty, on standardised strengths
FAMILIAR_MARGIN: Final = 1.25  # over the 99th percentile of the repetitions left out
ACCURACY: Final = 0.90  # mean over the classes, of both classifiers
RECALL: Final = 0.80  # of each class
R2: Final = 0.60
SMALLEST_SPREAD: Final = 1e-6  # a feature that never changed


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
class Settings:
    """How the signal is cut; the same in the decoder."""

    electrodes: Electrodes
    band_hz: tuple[float, float]
    mains_hz: float
    window_ms: float

    def windows(self) -> Windows:
        """An empty chain."""
        return Windows(
            len(self.electrodes.labels),
            self.electrodes.rate_hz,
            self.window_ms,
            self.band_hz,
            self.mains_hz,
        )


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


def fit(trials: Sequence[Trial], settings: Settings) -> Calibration:
    """Fit every model to all trials; the verdict comes from leaving repetitions out.

    Raises:
        MyoloopError: a prompt is missing, or there are fewer than two repetitions.
    """
    _complete(trials)
    examples = gather(trials, settings)
    verdict, left_out = validate(examples)
    models = _fit(examples)
    known = _Known(models, examples)
    return Calibration(
        version=VERSION,
        made=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        electrodes=settings.electrodes,
        band_hz=settings.band_hz,
        mains_hz=settings.mains_hz,
        window_ms=settings.window_ms,
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


def _complete(trials: Sequence[Trial]) -> None:
    repetitions = {trial.repetition for trial in trials}
    if len(repetitions) < 2:
        raise MyoloopError(f"{len(repetitions)} repetitions: cross-validation needs 2 or more")
    for repetition in repetitions:
        there = {trial.prompt for trial in trials if trial.repetition == repetition}
        if missing := [prompt for prompt in PROMPTS if prompt not in there]:
            raise MyoloopError(f"repetition {repetition + 1} lacks {missing[0]!r}")


def gather(trials: Sequence[Trial], settings: Settings) -> Examples:
    """Cut every trial into windows."""
    hop = max(1, round(HOP_S * settings.electrodes.rate_hz))
    found: list[tuple[Any, ...]] = []
    for trial in trials:
        label, rotation = PROMPTS[trial.prompt]
        windows = settings.windows()
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
    found: dict[str, list[Array]] = {"lda": [], "logistic": [], "ridge": []}
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
    label = np.concatenate(labels)
    confusion = {
        name: confusion_matrix(
            label, np.concatenate(found[name]), labels=range(len(CLASSES))
        ).tolist()
        for name in ("lda", "logistic")
    }
    r2 = float(r2_score(np.concatenate(rotations), np.concatenate(found["ridge"])))
    return judge(confusion, r2), np.concatenate(distances)


def judge(confusion: dict[str, list[list[int]]], r2: float) -> Verdict:
    """Whether it is good enough to steer a hand with, and if not, why."""
    accuracy, reasons = {}, []
    for name, matrix in confusion.items():
        counts = np.array(matrix)
        recall = counts.diagonal() / np.maximum(counts.sum(axis=1), 1)
        accuracy[name] = round(float(recall.mean()), 4)
        if accuracy[name] < ACCURACY:
            reasons.append(f"{name}: accuracy {accuracy[name]:.0%}, below {ACCURACY:.0%}")
        reasons += [
            f"{name}: only {share:.0%} of {label!r} is recognised, {RECALL:.0%} are needed"
            for label, share in zip(CLASSES, recall, strict=True)
            if share < RECALL
        ]
    if r2 < R2:
        reasons.append(f"ridge: R² {r2:.2f}, below {R2:.2f}")
    return Verdict(
        confusion=confusion,
        accuracy=accuracy,
        r2=round(r2, 4),
        good_enough=not reasons,
        reasons=reasons,
    )


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
