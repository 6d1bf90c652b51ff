"""The follower ``recorder``: every tick into an MCAP file, by a process beside the loop.

The board keeps 4096 ticks: this process may stall for that long before it loses one.
"""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import msgspec

from bridges.follower_process import FollowerProcess
from controller.errors import HostError
from controller.follower import FollowerContext, FollowerInfo
from controller.settings import convert


class RecorderOptions(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Where to write."""

    file: str
    """A new file; by custom NAME.mcap."""


def create(
    name: str, options: dict[str, Any], required: bool, context: FollowerContext, origin: str
) -> FollowerProcess:
    """Start the recorder.

    Raises:
        SettingsError: no file is named.
        HostError: the file exists or can't be written, or the extra is not installed.
    """
    if find_spec("mcap") is None:
        raise HostError(f"{origin}: recording needs the extra: pip install 'myoloop[view]'")
    check_new(Path(convert(options, RecorderOptions, origin).file), origin)
    info = FollowerInfo(name, required, woken=False)
    return FollowerProcess("bridges.recording.process", info, options, context)


def check_new(path: Path, origin: str) -> None:
    """Refuse to write over anything, before the run.

    Raises:
        HostError: the file exists or can't be made.
    """
    try:
        path.open("xb").close()
    except OSError as error:
        raise HostError(f"{origin}: {path}: {error.strerror}") from None
    path.unlink()
