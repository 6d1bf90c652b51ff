"""The little of pylsl that is used here, with types: pylsl brings none.

All its calls go through ctypes and release the GIL while liblsl works. What liblsl
refuses or loses comes out as ``RuntimeError``, from which each of pylsl's own errors derives.
"""

import ctypes
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import pylsl
from numpy.typing import NDArray
from pylsl.util import handle_error

Stamps = NDArray[np.float64]  # (n,) [s]
Tree = Mapping[str, "str | Tree"]
"""XML elements: a text, or further elements, by name."""

FLOAT32: Final = "float32"
IRREGULAR: Final = float(pylsl.IRREGULAR_RATE)
NO_STAMPS: Final[Stamps] = np.empty(0)
_FORMATS: Final = {
    getattr(pylsl, f"cf_{name}"): name
    for name in ("float32", "double64", "string", "int32", "int16", "int8", "int64")
}
_BUFFER_S: Final = 1  # liblsl's smallest; older samples are dropped by liblsl itself


@dataclass(frozen=True, slots=True)
class Stream:
    """A stream as its outlet announces it.

    Attributes:
        labels: of the channels; None before the outlet was asked (``Inlet.describe``).
        uid: of this very outlet: a restarted one has another.
        units: of the channels; None before the outlet was asked.
        handle: pylsl's own object.
    """

    name: str
    type: str
    source_id: str
    session: str
    labels: tuple[str, ...] | None
    channels: int
    format: str
    rate_hz: float
    host: str
    uid: str
    units: tuple[str, ...] | None
    handle: Any = field(repr=False, compare=False)


def configure(text: str) -> None:
    """Give liblsl its configuration; without effect after any other call in this process."""
    pylsl.set_config_content(text)


def local_clock_s() -> float:
    """The clock of all stamps made on this machine [s]."""
    return float(pylsl.local_clock())


def clock_offset_s() -> float:
    """LSL's clock minus CLOCK_MONOTONIC [s]: zero on Linux in practice, but nobody promises."""
    brackets = []
    for _ in range(10):
        before, lsl, after = time.monotonic(), local_clock_s(), time.monotonic()
        brackets.append((after - before, lsl - (before + after) / 2))
    return min(brackets)[1]


def streams(window_s: float) -> list[Stream]:
    """All streams of this process's session that answer within the window; blocks that long."""
    return [_stream(info) for info in pylsl.resolve_streams(window_s)]


def _stream(info: Any, described: bool = False) -> Stream:
    return Stream(
        name=info.name(),
        type=info.type(),
        source_id=info.source_id(),
        session=info.session_id(),
        labels=_of_channels(info, "label") if described else None,
        channels=info.channel_count(),
        format=_FORMATS.get(info.channel_format(), "undefined"),
        rate_hz=info.nominal_srate(),
        host=info.hostname(),
        uid=info.uid(),
        units=_of_channels(info, "unit") if described else None,
        handle=info,
    )


def _of_channels(info: Any, key: str) -> tuple[str, ...]:
    found = []
    channel = info.desc().child("channels").child("channel")
    while not channel.empty():
        found.append(channel.child_value(key))
        channel = channel.next_sibling("channel")
    return tuple(found)


