"""The amplifier's stream: found, checked, read without loss; found again after a loss."""

import time
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from bridges import lsl_api
from bridges.emg.calibration import Electrodes, microvolts
from bridges.emg.settings import EmgSettings, EmgStream
from bridges.lsl_api import Inlet, Stream
from bridges.lsl_link import ANSWER_S, LOST, Link, LinkKeeper, connect
from bridges.lsl_match import SHORTEST_WINDOW_S, WINDOW_S, Wanted
from controller.errors import StreamError
from controller.messages import Array
from controller.settings import convert

TYPE: Final = "EMG"
NUMBERS: Final = {
    "float32": np.float32,
    "double64": np.float64,
    "int32": np.int32,
    "int16": np.int16,
    "int8": np.int8,
}
"""The formats that can be read: what amplifiers send."""


def open_emg(settings: EmgSettings, origin: str) -> "EmgInlet":
    """Find the amplifier's stream and connect to it; blocks up to ``wait_s`` and a few s.

    Raises:
        StreamError: there is none or several, or it can't be read; says what there is.
        ContractError: a unit is unknown.
        SettingsError: its rate is out of range.
    """
    stream = discover(settings.emg, settings.session, origin)
    if stream.format not in NUMBERS:
        raise StreamError(f"{origin}: format {stream.format!r}; allowed: {', '.join(NUMBERS)}")
    electrodes = electrodes_of(stream, origin)
    wanted = Wanted(
        name=stream.name,
        type=stream.type,
        source_id=stream.source_id,
        session=stream.session,
        labels=electrodes.labels,
        rate_hz=electrodes.rate_hz,
        format=stream.format,
        units=electrodes.units,
    )
    link = connect(wanted, settings.emg.wait_s)
    return EmgInlet(LinkKeeper(wanted, link), electrodes, stream.format)


def discover(wanted: EmgStream, session: str, origin: str) -> Stream:
    """The one EMG stream of this name and source_id, described by its outlet.

    Raises:
        StreamError: none, several, or one that does not answer; lists what there is.
    """
    deadline = time.monotonic() + wanted.wait_s
    named = f"stream {wanted.name!r}, type {TYPE!r}, source_id {wanted.source_id!r}"
    while True:
        left_s = deadline - time.monotonic()
        seen = lsl_api.streams(min(WINDOW_S, max(SHORTEST_WINDOW_S, left_s)))
        fits = [s for s in seen if _key(s) == (wanted.name, TYPE, wanted.source_id)]
        if len(fits) == 1:
            break
        if fits:
            raise StreamError(f"{origin}: {len(fits)} streams are called {named}, only one may")
        if deadline - time.monotonic() < SHORTEST_WINDOW_S:
            there = "; ".join(
                f"name {s.name!r}, type {s.type!r}, source_id {s.source_id!r}" for s in seen
            )
            raise StreamError(
                f"{origin}: no {named} within {wanted.wait_s:g} s; in the session {session!r}: "
                f"{there or 'nothing'}"
            )
    try:
        return Inlet(fits[0]).describe(ANSWER_S)
    except RuntimeError as error:
        raise StreamError(f"{origin}: {named} does not answer: {error}") from None


def _key(stream: Stream) -> tuple[str, str, str]:
    return stream.name, stream.type, stream.source_id


def electrodes_of(stream: Stream, origin: str) -> Electrodes:
    """What a stream says of its channels, checked.

    Raises:
        StreamError: labels are missing or double, or units are missing.
        ContractError: a unit is unknown.
        SettingsError: the rate is out of range.
    """
    labels, units = stream.labels or (), stream.units or ()
    origin = f"{origin}: stream {stream.name!r}"
    if len(labels) != stream.channels or "" in labels:
        raise StreamError(
            f"{origin}: {stream.channels} channels, {len(labels)} labels; each channel needs "
            "desc/channels/channel/label"
        )
    double = [label for label in labels if labels.count(label) > 1]
    if double:
        raise StreamError(f"{origin}: two channels are called {double[0]!r}")
    plain = {"labels": labels, "units": units, "rate_hz": stream.rate_hz}
    electrodes = convert(plain, Electrodes, origin)
    microvolts(electrodes)
    return electrodes


class EmgInlet:
    """Every sample that arrives, with its stamp on the monotonic clock.

    Args:
        keeper: holds the connection.
        electrodes: what the stream announces.
        format: of its samples.

    Attributes:
        electrodes: as given.
        links: how many connections there were.
    """

    def __init__(self, keeper: LinkKeeper, electrodes: Electrodes, format: str) -> None:
        self.electrodes, self.links = electrodes, 0
        self._keeper = keeper
        room = 2 * int(electrodes.rate_hz) + 1  # liblsl keeps a second
        self._rows = np.empty((room, len(electrodes.labels)), NUMBERS[format])
        self._none = self._rows[:0].copy()

    def pull(self) -> tuple[NDArray[Any], Array, str]:
        """What arrived: rows, (n, channels), LSL stamps on the local clock [s], and a trouble.

        The trouble is "" while the connection stands.
        """
        link = self._keeper.link
        if link is None:
            return self._none, lsl_api.NO_STAMPS, self._keeper.trouble
        self.links = link.number
        stamps, now_s = self._take(link), time.monotonic()
        if len(stamps):
            link.heard_s = now_s
        self._keeper.look(link, now_s)
        trouble = LOST if link.lost else ""
        return self._rows[: len(stamps)].copy(), stamps + link.correction_s, trouble

    def _take(self, link: Link) -> Array:
        if link.lost:
            return lsl_api.NO_STAMPS
        try:
            return link.inlet.pull(self._rows)
        except RuntimeError:
            link.lost = True
            return lsl_api.NO_STAMPS

    def close(self) -> None:
        """Let the stream go."""
        self._keeper.close()
