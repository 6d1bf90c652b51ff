"""``configs/emg.yaml``: from which stream, how it is cut, which model, who engages."""

from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from bridges.emg.calibration import Model
from controller.errors import SettingsError
from controller.settings import load

Name = Annotated[str, Meta(min_length=1)]


class EmgStream(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """The amplifier's stream; its labels, units and rate are those of the calibration."""

    source_id: Name
    """The amplifier's own identity, the same after a restart."""
    name: Name = "myoloop-emg"
    """Name of the stream; its type is always EMG."""
    wait_s: Annotated[float, Meta(ge=0.5, le=120.0)] = 10.0
    """How long the start waits for it."""
    gap_ms: Annotated[float, Meta(ge=1.0, le=200.0)] = 20.0
    """A jump of the stamps that means lost samples; more for a driver that stamps by arrival."""


class Pedal(
    msgspec.Struct,
    tag_field="use",
    tag="stream",
    forbid_unknown_fields=True,
    frozen=True,
    kw_only=True,
):
    """A switch or pedal with a stream of its own: one float32 channel ``engage``, 0-1."""

    source_id: Name
    name: Name = "myoloop-pedal"
    rate_hz: Annotated[float, Meta(ge=10.0, le=1000.0)] = 100.0
    """It repeats its state at this rate; what is older than 0.2 s counts as let go."""


class CoContraction(
    msgspec.Struct,
    tag_field="use",
    tag="co-contraction",
    forbid_unknown_fields=True,
    frozen=True,
    kw_only=True,
):
    """Both sides at once, held: engages, and again lets go. Weaker than a held pedal."""

    strength: Annotated[float, Meta(ge=0.2, le=2.0)] = 0.6
    """Of each side, as a share of a comfortable turn."""
    hold_ms: Annotated[float, Meta(ge=100.0, le=3000.0)] = 500.0
    """How long it has to be held."""


class Intention(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """The stream that the daemon reads."""

    source_id: Name = "myoloop-intention-1"


class EmgSettings(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Everything that ``decode`` and ``calibrate-emg`` need to know."""

    emg: EmgStream
    engage: Pedal | CoContraction
    calibration: Name
    """File that calibrate-emg writes; a relative path is beside this file."""
    model: Model = "lda"
    """lda or logistic: hold, left, right, speed by strength; ridge: speed by regression."""
    intention: Intention = Intention()
    session: Name = "default"
    """LSL session of all streams."""
    mains_hz: Literal[50, 60] = 50
    band_hz: tuple[float, float] = (20.0, 450.0)
    """Of the band-pass; the upper edge gives way to a low sampling rate."""
    window_ms: Annotated[float, Meta(ge=50.0, le=500.0)] = 100.0
    confidence: Annotated[float, Meta(ge=0.4, le=0.999)] = 0.8
    """Less is unsure: hold."""
    debounce_ms: Annotated[float, Meta(ge=0.0, le=500.0)] = 20.0
    """A turn has to be seen for so long before it begins; rest counts at once."""


def load_emg(path: Path) -> EmgSettings:
    """Read a file; a relative calibration is put beside it.

    Raises:
        SettingsError: names the key, the value and what is allowed.
    """
    settings = load(path, EmgSettings)
    low, high = settings.band_hz
    if not 5.0 <= low < high:
        raise SettingsError(f"{path}: band_hz: {low:g} to {high:g}; allowed: 5 <= low < high")
    return msgspec.structs.replace(settings, calibration=str(path.parent / settings.calibration))