class Inlet:
    """One connection to one outlet, which it never replaces by another."""

    def __init__(self, stream: Stream) -> None:
        # recover=False: liblsl's own recovery connects to whatever has the same name, type,
        # source_id and size, says nothing, and info() goes on showing the outlet that died.
        self._raw = pylsl.StreamInlet(
            stream.handle, max_buflen=_BUFFER_S, max_chunklen=1, recover=False
        )
        self._rows: NDArray[Any] | None = None  # where ``_pull`` moves samples to

    def describe(self, timeout_s: float) -> Stream:
        """The full announcement, labels and units included."""
        info = self._raw.info(timeout_s)
        return _stream(info, described=True)

    def open(self, timeout_s: float) -> None:
        """Have samples sent from now on."""
        self._raw.open_stream(timeout_s)

    def correction_s(self, timeout_s: float) -> float:
        """What to add to this outlet's stamps to bring them to the local clock [s].

        The first answer takes 0.64 s; later ones are instant, liblsl keeps them up to date.
        """
        return float(self._raw.time_correction(timeout_s))

    def pull(self, rows: NDArray[Any]) -> Stamps:
        """Move what has arrived into ``rows``, (n, channels); return its stamps [s], (<= n,).

        ``rows`` are C-contiguous and of the stream's format. Never blocks **once ``describe``
        has answered**: before that, liblsl's chunk functions fetch the announcement first and
        wait for it, whatever their time-out.
        """
        if rows is not self._rows:
            self._aim(rows)
        moved = self._raw.do_pull_chunk(*self._pull)
        if self._error.value:
            handle_error(self._error)
        return self._stamps[: moved // rows.shape[1]].copy()

    def _aim(self, rows: NDArray[Any]) -> None:
        """Prepare the call; ``pull_chunk`` of pylsl does so each time, which takes longer."""
        wanted = (self._raw.np_dtype, self._raw.channel_count)
        if (rows.dtype, rows.shape[1]) != wanted or not rows.flags.c_contiguous:
            raise ValueError(f"rows of {rows.shape[1]} {rows.dtype} for a stream of {wanted[::-1]}")
        self._rows, self._stamps = rows, np.empty(len(rows))
        self._error = ctypes.c_int()
        self._pull = (
            self._raw.obj,
            ctypes.c_void_p(rows.ctypes.data),
            ctypes.c_void_p(self._stamps.ctypes.data),
            ctypes.c_size_t(rows.size),
            ctypes.c_size_t(len(rows)),
            ctypes.c_double(0.0),
            ctypes.byref(self._error),
        )


class MarkerInlet:
    """One connection to one outlet of strings."""

    def __init__(self, stream: Stream) -> None:
        self._raw = pylsl.StreamInlet(stream.handle, max_buflen=_BUFFER_S, recover=False)

    def pull(self, timeout_s: float) -> str | None:
        """The next marker, waited for; None when there is none."""
        sample, _ = self._raw.pull_sample(timeout_s)
        return None if sample is None else str(sample[0])


class _LastingOutlet(pylsl.StreamOutlet):  # type: ignore[misc]  # pylsl has no types
    """Stays on the network until its process ends, or ``destroy``.

    liblsl (1.17.7 and 1.18.0b6) crashes now and then when it takes down an outlet while another
    program connects to it: ``tcp_server::close_inflight_sessions`` walks a container from which
    a session that ends takes itself out. 15 of 400 processes died so at their end, none of 400
    that left the outlet to the kernel (three readers that came and went, 2026-11-28).
    """

    def __del__(self) -> None:
        """Nothing: neither the end of the process nor that of the object takes it down."""

    def destroy(self) -> None:
        """Take it down; only where no program is just connecting."""
        super().__del__()


class Outlet:
    """An announced stream of float32 samples, until the process ends or ``close``.

    Args:
        description: per channel, the XML elements below desc/channels/channel.
        extra: further elements below desc.
        buffer_s: what is kept for a reader that is slow; older samples are dropped.
    """

    def __init__(
        self,
        name: str,
        type: str,
        source_id: str,
        rate_hz: float,
        description: Sequence[Tree],
        extra: Tree,
        buffer_s: int = _BUFFER_S,
    ) -> None:
        info = pylsl.StreamInfo(name, type, len(description), rate_hz, FLOAT32, source_id)
        _describe(info, description, extra)
        self._raw = _LastingOutlet(info, chunk_size=1, max_buffered=buffer_s)

    @property
    def session(self) -> str:
        """The session that liblsl really put it in."""
        return str(self._raw.get_info().session_id())

    @property
    def read(self) -> bool:
        """Whether somebody reads it."""
        return bool(self._raw.have_consumers())

    def push(self, sample: Sequence[float], stamp_s: float) -> None:
        """Send one sample; a stamp of 0 means now."""
        self._raw.push_sample(sample, stamp_s)

    def push_rows(self, rows: NDArray[np.float32], stamps_s: Stamps) -> None:
        """Send several samples at once, as an amplifier does, (n, channels) and (n,) [s]."""
        self._raw.push_chunk(rows, stamps_s.tolist())

    def wait_for_reader(self, timeout_s: float) -> bool:
        """Block until somebody reads, at most this long; whether somebody does."""
        return bool(self._raw.wait_for_consumers(timeout_s))

    def close(self) -> None:
        """Take the stream off the network, in a process that goes on; see ``_LastingOutlet``."""
        self._raw.destroy()


class MarkerOutlet:
    """A stream of markers, one string channel, irregular rate, until the process ends.

    Args:
        extra: further elements below desc.
    """

    def __init__(self, name: str, source_id: str, extra: Tree | None = None) -> None:
        info = pylsl.StreamInfo(name, "Markers", 1, pylsl.IRREGULAR_RATE, "string", source_id)
        _describe(info, [{"label": "marker", "type": "Markers"}], extra or {})
        self._raw = _LastingOutlet(info)

    def push(self, marker: str, stamp_s: float = 0.0) -> None:
        """Send one marker; a stamp of 0 means now."""
        self._raw.push_sample([marker], stamp_s)


def _describe(info: Any, description: Sequence[Tree], extra: Tree) -> None:
    """Fill desc: the extra elements, then the channels."""
    root = info.desc()
    _append(root, extra)
    channels = root.append_child("channels")
    for elements in description:
        _append(channels.append_child("channel"), elements)


def _append(node: Any, tree: Tree) -> None:
    for name, value in tree.items():
        if isinstance(value, str):
            node.append_child_value(name, value)
        else:
            _append(node.append_child(name), value)
