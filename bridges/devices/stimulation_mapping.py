"""39 excitations to the widths of a stimulator's pulses.

What is stimulated is a person's own muscle, which has its own activation dynamics: so that it is
the allowed excitation that is mapped, and not the twin's activation.
"""

import numpy as np
from numpy.typing import NDArray

from bridges.devices.sciencemode_messages import MlUpdate
from bridges.devices.stimulation_calibration import Calibration
from bridges.devices.stimulation_limits import NARROWEST_US, StimulationLimits
from bridges.devices.stimulation_pools import FORCE_N, POOLS, pairs, pooled, weights

Array = NDArray[np.float64]


class StimulationMapping:
    """Pools, antagonists, recruitment curves, and a rise that is slow enough.

    Attributes:
        widths_us: of each calibrated channel, as last given out [us].
    """

    def __init__(self, calibration: Calibration, limits: StimulationLimits, outputs: int) -> None:
        self._calibration, self._limits = calibration, limits
        self._pools = POOLS[:outputs]
        self._share, self._against = weights(self._pools), pairs(self._pools)
        self.rest()

    def rest(self) -> None:
        """Begin from silence again."""
        self.widths_us = dict.fromkeys(self._calibration.channels, 0.0)

    def step(self, excitation: Array, dt_s: float) -> MlUpdate:
        """What the device should do from now on.

        A width rises by ``width_rise_us`` a pulse at most, and by no more than that at once.

        Args:
            excitation: (39,) 0-1.
            dt_s: since the last step [s].
        """
        asked = pooled(excitation, self._share, self._against, self._limits.together_max)
        for pool, activation in zip(self._pools, asked, strict=True):
            channel = self._calibration.channels.get(pool.name)
            if channel is None:
                continue
            before = self.widths_us[pool.name]
            wanted = channel.width_us(float(activation), at_work=before > 0.0)
            pulses = max(0.0, dt_s) * 1e3 / channel.period_ms
            rise = self._limits.width_rise_us
            given = before if before >= NARROWEST_US else 0.0  # what the device really gave
            self.widths_us[pool.name] = min(wanted, before + pulses * rise, given + rise)
        return self._calibration.update(self.widths_us)


def loses(calibration: Calibration, outputs: int) -> tuple[str, ...]:
    """What of the command can not be carried out, a sentence each."""
    pools = POOLS[:outputs]
    silent = [pool.name for pool in pools if pool.name not in calibration.channels]
    reached = sum(
        FORCE_N[muscle]
        for pool in pools
        if pool.name in calibration.channels
        for muscle in pool.muscles
    )
    share = 1.0 - reached / sum(FORCE_N.values())
    found = [
        f"39 muscles become {len(calibration.channels)} channels: the muscles of a channel, so "
        "single fingers, are not told apart",
        "of two antagonists only the difference is stimulated: stiffness is lost",
    ]
    if len(calibration.channels) < len(POOLS):
        found.append(f"{share:.0%} of the model's muscle force has no channel")
    if outputs < len(POOLS):
        found.append("no output for " + ", ".join(pool.name for pool in POOLS[outputs:]))
    if silent:
        found.append("not calibrated, so silent: " + ", ".join(silent))
    return tuple(found)
