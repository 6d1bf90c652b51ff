"""The loop, live in a terminal: looks at the board ten times a second, touches nothing.

On anything that is not a terminal it prints one line a second instead.
"""

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from bridges import dashboard
from bridges.control.status import troubles_of
from bridges.dashboard import View
from controller.board import BoardReader
from controller.ports import Skill

LOOK_S: Final = 0.1
LINE_S: Final = 1.0  # between the lines of a log
BACKLOG: Final = 4000  # ticks: of a loop that runs for hours, older ones are gone
RATE_LOOKS: Final = 20  # that the rate is measured over


def show(
    reader: BoardReader,
    folder: Path,
    skill: Skill,
    stop: Callable[[], bool],
    console: Console | None = None,
    hint: str = "",
    beside: Callable[[], Sequence[RenderableType]] = tuple,
) -> None:
    """Follow the board until it closes or ``stop`` says so; asked at every look.

    Args:
        reader: of the board.
        folder: of the run, where the processes beside the loop say how they are.
        skill: that the hand works at.
        stop: whether to end.
        console: where to draw.
        hint: which keys do what, below the panels.
        beside: further panels, asked for at every look.
    """
    console = console or Console()
    views = _looks(Watch(reader, folder, skill), lambda: reader.closed or stop())
    if console.is_interactive:
        _draw(views, console, hint, beside)
    else:
        _print(views, console)


class Watch:
    """Goes through every tick of the board, so that no maximum is missed."""

    def __init__(self, reader: BoardReader, folder: Path, skill: Skill) -> None:
        self._reader, self._folder, self._skill = reader, folder, skill
        self._next = 0
        self._worst_ns = 0
        self._first: NDArray[np.void] | None = None
        self._newest: NDArray[np.void] | None = None
        self._recent: deque[tuple[int, int]] = deque(maxlen=RATE_LOOKS)  # number, time_ns

    def look(self, now_ns: int) -> View | None:
        """What there is to see at ``now_ns`` (CLOCK_MONOTONIC), None before the first tick."""
        newest = self._reader.newest
        for number in range(max(self._next, newest - BACKLOG), newest + 1):
            self._take(self._reader.read(number))
        self._next = newest + 1
        if self._first is None or self._newest is None:
            return None
        self._recent.append((int(self._newest["number"]), int(self._newest["time_ns"])))
        return View(
            record=self._newest,
            skill=self._skill,
            elapsed_s=_seconds(self._first, self._newest),
            rate_hz=self._rate(),
            worst_lateness_ns=self._worst_ns,
            silent_s=(now_ns - int(self._newest["time_ns"])) / 1e9,
            troubles=tuple(troubles_of(self._folder)),
        )

    def _take(self, record: NDArray[np.void] | None) -> None:
        if record is not None:
            self._first = record if self._first is None else self._first
            self._newest = record
            self._worst_ns = max(self._worst_ns, int(record["lateness_ns"]))

    def _rate(self) -> float:
        (number, time_ns), (last_number, last_time_ns) = self._recent[0], self._recent[-1]
        span_s = (last_time_ns - time_ns) / 1e9
        return (last_number - number) / span_s if span_s else float("nan")


def _seconds(first: NDArray[np.void], last: NDArray[np.void]) -> float:
    return int(last["time_ns"] - first["time_ns"]) / 1e9


def _looks(watch: Watch, over: Callable[[], bool]) -> Iterator[View | None]:
    """A look now, one every LOOK_S, and one after the end."""
    ended = False
    while not ended:
        ended = over()
        yield watch.look(time.monotonic_ns())
        if not ended:
            time.sleep(LOOK_S)


def _draw(
    views: Iterator[View | None],
    console: Console,
    hint: str,
    beside: Callable[[], Sequence[RenderableType]],
) -> None:
    """On a screen of its own, which does not flicker; the last look stays behind."""
    panels: RenderableType = ""
    try:
        with Live(console=console, screen=True, auto_refresh=False) as live:
            for view in views:
                panels = Group(dashboard.screen(view), *beside())
                live.update(Group(panels, Text(hint, dashboard.FAINT)), refresh=True)
    finally:  # after Ctrl-C, too
        console.print(panels)


def _print(views: Iterator[View | None], console: Console) -> None:
    due_s = 0.0
    for view in views:
        if view is not None and view.elapsed_s >= due_s:
            console.print(dashboard.line(view), soft_wrap=True, markup=False, highlight=False)
            due_s = view.elapsed_s + LINE_S
