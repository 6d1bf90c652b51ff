"""What a device reports, as an LSL stream: positions, currents, touch, errors."""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bridges.lsl_api import IRREGULAR, Outlet
from bridges.lsl_session import use_session

TYPE: Final = "Feedback"


class ReportStream:
    """An outlet of float32 samples, one for each report.

    Args:
        session: of the daemon, part of the stream's name.
        device: the follower's name.
        channels: label and unit of each channel.
        lsl_session: in which it can be found.
    """

    def __init__(
        self,
        session: str,
        device: str,
        channels: Sequence[tuple[str, str]],
        lsl_session: str,
    ) -> None:
        use_session(lsl_session)
        name = f"{session}-{device}"
        described = [{"label": label, "unit": unit, "type": TYPE} for label, unit in channels]
        self._outlet = Outlet(name, TYPE, name, IRREGULAR, described, {"schema_version": "1"})

    def push(self, reports: list[NDArray[np.float32]]) -> None:
        """Send each report, stamped now."""
        for report in reports:
            self._outlet.push(report.tolist(), 0.0)
