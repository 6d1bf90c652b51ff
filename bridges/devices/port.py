"""A serial port: held by this process alone, never waited for."""

import errno
import os
from typing import Final

import serial

from controller.errors import HostError

CHUNK: Final = 4096


class Port:
    """An open port.

    Args:
        path: such as /dev/serial/by-id/...
        baud: rate.
        two_stop_bits: 8N2 instead of 8N1.
        flow_control: RTS/CTS.

    Raises:
        HostError: it is not there, is held by somebody else, or is no port.
    """

    def __init__(
        self, path: str, baud: int, two_stop_bits: bool = False, flow_control: bool = False
    ) -> None:
        try:
            self._serial = serial.Serial(
                path,
                baud,
                timeout=0,
                stopbits=serial.STOPBITS_TWO if two_stop_bits else serial.STOPBITS_ONE,
                rtscts=flow_control,
                exclusive=True,  # a lock: a second driver is refused
            )
        except (OSError, ValueError) as error:  # SerialException is an OSError
            raise HostError(f"{path}: can't be opened: {_why(error)}") from None
        self._fd = self._serial.fileno()
        os.set_blocking(self._fd, False)

    def read(self) -> bytes:
        """What has arrived.

        Raises:
            OSError: it was unplugged.
        """
        try:
            found = os.read(self._fd, CHUNK)
        except BlockingIOError:
            return b""
        return found

    def write(self, data: bytes) -> None:
        """Hand over all of it.

        Raises:
            OSError: it was unplugged, or its buffer is full: the device takes nothing.
        """
        if os.write(self._fd, data) != len(data):
            raise BlockingIOError("its buffer is full")

    def close(self) -> None:
        """Let it go."""
        self._serial.close()


def _why(error: OSError | ValueError) -> str:
    number = getattr(error, "errno", None)
    if number == errno.EAGAIN:
        return "another process holds it"
    return os.strerror(number) if number else str(error)
