"""What the decoder sees and decides, for those who watch: a cell, and a panel that draws it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from bridges import palette
from bridges.dashboard import FAINT, TRACK, WIDTH
from bridges.emg.calibration_screen import channels
from bridges.emg.decoder import Decision
from controller.cell import CellWriter
from controller.messages import Array

MOST: Final = 64  # channels that are shown
WORD: Final = 16
EVERY: Final = 10  # hops: ten times a second

VIEW: Final = np.dtype(
    [
        ("channels", np.int64),
        ("labels", f"S{WORD}", (MOST,)),
        ("rms_uv", np.float64, (MOST,)),
        ("bad", f"S{WORD}", (MOST,)),
        ("rotation", np.float64),
        ("engage", np.float64),
        ("reason", "S80"),
    ]
)


class ViewWriter:
    """The decoder's end."""

    def __init__(self, path: Path, labels: Sequence[str]) -> None:
        self._cell, self._hops = CellWriter(path, VIEW), 0
        self._cell.record["channels"] = count = min(len(labels), MOST)
        self._cell.record["labels"][:count] = [label.encode() for label in labels[:count]]

    def tell(self, decision: Decision, window: Array, bad: Sequence[str]) -> None:
        """Once in EVERY hops, publish."""
        self._hops += 1
        if self._hops % EVERY:
            return
        record = self._cell.record
        count = int(record["channels"])
        record["rms_uv"][:count] = window.std(axis=0)[:count]
        record["bad"][:count] = [word.encode() for word in bad[:count]]
        record["rotation"], record["engage"] = decision.rotation, decision.engage
        record["reason"] = decision.reason.encode()
        self._cell.publish()


def panel(record: NDArray[np.void]) -> Panel:
    """One look as a panel of 80 columns."""
    count = int(record["channels"])
    labels, bad = (
        [bytes(word).decode(errors="replace") for word in record[key][:count]]
        for key in ("labels", "bad")
    )
    grid = Table.grid()
    grid.add_row(channels(labels, record["rms_uv"][:count], bad))
    reason = bytes(record["reason"]).decode(errors="replace")
    side = "left" if record["rotation"] > 0 else "right"
    said = Text(f"hold: {reason}", FAINT) if reason else Text(f"turn {side}", palette.DRIVE)
    grid.add_row(said)
    return Panel(
        grid,
        title=Text("EMG, µV rms, logarithmic", FAINT),
        title_align="left",
        border_style=TRACK,
        width=WIDTH,
    )
