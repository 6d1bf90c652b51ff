"""A person's calibration: what each channel takes to move something, and to move it fully.

It lives in the user's file, never in the code; ``myoloop calibrate`` writes it.
"""

from enum import StrEnum
from math import exp, log
from pathlib import Path
from typing import Annotated, Final

import msgspec
import yaml
from msgspec import Meta

from bridges.devices.sciencemode_messages import CHANNELS, MlUpdate, Train
from bridges.devices.stimulation_limits import NARROWEST_US, StimulationLimits, biphasic
from bridges.devices.stimulation_pools import POOLS
from controller.errors import HostError, SettingsError
from controller.settings import load

STEP_MA: Final = 0.5
STEP_MS: Final = 0.5  # what every device can do


class Curve(StrEnum):
    """How the share of recruited muscle grows with the pulse's width, both normalised."""

    EXPONENTIAL = "exponential"
    """1 - exp(-steepness * x), as in Ding 2007."""
    SIGMOID = "sigmoid"
    """A logistic function of that steepness round x = 1/2."""

    def width_for(self, share: float, steepness: float) -> float:
        """The normalised width that recruits this share, 0-1 both: 0 for 0 and 1 for 1."""
        if self is Curve.EXPONENTIAL:
            return -log(1.0 - share * (1.0 - exp(-steepness))) / steepness
        low, high = (1.0 / (1.0 + exp(end * steepness / 2.0)) for end in (1.0, -1.0))
        level = low + share * (high - low)
        return 0.5 + log(level / (1.0 - level)) / steepness


class Channel(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """What was found for one channel; current and frequency stay fixed, the width works."""

    output: Annotated[int, Meta(ge=1, le=CHANNELS)]
    """Socket of the device."""
    electrode_cm2: Annotated[float, Meta(gt=0.0, le=200.0)]
    """Area of the smaller electrode [cm2]."""
    current_ma: Annotated[float, Meta(gt=0.0)]
    """In steps of 0.5 [mA]."""
    frequency_hz: Annotated[float, Meta(ge=1.0)]
    """Pulses a second [Hz]."""
    threshold_us: Annotated[float, Meta(ge=NARROWEST_US)]
    """Width of the first visible contraction [us]."""
    saturation_us: Annotated[float, Meta(ge=NARROWEST_US)]
    """Width beyond which nothing is gained, or the widest that is well borne [us]."""
    curve: Curve = Curve.EXPONENTIAL
    steepness: Annotated[float, Meta(gt=0.0, le=20.0)] = 1.0
    dead_zone: Annotated[float, Meta(ge=0.01, le=0.5)] = 0.05
    """Activation below which it stays silent, 0-1; at work it falls silent at half of that."""

    @property
    def period_ms(self) -> float:
        """Between two pulses, rounded up to what every device can do [ms]."""
        return -(-1e3 / self.frequency_hz // STEP_MS) * STEP_MS

    def width_us(self, activation: float, at_work: bool = False) -> float:
        """Width for an activation of 0-1; 0 in the dead zone [us]."""
        if activation < self.dead_zone * (0.5 if at_work else 1.0):
            return 0.0
        found = self.curve.width_for(min(1.0, activation), self.steepness)
        return self.threshold_us + found * (self.saturation_us - self.threshold_us)

    def train(self, width_us: float) -> Train | None:
        """The pulses of this width, or silence where it is too narrow for the device."""
        whole = int(width_us)
        return biphasic(whole, self.current_ma, self.period_ms) if whole >= NARROWEST_US else None


class Calibration(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """A person, electrodes and a device, on one day."""

    device: Annotated[str, Meta(min_length=1, max_length=10)]
    """Serial number of the stimulator that it was made with; another one is refused."""
    made: str
    """When, by the clock of the computer."""
    channels: Annotated[dict[str, Channel], Meta(min_length=1)]
    """By name; a channel that is not here stays silent."""

    def update(self, widths_us: dict[str, float]) -> MlUpdate:
        """All eight channels; those that have no width are silent."""
        trains: list[Train | None] = [None] * CHANNELS
        for name, width_us in widths_us.items():
            channel = self.channels[name]
            trains[channel.output - 1] = channel.train(width_us)
        return MlUpdate(tuple(trains))

    @property
    def areas_cm2(self) -> tuple[float, ...]:
        """(8,) of the smaller electrode at each output; 0 where none is."""
        found = [0.0] * CHANNELS
        for channel in self.channels.values():
            found[channel.output - 1] = channel.electrode_cm2
        return tuple(found)


def load_calibration(path: Path, limits: StimulationLimits, outputs: int) -> Calibration:
    """Read a file, and hold each channel at its widest against the limits.

    Raises:
        SettingsError: names the file, the channel, the value and what is allowed.
    """
    found = load(path, Calibration)
    check_calibration(found, limits, outputs, str(path))
    return found


def check_calibration(
    found: Calibration, limits: StimulationLimits, outputs: int, origin: str
) -> None:
    """Hold each channel at its widest against the limits.

    Raises:
        SettingsError: names the origin, the channel, the value and what is allowed.
    """
    names = [pool.name for pool in POOLS[:outputs]]
    taken: dict[int, str] = {}
    for name, channel in found.channels.items():
        where = f"{origin}: channels.{name}"
        if name not in names:
            raise SettingsError(f"{where}: unknown channel; allowed: {', '.join(names)}")
        if channel.output > outputs:
            raise SettingsError(f"{where}.output: the device has {outputs} (is {channel.output})")
        if channel.output in taken:
            raise SettingsError(f"{where}.output: {channel.output} is {taken[channel.output]}'s")
        taken[channel.output] = name
        _check(channel, where)
    for name, channel in found.channels.items():
        why = limits.refuse(found.update({name: channel.saturation_us}), found.areas_cm2)
        if why:
            raise SettingsError(f"{origin}: channels.{name}: {why}")


def _check(channel: Channel, where: str) -> None:
    if channel.current_ma / STEP_MA != int(channel.current_ma / STEP_MA):
        raise SettingsError(f"{where}.current_ma: steps of {STEP_MA} (is {channel.current_ma})")
    if channel.saturation_us <= channel.threshold_us:
        raise SettingsError(
            f"{where}.saturation_us: has to be above threshold_us, {channel.threshold_us:g} "
            f"(is {channel.saturation_us:g})"
        )


def save_calibration(path: Path, calibration: Calibration) -> None:
    """Write the file, whole or not at all.

    Raises:
        HostError: it can't be written.
    """
    part = path.with_name(path.name + ".new")
    text = yaml.safe_dump(msgspec.to_builtins(calibration), sort_keys=False)
    try:
        part.write_text("# Written by `myoloop calibrate`; docs/stimulator.md.\n" + text)
        part.replace(path)
    except OSError as error:
        raise HostError(f"{path}: can't be written: {error.strerror}") from None
