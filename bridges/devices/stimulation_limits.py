"""What may leave for a stimulator, whoever made it: the last word before the wire.

The bounds below are built in; a looser value in a file is refused, not clipped. They are
judgement within the device's manual and IEC 60601-2-10 (at most 2 mA/cm2 rms needs no special
attention) and far below what the device itself can give (130 mA, 500 us, 65 uC a phase).
Unverified on a person.
"""

from collections.abc import Sequence
from math import sqrt
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from bridges.devices.sciencemode_messages import CHANNELS, MlUpdate, Point, Train

GAP_US: Final = 100  # without current between the two phases, as in the maker's examples
NARROWEST_US: Final = 10  # the device knows 0 and 10-4095
RAMP: Final = 3  # pulses until the full current, when a channel starts


class StimulationLimits(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Caps of every channel."""

    current_max_ma: Annotated[float, Meta(gt=0.0, le=25.0)] = 25.0
    """Of either phase [mA]."""
    width_max_us: Annotated[float, Meta(gt=0.0, le=300.0)] = 300.0
    """Of either phase [us]."""
    frequency_max_hz: Annotated[float, Meta(gt=0.0, le=50.0)] = 50.0
    """Pulses a second [Hz]."""
    charge_max_uc: Annotated[float, Meta(gt=0.0, le=8.0)] = 8.0
    """Of either phase [uC]."""
    density_max_ma_cm2: Annotated[float, Meta(gt=0.0, le=2.0)] = 2.0
    """Root mean square over a second, over the electrode's area [mA/cm2]."""
    width_rise_us: Annotated[float, Meta(gt=0.0, le=20.0)] = 20.0
    """From a pulse to the next [us]; a fall is not slowed: less is always allowed."""
    together_max: Annotated[float, Meta(ge=0.0, le=0.1)] = 0.1
    """Activation that the weaker of two antagonists may have, 0-1."""

    def refuse(self, update: MlUpdate, areas_cm2: Sequence[float]) -> str:
        """Why an update must not be sent; "" for one that may.

        Args:
            update: all eight channels.
            areas_cm2: (8,) of the smaller electrode of each channel; 0 for one in no use.
        """
        for channel in range(CHANNELS):
            train = update.trains[channel]
            why = "" if train is None else self._refuse(train, areas_cm2[channel])
            if why:
                return f"output {channel + 1}: {why}"
        return ""

    def _refuse(self, train: Train, area_cm2: float) -> str:
        if area_cm2 <= 0.0:
            return "it is in no use, yet it was to be stimulated"
        if train.period_ms <= 0.0:
            return "its period is 0"
        if train.ramp < RAMP:
            return f"ramp of {train.ramp} pulses, at least {RAMP} are needed"
        net_uc = sum(point.current_ma * point.width_us for point in train.points) / 1e3
        if net_uc != 0.0:  # halves times whole numbers: exact
            return f"net charge of {net_uc:g} uC a pulse: it has to be 0"
        for name, value, most in self._measures(train, area_cm2):
            if value > most:
                return f"{name} {value:g}, allowed are {most:g}"
        return ""

    def _measures(self, train: Train, area_cm2: float) -> list[tuple[str, float, float]]:
        flowing = [point for point in train.points if point.current_ma != 0.0]
        one_way = [point.current_ma * point.width_us for point in flowing if point.current_ma > 0]
        square = sum(point.current_ma**2 * point.width_us for point in flowing)
        density = sqrt(square / (train.period_ms * 1e3)) / area_cm2
        current = max((abs(point.current_ma) for point in flowing), default=0.0)
        width = max((point.width_us for point in flowing), default=0)
        return [
            ("current [mA]", current, self.current_max_ma),
            ("width [us]", width, self.width_max_us),
            ("frequency [Hz]", 1e3 / train.period_ms, self.frequency_max_hz),
            ("charge [uC]", sum(one_way) / 1e3, self.charge_max_uc),
            ("density [mA/cm2 rms]", density, self.density_max_ma_cm2),
        ]


def biphasic(width_us: int, current_ma: float, period_ms: float) -> Train:
    """A charge-balanced train: the same current both ways, for the same time."""
    points = (Point(width_us, current_ma), Point(GAP_US, 0.0), Point(width_us, -current_ma))
    return Train(period_ms, RAMP, points)
