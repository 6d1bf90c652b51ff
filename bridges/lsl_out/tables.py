"""Which numbers go out: a table for each regular stream, its columns and where they come from."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from controller.board import MAX_OBJECTS
from controller.names import JOINT_RANGE_RAD, JOINTS, MUSCLES
from controller.skills.skill import Channel

Record = NDArray[np.void]  # a board.RECORD
Sample = NDArray[np.float32]
AXES: Final = ("X", "Y", "Z")


@dataclass(frozen=True, slots=True)
class Column:
    """One channel of a stream; units are written out, as in the XDF specification."""

    label: str
    unit: str
    type: str
    low: float | None = None
    high: float | None = None

    def elements(self) -> dict[str, str]:
        """The XML elements below desc/channels/channel."""
        elements = {"label": self.label, "unit": self.unit, "type": self.type}
        if self.low is not None and self.high is not None:
            elements |= {"range_min": f"{self.low:g}", "range_max": f"{self.high:g}"}
        return elements


@dataclass(frozen=True, slots=True)
class Table:
    """One regular stream, a sample for each tick.

    Attributes:
        name: last part of the stream's name.
        type: content type.
        pick: a sample, (columns,), from a tick.
        settled: whether it needs what is known only at the tick's end.
    """

    name: str
    type: str
    columns: tuple[Column, ...]
    pick: Callable[[Record], Sample]
    settled: bool = False


def tables(channels: Iterable[Channel]) -> tuple[Table, ...]:
    """All streams of numbers.

    Args:
        channels: of the skill's intention, without ``engage``.
    """
    return (_commands(), _hand(), _loop(tuple(channels)))


def _commands() -> Table:
    columns = tuple(Column(name, "normalized", "Control", 0.0, 1.0) for name in MUSCLES)
    return Table("commands", "Control", columns, lambda record: record["excitation"])


def _hand() -> Table:
    columns = (
        *(Column(name, "radians", "JointAngle", *JOINT_RANGE_RAD[name]) for name in JOINTS),
        *(Column(f"{name}_speed", "radians/second", "JointSpeed") for name in JOINTS),
        *(Column(f"{name}_act", "normalized", "MuscleActivation", 0.0, 1.0) for name in MUSCLES),
        *_positions("ball"),
        *_positions("target"),
        *(Column(f"error{number}", "meters", "Distance") for number in _numbers()),
    )
    return Table("hand", "Feedback", columns, _pick_hand, settled=True)


def _numbers() -> range:
    return range(1, MAX_OBJECTS + 1)


def _positions(what: str) -> list[Column]:
    return [
        Column(f"{what}{number}_{axis.lower()}", "meters", f"Position{axis}")
        for number in _numbers()
        for axis in AXES
    ]


def _pick_hand(record: Record) -> Sample:
    objects = [record["object_pos"], record["target_pos"], record["error_m"]]
    known = [_known(rows, int(record["objects"])) for rows in objects]
    parts = [record["joint_pos"], record["joint_vel"], record["activation"], *known]
    return np.concatenate([np.ravel(part) for part in parts]).astype(np.float32)


def _known(rows: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """What is not there is not a number."""
    rows = rows.copy()
    rows[count:] = np.nan
    return rows


def _loop(channels: tuple[Channel, ...]) -> Table:
    columns = (
        *(Column(one.label, "normalized", "Intention", one.low, one.high) for one in channels),
        Column("engage", "normalized", "Intention", 0.0, 1.0),
        Column("intention_age", "seconds", "Age"),
        Column("lateness", "seconds", "Lateness"),
        Column("state", "count", "State"),
    )

    def pick(record: Record) -> Sample:
        values = record["intention"][: len(channels)]
        late_s = record["lateness_ns"] / 1e9
        rest = (record["engage"], record["age_s"], late_s, record["state"])
        return np.array([*values, *rest], np.float32)

    return Table("loop", "Status", columns, pick)
