"""What a window means, from the plain numbers of a calibration; swapping one is one word."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from bridges.emg.calibration import CLASSES, Calibration, Classifier, Model, Scale
from bridges.emg.features import extract, level_uv
from bridges.emg.prompts import FASTER, TURN
from controller.messages import Array

STILL: Final = 0.25 * TURN  # a regressed rotation below this is noise round rest
SIGNS: Final = {"rest": 0.0, "left": 1.0, "right": -1.0}


@dataclass(frozen=True, slots=True)
class Reading:
    """What one window says, before anybody asks whether to believe it.

    Attributes:
        rotation: wished, as the skill's channel.
        confidence: 0-1, of its direction.
        distance: from what was seen in the calibration, as a share of what is trusted.
        resting: whether the muscles are at rest, whatever the model says.
    """

    rotation: float
    confidence: float
    distance: float
    resting: bool


class Reader:
    """Reads windows by one of the calibration's models."""

    def __init__(self, calibration: Calibration, model: Model) -> None:
        self._calibration = calibration
        ways: dict[Model, Callable[[Array, Array, float], tuple[float, float]]] = {
            "lda": self._classify,
            "logistic": self._classify,
            "ridge": self._regress,
        }
        self._way = ways[model]
        self._shape, self._strength = (
            _Standard(calibration.shape_scale),
            _Standard(calibration.strength_scale),
        )
        chosen = calibration.logistic if model == "logistic" else calibration.lda
        self._classifier = _Scores(chosen)
        self._speed = np.array(calibration.ridge.weights)
        self._centres = np.array(calibration.familiar.centres)
        self._precision = np.array(calibration.familiar.precision)

    def read(self, window: Array) -> Reading:
        """What a window of filtered EMG [uV], (size, channels), says."""
        level = level_uv(window)
        shape = self._shape(extract(window, self._calibration.shape))
        rotation, confidence = self._way(window, shape, level)
        return Reading(
            rotation=rotation,
            confidence=confidence,
            distance=self._distance(shape) / self._calibration.familiar.limit,
            resting=level < self._calibration.levels.rest,
        )

    def _classify(self, window: Array, shape: Array, level: float) -> tuple[float, float]:
        """Direction by the classifier, speed by the strength of the whole."""
        chances = self._classifier(shape)
        best = int(chances.argmax())
        name = CLASSES[best]
        return SIGNS[name] * self._speed_at(name, level), float(chances[best])

    def _speed_at(self, side: str, level: float) -> float:
        if side == "rest":
            return 0.0
        levels = self._calibration.levels
        known = (levels.rest, levels.turn[side], levels.faster[side])
        return float(np.interp(level, known, (0.0, TURN, FASTER)))

    def _regress(self, window: Array, shape: Array, level: float) -> tuple[float, float]:
        """Rotation by the regression; as sure of its side as the classifier is."""
        strength = self._strength(extract(window, self._calibration.strength))
        rotation = float(self._speed @ strength) + self._calibration.ridge.bias
        rotation = float(np.clip(rotation, -FASTER, FASTER))
        if abs(rotation) < STILL:
            return 0.0, 1.0
        side = CLASSES.index("left" if rotation > 0 else "right")
        return rotation, float(self._classifier(shape)[side])

    def _distance(self, shape: Array) -> float:
        apart = self._centres - shape  # (patterns, features)
        squared: Array = np.einsum("pf,fg,pg->p", apart, self._precision, apart)
        return float(squared.min())


class _Standard:
    def __init__(self, scale: Scale) -> None:
        self._mean, self._spread = np.array(scale.mean), np.array(scale.spread)

    def __call__(self, features: Array) -> Array:
        standard: Array = (features - self._mean) / self._spread
        return standard


class _Scores:
    """Class probabilities, (classes,), of standardised features."""

    def __init__(self, classifier: Classifier) -> None:
        self._weights, self._biases = np.array(classifier.weights), np.array(classifier.biases)

    def __call__(self, shape: Array) -> Array:
        scores = self._weights @ shape + self._biases
        shares = np.exp(scores - scores.max())
        chances: Array = shares / shares.sum()
        return chances
