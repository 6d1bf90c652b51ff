"""The follower ``metrics``: what a Prometheus server scrapes, from a process beside the loop.

See docs/metrics.md.
"""

from importlib.util import find_spec
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from bridges.follower_process import FollowerProcess
from controller.errors import HostError
from controller.follower import FollowerContext, FollowerInfo
from controller.settings import convert

PORT: Final = 9477


class MetricsOptions(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Where it answers."""

    port: Annotated[int, Meta(ge=1, le=65535)] = PORT
    address: str = "127.0.0.1"
    """0.0.0.0 lets other machines read; there is nothing to be ordered here."""


def create(
    name: str, options: dict[str, Any], required: bool, context: FollowerContext, origin: str
) -> FollowerProcess:
    """Start the endpoint.

    Raises:
        SettingsError: an option is unknown or out of range.
        HostError: the extra is not installed.
    """
    convert(options, MetricsOptions, origin)
    if find_spec("prometheus_client") is None:
        raise HostError(f"{origin}: metrics need the extra: pip install 'myoloop[view]'")
    info = FollowerInfo(name, required, woken=False)
    return FollowerProcess("bridges.metrics.process", info, options, context)
