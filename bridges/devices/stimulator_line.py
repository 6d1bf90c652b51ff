"""A stimulator on its port, for one person at a keyboard: stopped however this is left."""

import time
from contextlib import suppress
from types import TracebackType
from typing import Final, Self

from bridges.devices.port import Port
from bridges.devices.sciencemode import BAUD, Stimulator
from bridges.devices.stimulation_calibration import Calibration
from bridges.devices.stimulation_limits import StimulationLimits
from controller.errors import HostError

LOOK_S: Final = 0.005
ASK_S: Final = 0.1
SILENT_S: Final = 0.25  # without a word the device is gone
STOP_AGAIN_S: Final = 0.1
STOPS: Final = 5


class Line:
    """An open port with a device that may become any.

    Raises:
        HostError: the port can't be opened.
    """

    def __init__(self, path: str, outputs: int) -> None:
        self.device = Stimulator(None, outputs, StimulationLimits())
        self._port = Port(path, BAUD, two_stop_bits=True, flow_control=True)
        self._asked_s = 0.0

    def __enter__(self) -> Self:
        return self

    def meet(self) -> str:
        """Stop it and ask who it is; its serial number.

        Raises:
            HostError: it is silent, or not what it should be.
        """
        self._port.read()  # what stood in its buffer is nobody's answer
        self._port.write(self.device.greet())
        self.device.heard_s = time.monotonic()
        while not self.device.identified or not self.device.stopped:
            self.listen()
            time.sleep(LOOK_S)
        assert self.device.name is not None  # it is identified
        return self.device.name

    def listen(self) -> float:
        """Hear what it says; the time [s].

        Raises:
            HostError: it is silent or in trouble.
        """
        now_s = time.monotonic()
        self.device.hear(self._port.read(), now_s)
        if self.device.trouble:
            raise HostError(self.device.trouble)
        if now_s - self.device.heard_s > SILENT_S:
            raise HostError(f"the device was silent for {SILENT_S * 1e3:.0f} ms")
        return now_s

    def rest(self, now_s: float) -> None:
        """Ask at times whether it is there, which keeps nothing alive."""
        if now_s - self._asked_s >= ASK_S:
            self._asked_s = now_s
            self._port.write(self.device.ask())

    def give(self, calibration: Calibration, width_us: float, now_s: float) -> None:
        """Pulses of this width from now on, on its one channel."""
        said = self.device.ready(now_s)
        if said is None:
            update = calibration.update(dict.fromkeys(calibration.channels, width_us))
            said = self.device.pulse(update, calibration.areas_cm2, now_s)
        self._port.write(said)

    def stop(self, emergency: bool) -> bool:
        """Stop it; whether it said that it did."""
        for _ in range(STOPS):
            self._port.write(self.device.stop(emergency) + self.device.ask())
            until_s = time.monotonic() + STOP_AGAIN_S
            while time.monotonic() < until_s:
                self.device.hear(self._port.read(), time.monotonic())
                if self.device.stopped:
                    return True
                time.sleep(LOOK_S)
        return False

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        sure = False
        with suppress(OSError):  # it was unplugged
            sure = self.stop(emergency=True)
        self._port.close()
        if not sure and self.device.identified:
            first = f"{error}; " if error else ""
            raise HostError(f"{first}its stop was not confirmed: take the electrodes off")
