"""The follower ``lsl-out``: each tick as samples and markers of Lab Streaming Layer.

A process beside the loop; see docs/lsl_out.md.
"""

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from bridges.follower_process import FollowerProcess
from controller.follower import FollowerContext, FollowerInfo
from controller.settings import convert


class LslOutOptions(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Where the streams can be found."""

    session: Annotated[str, Meta(pattern=r"^[\w.:-]+$")] = "default"
    """LSL session; recorders of other sessions do not see them."""


def create(
    name: str, options: dict[str, Any], required: bool, context: FollowerContext, origin: str
) -> FollowerProcess:
    """Start the streams.

    Raises:
        SettingsError: an option is unknown or not allowed.
    """
    convert(options, LslOutOptions, origin)
    info = FollowerInfo(name, required)
    return FollowerProcess("bridges.lsl_out.process", info, options, context)
