"""The control plane: arm, disarm, stop, reset, swap and status of a running daemon."""

from typing import Any

from bridges.control.curve import check
from bridges.follower_process import FollowerProcess
from controller.follower import FollowerContext, FollowerInfo
from controller.session import ControlSettings
from controller.settings import convert


def create(
    name: str, options: dict[str, Any], required: bool, context: FollowerContext, origin: str
) -> FollowerProcess:
    """Start the control port, in a process of its own.

    Raises:
        SettingsError: an option is unknown, or the port would be open to everybody.
    """
    check(convert(options, ControlSettings, origin), origin)
    info = FollowerInfo(name, required, woken=False)
    return FollowerProcess("bridges.control.server", info, options, context)
