"""``python -m bridges.window BOARD``: MuJoCo's own viewer, following the board.

A process of its own: however slow the graphics, the loop does not notice.
"""

import logging
import os
import sys
import threading
import time
from pathlib import Path
from typing import Final

import mujoco
import mujoco.viewer

from bridges import stage
from controller.board import BoardReader
from controller.errors import HostError, MyoloopError

LOOK_S: Final = 1 / 60
END_S: Final = 5.0


def follow(reader: BoardReader) -> None:
    """Show the newest tick until the board or the window closes.

    Raises:
        HostError: there is no display to open a window on.
    """
    if not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        raise HostError("a window needs a display: neither DISPLAY nor WAYLAND_DISPLAY is set")
    mujoco.set_mju_user_warning(logging.getLogger("mujoco").warning)  # not MUJOCO_LOG.TXT
    hand = stage.Stage()
    with mujoco.viewer.launch_passive(
        hand.model, hand.data, show_left_ui=False, show_right_ui=False
    ) as viewer:
        with viewer.lock():
            stage.aim(viewer.cam)
            stage.choose(viewer.opt)
        while viewer.is_running() and not reader.closed:
            record = reader.read(reader.newest)
            if record is not None:
                with viewer.lock():
                    hand.pose(record)
                viewer.sync()
            time.sleep(LOOK_S)
    for thread in set(threading.enumerate()) - {threading.main_thread()}:
        thread.join(END_S)  # the viewer still draws: it must not lose its display meanwhile


def main() -> int:
    """Follow the board that the command line names."""
    try:
        follow(BoardReader(Path(sys.argv[1])))
    except MyoloopError as error:
        print(f"myoloop: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
