"""What a device reports, as an LSL stream: positions, currents, touch, errors."""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bridges.lsl_api import IRREGULAR, Outlet, Tree
from bridges.lsl_session import use_session

TYPE: Final = "Feedback"


class ReportStream:
    """An outlet of float32 samples, one for each report.

    Args:
        session: of the daemon, part of the stream's name.
        device: the follower's name.
        channels: label and unit of each channel.
        lsl_session: in which it can be found.
        timing: what is known of its times, below desc; see ``timing``.
    """

    def __init__(
        self,
        session: str,
        device: str,
        channels: Sequence[tuple[str, str]],
        lsl_session: str,
        timing: Tree,
    ) -> None:
        use_session(lsl_session)
        name = f"{session}-{device}"
        described = [{"label": label, "unit": unit, "type": TYPE} for label, unit in channels]
        extra = {"schema_version": "1", **timing}
        self._outlet = Outlet(name, TYPE, name, IRREGULAR, described, extra)

    def push(self, reports: list[NDArray[np.float32]]) -> None:
        """Send each report, stamped now."""
        for report in reports:
            self._outlet.push(report.tolist(), 0.0)


def timing(look_s: float, delays_s: Mapping[str, float]) -> Tree:
    """What is known of a device's times without measuring, as elements below desc.

    Args:
        look_s: how often its driver looks for reports [s]: a stamp is late by up to that. The way
            over the line and the device's own time come on top and are not known.
        delays_s: from an allowed command to its effect, by cause [s].
    """
    return {
        "synchronization": {
            "offset_mean": f"{look_s / 2:.4g}",
            "offset_5_centile": f"{0.05 * look_s:.4g}",
            "offset_95_centile": f"{0.95 * look_s:.4g}",
            "can_drop_samples": "true",
        },
        "command_delay": {
            "unit": "seconds",
            "basis": "computed from settings, not measured; the device's own is not in it",
            **{cause: f"{delay_s:.4g}" for cause, delay_s in delays_s.items()},
        },
    }
