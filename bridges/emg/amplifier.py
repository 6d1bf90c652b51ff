"""An EMG stream for simulated subjects and tests: what an amplifier's own program sends."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from bridges.emg.simulated import LABELS, RATE_HZ
from bridges.lsl_api import Outlet
from bridges.lsl_session import use_session
from controller.messages import Array

NAME: Final = "myoloop-emg"
TYPE: Final = "EMG"
UNIT: Final = "microvolts"


class EmgOutlet:
    """An EMG stream that other processes can find, described as in the XDF specification."""

    def __init__(
        self,
        source_id: str,
        session: str = "default",
        name: str = NAME,
        labels: Sequence[str] = LABELS,
        unit: str = UNIT,
        rate_hz: float = RATE_HZ,
    ) -> None:
        use_session(session)
        described = [{"label": label, "unit": unit, "type": TYPE} for label in labels]
        self._outlet: Outlet | None = Outlet(name, TYPE, source_id, rate_hz, described, {})

    def push(self, rows: Array, stamps_s: Array) -> None:
        """Send samples, (n, channels), with the stamp of each [s], (n,)."""
        if self._outlet and len(rows):
            self._outlet.push_rows(rows.astype(np.float32), stamps_s)

    def wait_for_reader(self, timeout_s: float) -> bool:
        """Block until somebody reads, at most this long; whether somebody does."""
        return self._outlet is not None and self._outlet.wait_for_reader(timeout_s)

    def close(self) -> None:
        """Take the stream off the network, in a process that goes on; its end does so anyway."""
        if self._outlet:
            self._outlet.close()
        self._outlet = None
