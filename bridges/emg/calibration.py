"""The calibration file: plain numbers in JSON, for one subject and one set of electrodes."""

from pathlib import Path
from typing import Annotated, Any, Final, Literal, get_args

import msgspec
import numpy as np
from msgspec import Meta

from controller.errors import ContractError, SettingsError

VERSION: Final = 2
CLASSES: Final = ("rest", "left", "right")
Model = Literal["lda", "logistic", "ridge"]
MODELS: Final[tuple[Model, ...]] = get_args(Model)
Rows = list[list[float]]

TO_MICROVOLTS: Final = {
    "microvolts": 1.0,
    "microvolt": 1.0,
    "uV": 1.0,
    "µV": 1.0,
    "millivolts": 1e3,
    "millivolt": 1e3,
    "mV": 1e3,
    "volts": 1e6,
    "volt": 1e6,
    "V": 1e6,
}
"""The units that a stream may announce."""


class Electrodes(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """What an EMG stream says of its channels; a calibration holds for no other."""

    labels: tuple[str, ...]
    units: tuple[str, ...]
    rate_hz: Annotated[float, Meta(ge=200.0, le=10_000.0)]


class Cut(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """How a stream becomes windows; the same in calibration and decoder."""

    electrodes: Electrodes
    band_hz: tuple[float, float]
    mains_hz: float
    window_ms: float


class Classifier(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Linear scores of the classes from standardised features."""

    weights: Rows
    """(classes, features)"""
    biases: list[float]
    """(classes,)"""


class Speed(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Rotation from standardised strengths, by ridge regression."""

    weights: list[float]
    bias: float


class Scale(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """How features are standardised."""

    mean: list[float]
    spread: list[float]


class Familiar(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """What was seen in the calibration: what is far from all of it is not trusted."""

    centres: Rows
    """(patterns, features), of the standardised features of each prompt"""
    precision: Rows
    """(features, features), inverse of their common covariance"""
    limit: float
    """largest squared Mahalanobis distance that is trusted"""


class Levels(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Mean rectified EMG over all channels [uV]."""

    rest: float
    """below this it is rest, whatever a model says"""
    turn: dict[str, float]
    """of a comfortable turn, by class"""
    faster: dict[str, float]
    """of a faster turn, by class"""


class Verdict(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """What cross-validation found; each repetition was once left out of the fit."""

    confusion: dict[Model, list[list[int]]]
    """by classifier: windows, (true class, found class)"""
    accuracy: dict[Model, float]
    """by classifier, mean over the classes"""
    r2: float
    """of the regression"""
    reasons: dict[Model, list[str]]
    """by model, why it is not good enough and what helps; empty for one that is"""

    def good_enough(self, model: Model) -> bool:
        """Whether this model may steer a hand."""
        return not self.reasons[model]


class Calibration(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Everything that the decoder needs of a person; every model, so that one line swaps it."""

    version: int
    made: str
    """UTC"""
    cut: Cut
    shape: tuple[str, ...]
    """features of the classifiers"""
    shape_scale: Scale
    strength: tuple[str, ...]
    """features of the regression"""
    strength_scale: Scale
    lda: Classifier
    logistic: Classifier
    ridge: Speed
    familiar: Familiar
    levels: Levels
    patterns: dict[str, list[float]]
    """mean rectified EMG of each channel in a comfortable turn [uV], by class"""
    verdict: Verdict


def save(calibration: Calibration, path: Path) -> None:
    """Write the file; the old one stays until the new one is whole.

    Raises:
        SettingsError: it can't be written.
    """
    text = msgspec.json.format(msgspec.json.encode(calibration), indent=1)
    unfinished = path.with_name(path.name + ".part")
    try:
        unfinished.write_bytes(text + b"\n")
        unfinished.replace(path)
    except OSError as error:
        raise SettingsError(f"{path}: can't be written: {error.strerror}") from None


def load(path: Path) -> Calibration:
    """Read a calibration file.

    Raises:
        SettingsError: it is missing, no calibration, of another version, or inconsistent.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise SettingsError(
            f"{path}: can't be read: {error.strerror}; 'myoloop calibrate-emg' makes one"
        ) from None
    try:
        version = msgspec.json.decode(content, type=_Version).version
        if version != VERSION:
            raise SettingsError(
                f"{path}: calibration version {version}, this myoloop reads {VERSION}: calibrate "
                "again"
            )
        found = msgspec.json.decode(content, type=Calibration)
    except msgspec.MsgspecError as error:
        raise SettingsError(f"{path}: not a calibration: {error}") from None
    _check(found, str(path))
    return found


class _Version(msgspec.Struct):
    version: int


def _check(calibration: Calibration, origin: str) -> None:
    """Sizes fit each other and every number is finite."""
    channels = len(calibration.cut.electrodes.labels)
    shape, strength = len(calibration.shape) * channels, len(calibration.strength) * channels
    wanted = {
        "cut.electrodes.units": ((channels,), calibration.cut.electrodes.units),
        "shape_scale.mean": ((shape,), calibration.shape_scale.mean),
        "shape_scale.spread": ((shape,), calibration.shape_scale.spread),
        "strength_scale.mean": ((strength,), calibration.strength_scale.mean),
        "strength_scale.spread": ((strength,), calibration.strength_scale.spread),
        "lda.weights": ((len(CLASSES), shape), calibration.lda.weights),
        "lda.biases": ((len(CLASSES),), calibration.lda.biases),
        "logistic.weights": ((len(CLASSES), shape), calibration.logistic.weights),
        "logistic.biases": ((len(CLASSES),), calibration.logistic.biases),
        "ridge.weights": ((strength,), calibration.ridge.weights),
        "familiar.precision": ((shape, shape), calibration.familiar.precision),
    }
    for key, (size, value) in wanted.items():
        if _shape_of(value) != size:
            raise SettingsError(f"{origin}: {key}: {_shape_of(value)} numbers instead of {size}")
    centres = _shape_of(calibration.familiar.centres)
    if len(centres) != 2 or centres[1] != shape:
        raise SettingsError(f"{origin}: familiar.centres: {centres} instead of (n, {shape})")
    for model in MODELS:
        if model not in calibration.verdict.reasons:
            raise SettingsError(f"{origin}: verdict.reasons: lacks {model!r}")
    for side in CLASSES[1:]:
        if len(calibration.patterns.get(side, ())) != channels:
            raise SettingsError(f"{origin}: patterns.{side}: {channels} numbers are needed")
        for key in ("turn", "faster"):
            if side not in getattr(calibration.levels, key):
                raise SettingsError(f"{origin}: levels.{key}: lacks {side!r}")


def _shape_of(value: Any) -> tuple[int, ...]:
    try:
        return tuple(np.shape(value))
    except ValueError:
        return ()  # rows of different lengths


def refuse_other(calibrated: Electrodes, found: Electrodes, origin: str) -> None:
    """Refuse electrodes that differ from those of the calibration.

    Raises:
        ContractError: names what differs.
    """
    for what in ("labels", "units", "rate_hz"):
        was, now = getattr(calibrated, what), getattr(found, what)
        if was != now:
            raise ContractError(
                f"{origin}: made with {what} {_words(was)}, the stream has {_words(now)}: "
                "calibrate again"
            )


def _words(value: object) -> str:
    return "/".join(map(str, value)) if isinstance(value, tuple) else f"{value:g}"


def microvolts(electrodes: Electrodes) -> list[float]:
    """What each channel is multiplied by to be in microvolts, (channels,).

    Raises:
        ContractError: a unit is unknown.
    """
    for label, unit in zip(electrodes.labels, electrodes.units, strict=True):
        if unit not in TO_MICROVOLTS:
            raise ContractError(
                f"channel {label!r}: unit {unit!r}; allowed: {', '.join(TO_MICROVOLTS)}"
            )
    return [TO_MICROVOLTS[unit] for unit in electrodes.units]
