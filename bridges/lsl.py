"""The source ``lsl``: an intention stream of Lab Streaming Layer, see docs/intention.md."""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from bridges.lsl_inlet import LslIntention
from bridges.lsl_link import LinkKeeper, connect
from bridges.lsl_match import NAME, RATE_HZ, TYPE, Wanted, labels_of
from bridges.lsl_session import use_session
from controller.errors import StreamError
from controller.settings import convert
from controller.skills.skill import Channel

Name = Annotated[str, Meta(min_length=1)]


class LslOptions(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Which stream carries the intention; every field is matched exactly."""

    source_id: Name
    """The sender's own identity, the same after it restarts: by it the stream is found again."""
    name: Name = NAME
    """Name of the stream."""
    type: Name = TYPE
    """Content type of the stream."""
    rate_hz: Annotated[float, Meta(gt=0.0, le=10_000.0)] = RATE_HZ
    """Nominal rate that the stream announces."""
    format: Literal["float32", "double64"] = "float32"
    """Of the samples."""
    wait_s: Annotated[float, Meta(ge=0.5, le=120.0)] = 10.0
    """How long the start waits for the stream to appear."""
    session: Name = "default"
    """LSL session, one for the whole process; streams of other sessions are not seen."""


def create(options: dict[str, Any], channels: tuple[Channel, ...], origin: str) -> LslIntention:
    """Find the one stream that matches and connect to it; blocks up to ``wait_s`` and a few s.

    Args:
        options: fields of LslOptions.
        channels: of the skill, without ``engage``.
        origin: where the options came from, for errors.

    Raises:
        SettingsError: an option is unknown or out of range.
        StreamError: none or several streams match, or the process is in another session.
    """
    chosen = convert(options, LslOptions, origin)
    wanted = Wanted(
        name=chosen.name,
        type=chosen.type,
        source_id=chosen.source_id,
        session=chosen.session,
        labels=labels_of(channels),
        rate_hz=chosen.rate_hz,
        format=chosen.format,
    )
    try:
        use_session(chosen.session)
        link = connect(wanted, chosen.wait_s)
    except StreamError as error:
        raise StreamError(f"{origin}: {error}") from None
    return LslIntention(LinkKeeper(wanted, link), len(channels), chosen.rate_hz, chosen.format)
