"""What the terminal shows of one tick: panels for a screen, or one line for a log."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from bridges import palette
from controller.ports import Skill
from controller.skills.baoding import SOLVED_DISTANCE_M
from controller.supervisor.judge import ENGAGED
from controller.supervisor.states import State, reasons

WIDTH: Final = 80  # of the smallest terminal that people use
LEFT: Final = 47  # of the two panels below
FAINT: Final = "#8b95a1"
TRACK: Final = "#555d66"
DARK: Final = "#6b5a58"  # a muscle at rest, on a terminal's dark ground
BRIGHT: Final = "#ff4b4b"  # and one in full force
ROTATION_CELLS: Final = 35  # odd: it has a middle
ERROR_CELLS: Final = 43
REMARK_CELLS: Final = 12
SILENT_S: Final = 1.0  # without a new tick: say so
HEIGHTS: Final = "▁▂▃▄▅▆▇"  # never full: lines stay apart
MUSCLE_GROUPS: Final = (  # sizes, in the order of names.MUSCLES
    ("wrist, forearm", 8),
    ("finger flexors", 8),
    ("finger extensors", 6),
    ("thumb", 5),
    ("intrinsics", 12),
)


@dataclass(frozen=True, slots=True)
class View:
    """One look at the board.

    Attributes:
        record: the newest tick, a board.RECORD.
        skill: that the hand works at.
        elapsed_s: from the first tick seen to this one.
        rate_hz: ticks a second of late, NaN before the second tick.
        worst_lateness_ns: of all the ticks seen.
        silent_s: how long ago this tick began.
        troubles: of the processes beside the loop, in words.
    """

    record: NDArray[np.void]
    skill: Skill
    elapsed_s: float
    rate_hz: float
    worst_lateness_ns: int
    silent_s: float
    troubles: tuple[str, ...] = ()


def screen(view: View | None) -> RenderableType:
    """The panels, 80 columns and 17 lines, and one more for each process in trouble."""
    if view is None:
        return Panel(Text("waiting for the first tick", FAINT), title="myoloop", width=WIDTH)
    below = Table.grid()
    below.add_row(
        _panel(_muscles(view), "muscle activation, cube root", LEFT),
        _panel(_timing(view), "timing", WIDTH - LEFT),
    )
    return Group(
        _panel(_state(view), "myoloop", WIDTH),
        _panel(_intention(view), "intention", WIDTH),
        _panel(_errors(view), "balls off target", WIDTH)
        if view.skill.OBJECTS
        else _panel(_there(view), "task", WIDTH),
        below,
    )


def line(view: View) -> str:
    """The same in a line, for a log."""
    record = view.record
    errors = " ".join(f"{error * 1e3:.1f}" for error in _known_errors(record))
    told = f"error {errors} mm{', solved' if record['solved'] else ''}"
    if not view.skill.OBJECTS:
        told = _progress(view)
    return (
        f"{view.elapsed_s:7.1f} s  {State(int(record['state'])).name.lower():8}  "
        f"{said(view)}  age {_age(float(record['age_s']))}  {told}  "
        f"late {record['lateness_ns'] / 1e3:.0f} us, max {view.worst_lateness_ns / 1e3:.0f} us  "
        f"missed {record['missed']}  {'; '.join((_remark(record), *view.troubles))}"
    ).rstrip("; ")


def _panel(content: RenderableType, title: str, width: int) -> Panel:
    return Panel(
        content, title=Text(title, FAINT), title_align="left", border_style=TRACK, width=width
    )


def _row(*cells: RenderableType, fill: int = 0) -> Table:
    """Cells side by side; the one numbered ``fill`` takes the room that is left."""
    grid = Table.grid(expand=True, padding=(0, 2, 0, 0))
    for index in range(len(cells)):
        grid.add_column(ratio=1 if index == fill else None, no_wrap=True)
    grid.add_row(*cells)
    return grid


def _lamp(on: bool, yes: str, no: str) -> Text:
    return Text(f"● {yes}", palette.GOOD) if on else Text(f"○ {no}", FAINT)


def _state(view: View) -> RenderableType:
    state = State(int(view.record["state"]))
    word = Text(f"● {state.name}", f"bold {palette.STATES[state]}")
    if view.silent_s > SILENT_S:
        remark = Text(f"no tick for {view.silent_s:.0f} s", palette.BAD)
    else:
        remark = Text(_remark(view.record), palette.STATES[State.HOLD])
    troubles = [Text(f"! {one}", palette.BAD, no_wrap=True) for one in view.troubles]
    return Group(_row(word, remark, Text(f"{view.elapsed_s:.1f} s"), fill=1), *troubles)


def _remark(record: NDArray[np.void]) -> str:
    """Why the hand does not do what is wished; in a fault, what caused it."""
    if record["state"] == State.FAULT:
        return bytes(record["note"]).decode(errors="replace")
    return ", ".join(name.replace("_", " ") for name in reasons(record["reasons"]))


def said(view: View) -> str:
    """What is asked of the hand, in the skill's own words."""
    return view.skill.said(view.record["intention"][: len(view.skill.CHANNELS)])


