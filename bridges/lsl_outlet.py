"""The sending side of an intention stream: for the simulated source, tests and examples."""

from collections.abc import Sequence
from typing import Final

from bridges.lsl_api import Outlet
from bridges.lsl_match import ENGAGE, NAME, RATE_HZ, TYPE
from bridges.lsl_session import use_session
from controller.errors import StreamError
from controller.skills.skill import Channel

SCHEMA_VERSION: Final = "1"  # of the description below desc/, see docs/intention.md


class IntentionOutlet:
    """An intention stream that other processes can find.

    Args:
        channels: of the skill; ``engage`` is added.
        source_id: stable over restarts and unique on the network.
        session: LSL session, one for the whole process.
        name: of the stream.
        rate_hz: the announced rate; keeping it is the caller's.
    """

    def __init__(
        self,
        channels: Sequence[Channel],
        source_id: str,
        session: str = "default",
        name: str = NAME,
        rate_hz: float = RATE_HZ,
    ) -> None:
        use_session(session)
        self._outlet: Outlet | None = Outlet(
            name,
            TYPE,
            source_id,
            rate_hz,
            [_elements(channel) for channel in (*channels, ENGAGE)],
            {"schema_version": SCHEMA_VERSION},
        )
        if self._outlet.session != session:
            raise StreamError(
                f"LSL session {session!r}: liblsl was already in use in this process, "
                f"in the session {self._outlet.session!r}"
            )

    def push(self, values: Sequence[float], engage: float, stamp: float | None = None) -> None:
        """Send one sample.

        Args:
            values: (channels,) in the order of the skill's channels.
            engage: the dead-man, 0-1.
            stamp: when the sample was made, on LSL's local clock [s]; now by default.
        """
        self._open.push((*values, engage), 0.0 if stamp is None else stamp)

    def wait_for_reader(self, timeout_s: float) -> bool:
        """Block until somebody reads the stream, at most this long; whether somebody does."""
        return self._open.wait_for_reader(timeout_s)

    def close(self) -> None:
        """Take the stream off the network, in a process that goes on; its end does so anyway."""
        if self._outlet:
            self._outlet.close()
        self._outlet = None

    @property
    def _open(self) -> Outlet:
        if self._outlet is None:
            raise StreamError("the intention outlet is closed")
        return self._outlet


def _elements(channel: Channel) -> dict[str, str]:
    """The XML elements of one channel, as in the XDF specification."""
    return {
        "label": channel.label,
        "unit": "normalized",
        "type": TYPE,
        "range_min": f"{channel.low:g}",
        "range_max": f"{channel.high:g}",
    }
