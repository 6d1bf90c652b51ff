"""Which stream is the intention: exactly one, and every field of it as expected."""

import math
import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

from bridges import lsl_api
from bridges.lsl_api import Stream
from controller.errors import StreamError
from controller.skills.skill import Channel

TYPE: Final = "Control"
NAME: Final = "myoloop-intention"
RATE_HZ: Final = 100.0
ENGAGE: Final = Channel("engage", 0.0, 1.0, "the dead-man: below 0.5 the hand relaxes")

WINDOW_S: Final = 1.0  # two rounds of liblsl's queries
SHORTEST_WINDOW_S: Final = 0.5  # a shorter one misses streams
LABELS_S: Final = 2.0  # an outlet that takes longer to describe itself is not usable


class NoMatch(StreamError):
    """No stream, or several, are as wanted; the message lists each that was seen.

    Attributes:
        brief: the same in a line: the nearest stream, and where it differs.
    """

    def __init__(self, message: str, brief: str) -> None:
        super().__init__(message)
        self.brief = brief


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the stream has to be.

    Attributes:
        labels: the skill's channels in their order, then ``engage``.
        host: None for any; after the first connection it is that one's.
        format: of the samples.
        units: of the channels; None for any.
    """

    name: str
    type: str
    source_id: str
    session: str
    labels: tuple[str, ...]
    rate_hz: float
    host: str | None = None
    format: str = lsl_api.FLOAT32
    units: tuple[str, ...] | None = None


def labels_of(channels: Iterable[Channel]) -> tuple[str, ...]:
    """The labels of an intention stream for a skill's channels."""
    return (*(channel.label for channel in channels), ENGAGE.label)


def find(wanted: Wanted, wait_s: float) -> Stream:
    """The one stream that matches, waited for; blocks 0.5 s at least.

    Raises:
        NoMatch: none or several match; lists what there is and where each differs.
    """
    deadline = time.monotonic() + wait_s
    while True:
        remaining = deadline - time.monotonic()
        seen = lsl_api.streams(min(WINDOW_S, max(SHORTEST_WINDOW_S, remaining)))
        named = [s if _but_labels(s, wanted) else _with_labels(s) for s in seen]
        matching = [stream for stream in named if not mismatches(stream, wanted)]
        if len(matching) == 1:
            return matching[0]
        if matching or deadline - time.monotonic() < SHORTEST_WINDOW_S:
            raise _refusal(named, len(matching), wanted, wait_s)


def mismatches(stream: Stream, wanted: Wanted) -> list[str]:
    """What differs, in words; empty for a match."""
    found = _but_labels(stream, wanted)
    if stream.labels is None:
        found.append("labels unknown: the outlet does not describe itself")
    elif stream.labels != wanted.labels:
        found.append(f"labels {_list(stream.labels)} instead of {_list(wanted.labels)}")
    elif wanted.units is not None and stream.units != wanted.units:
        found.append(f"units {_list(stream.units or ())} instead of {_list(wanted.units)}")
    return found


def _but_labels(stream: Stream, wanted: Wanted) -> list[str]:
    """As ``mismatches``, from the fields that come without asking the outlet."""
    pairs = [
        ("name", stream.name, wanted.name),
        ("type", stream.type, wanted.type),
        ("source_id", stream.source_id, wanted.source_id),
        ("session", stream.session, wanted.session),
        ("channel count", stream.channels, len(wanted.labels)),
        ("format", stream.format, wanted.format),
        ("host", stream.host, wanted.host or stream.host),
    ]
    found = [f"{what} {is_!r} instead of {want!r}" for what, is_, want in pairs if is_ != want]
    if not math.isclose(stream.rate_hz, wanted.rate_hz, rel_tol=1e-6):
        found.append(f"rate {stream.rate_hz:g} Hz instead of {wanted.rate_hz:g} Hz")
    return found


def _with_labels(stream: Stream) -> Stream:
    """Ask the outlet for its labels; an outlet that doesn't answer keeps None."""
    try:
        described = lsl_api.Inlet(stream).describe(LABELS_S)
        return replace(stream, labels=described.labels, units=described.units)
    except RuntimeError:
        return stream


def _refusal(seen: list[Stream], matching: int, wanted: Wanted, wait_s: float) -> NoMatch:
    head = (
        f"{matching} streams match, only one may"
        if matching
        else f"no stream matches within {wait_s:g} s"
    )
    want = (
        f"wanted: name {wanted.name!r}, type {wanted.type!r}, source_id {wanted.source_id!r}, "
        f"channels {_list(wanted.labels)} ({len(wanted.labels)} x {wanted.format}), "
        f"{wanted.rate_hz:g} Hz, host {wanted.host or 'any'}"
    )
    # the labels of those that fail otherwise were not needed until now
    full = [_with_labels(s) if s.labels is None else s for s in seen]
    full.sort(key=lambda one: (one.source_id != wanted.source_id, len(mismatches(one, wanted))))
    lines = [f"saw: {_shown(stream)}: {_verdict(stream, wanted)}" for stream in full]
    nothing = [f"saw: nothing in the session {wanted.session!r}"]
    nearest = f"; {full[0].source_id!r} has {_verdict(full[0], wanted)}" if full else ""
    brief = head if matching else f"no stream matches{nearest}"
    return NoMatch("\n  ".join([head, want, *(lines or nothing)]), brief)


def _shown(stream: Stream) -> str:
    labels = "not answered" if stream.labels is None else _list(stream.labels)
    return (
        f"name {stream.name!r}, type {stream.type!r}, source_id {stream.source_id!r}, "
        f"channels {labels} ({stream.channels} x {stream.format}), "
        f"{stream.rate_hz:g} Hz, host {stream.host}"
    )


def _verdict(stream: Stream, wanted: Wanted) -> str:
    return ", ".join(mismatches(stream, wanted)) or "matches"


def _list(labels: tuple[str, ...]) -> str:
    return "/".join(labels) or "without labels"