def _there(view: View) -> RenderableType:
    if not view.skill.SUCCESS:
        return Text(_progress(view), FAINT)
    return _lamp(bool(view.record["solved"]), view.skill.SUCCESS, "on its way")


def _progress(view: View) -> str:
    if not view.skill.SUCCESS:
        return "no task"
    return "solved" if view.record["solved"] else "on its way"


def _intention(view: View) -> RenderableType:
    """One channel as a bar, several in words."""
    record = view.record
    beside = (
        _lamp(float(record["engage"]) >= ENGAGED, "engaged", "let go "),
        Text(f"age {_age(float(record['age_s']))}".rjust(10), FAINT),
    )
    if len(view.skill.CHANNELS) > 1:
        return _row(Text(said(view)), *beside)
    (channel,), value = view.skill.CHANNELS, float(record["intention"][0])
    bar = _signed_bar(value / channel.high)
    return _row(Text(channel.label), bar, Text(f"{value:+.2f}"), *beside, fill=1)


def _age(age_s: float) -> str:
    if not math.isfinite(age_s):
        return "-"
    return f"{age_s * 1e3:.0f} ms" if age_s < 1.0 else f"{age_s:.1f} s"


def _signed_bar(share: float) -> Text:
    """From the middle to the left or to the right, for a share of -1 to 1."""
    middle = ROTATION_CELLS // 2
    length = round(min(abs(share), 1.0) * middle) if math.isfinite(share) else 0
    first = middle - length if share < 0 else middle
    bar = Text("━" * ROTATION_CELLS, TRACK)
    bar.stylize(palette.DRIVE, first, first + length + 1)
    return _marked(bar, middle)


def _marked(bar: Text, cell: int) -> Text:
    """The bar with a tick at a cell."""
    return Text.assemble(bar[:cell], ("╋", "bold"), bar[cell + 1 :])


def _known_errors(record: NDArray[np.void]) -> list[float]:
    return [float(error) for error in record["error_m"][: record["objects"]]]


def _errors(view: View) -> RenderableType:
    limit_mm = SOLVED_DISTANCE_M * 1e3
    remarks = [
        _lamp(bool(view.record["solved"]), "solved", "not solved"),
        Text(f"╋ {limit_mm:.0f} mm", FAINT),
    ]
    rows = [
        _row(
            Text(f"ball {index + 1}", palette.BALLS[index]),
            _error_bar(error, palette.BALLS[index]),
            Text(f"{error * 1e3:.1f} mm".rjust(9)),
            Text.assemble(remarks[index], " " * (REMARK_CELLS - len(remarks[index]))),
            fill=1,
        )
        for index, error in enumerate(_known_errors(view.record))
    ]
    return Group(*rows)


def _error_bar(error_m: float, colour: str) -> Text:
    """An error against the limit, which is in the middle."""
    middle = ERROR_CELLS // 2
    share = error_m / SOLVED_DISTANCE_M
    length = round(min(share, 2.0) * ERROR_CELLS / 2) if math.isfinite(share) else ERROR_CELLS
    bar = Text("━" * ERROR_CELLS, TRACK)
    bar.stylize(colour if share < 1.0 else palette.BAD, 0, length)
    return _marked(bar, middle)


def _muscles(view: View) -> RenderableType:
    grid = Table.grid(padding=(0, 2, 0, 0))
    activations = iter(view.record["activation"].tolist())
    for name, size in MUSCLE_GROUPS:
        grid.add_row(Text(name), Text.assemble(*_cells(activations, size)))
    return grid


def _cells(activations: Iterator[float], size: int) -> list[tuple[str, str]]:
    """The next muscles as blocks, with their colours."""
    shares = [palette.tone(next(activations)) for _ in range(size)]
    return [(2 * HEIGHTS[round(share * (len(HEIGHTS) - 1))], _blend(share)) for share in shares]


def _blend(share: float) -> str:
    pairs = zip(palette.rgb(DARK), palette.rgb(BRIGHT), strict=True)
    red, green, blue = (round(255 * (rest + share * (full - rest))) for rest, full in pairs)
    return f"#{red:02x}{green:02x}{blue:02x}"


def _timing(view: View) -> RenderableType:
    record = view.record
    missed = int(record["missed"])
    grid = Table.grid(expand=True)
    grid.add_column()
    grid.add_column(justify="right")
    grid.add_row("rate", "-" if math.isnan(view.rate_hz) else f"{view.rate_hz:.1f} Hz")
    grid.add_row("woke late", f"{record['lateness_ns'] / 1e3:.0f} µs")
    grid.add_row("at most", f"{view.worst_lateness_ns / 1e3:.0f} µs")
    grid.add_row("a tick takes", f"{record['took_ns'] / 1e6:.2f} ms")
    grid.add_row("missed deadlines", Text(str(missed), palette.BAD if missed else palette.GOOD))
    return grid
